"""Taking identifiers out of stored texts: JSON, pages and logs keep the rest; what cannot be changed goes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from core.blobs.store import BlobStore
from core.data.erasing import Identifiers, rewrite_part, settle
from core.data.erasing_records import EraseRequest, EraseTable, Replaced
from core.kernel.progress import Progress

ERASED = "(erased)"
_AT_ONCE = 2_000  # identifiers in one pattern


class Needles:
    """The identifiers as one pattern over bytes and one over text."""

    def __init__(self, texts: set[str]) -> None:
        ordered = sorted(texts, key=lambda text: (-len(text), text))
        chunks = [ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE)]
        self._texts = [re.compile("|".join(map(_whole, chunk))) for chunk in chunks]
        forms = [sorted({form for text in chunk for form in _forms(text)}) for chunk in chunks]
        self._bytes = [re.compile(b"|".join(re.escape(form) for form in chunk)) for chunk in forms]
        apart = rb"(?<![A-Za-z0-9])(?:%b)(?![A-Za-z0-9])"
        self._apart = [re.compile(apart % pattern.pattern) for pattern in self._bytes]

    def may_be_in(self, data: bytes) -> bool:
        """Whether any stands in ``data``, plain or escaped as in JSON, also inside a longer word."""
        return any(pattern.search(data) for pattern in self._bytes)

    def in_binary(self, data: bytes) -> bool:
        """Whether any stands in ``data`` by itself."""
        return any(pattern.search(data) for pattern in self._apart)

    def cleaned(self, text: str) -> str:
        """``text`` with each of them replaced."""
        for pattern in self._texts:
            text = pattern.sub(ERASED, text)
        return text


def rewrite_blobs(
    request: EraseRequest, known: Identifiers, blobs: list[str], out: Path, progress: Progress
) -> list[Replaced]:
    """Every other blob: Parquet by its rows, JSON and text by their words; a binary that holds one is removed."""
    needles, store = Needles(known.texts()), BlobStore(Path(request.folder))
    found = []
    for number, digest in enumerate(blobs):
        progress.step(number, len(blobs), "searching reports and files")
        progress.check()
        if (item := _blob(request, known, needles, digest, store.read(digest), out)) is not None:
            found.append(item)
    return found


def _blob(
    request: EraseRequest, known: Identifiers, needles: Needles, digest: str, data: bytes, out: Path
) -> Replaced | None:
    if data[:4] == data[-4:] == b"PAR1":
        anything = EraseTable(
            snapshot="",
            name="",
            source=False,
            parts=[digest],
            who=sorted({t.subject for t in request.tables if t.subject}),
            keyed=sorted(request.keys),
        )
        return _table(request, known, anything, data, out)
    if not needles.may_be_in(data):
        return None
    cleaned = clean(data, needles)
    if cleaned is None:
        return Replaced(old=digest, new=None, what="file") if needles.in_binary(data) else None
    if cleaned == data:  # only inside longer words: somebody else's
        return None
    if not request.prepare:
        return Replaced(old=digest, new=None, what="text")
    temporary = out / "new"
    temporary.write_bytes(cleaned)
    return Replaced(old=digest, new=settle(temporary, out), what="text")


def _table(request: EraseRequest, known: Identifiers, anything: EraseTable, data: bytes, out: Path) -> Replaced | None:
    file = out / "old"  # a chunk in a pack has no file of its own
    file.write_bytes(data)
    try:
        item = rewrite_part(request, known, anything, anything.parts[0], out, file=file)
    finally:
        file.unlink()
    return item if item.rows else None


def clean(data: bytes, needles: Needles) -> bytes | None:
    """The text without the identifiers; none for what is no text, such as an archive."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return needles.cleaned(text).encode()
    walked = _walk(value, needles)
    return data if walked == value else json.dumps(walked, ensure_ascii=False, sort_keys=True).encode()


def _walk(value: Any, needles: Needles) -> Any:
    if isinstance(value, str):
        return needles.cleaned(value)
    if isinstance(value, list):
        return [_walk(item, needles) for item in value]
    if isinstance(value, dict):
        return {needles.cleaned(name): _walk(item, needles) for name, item in value.items()}
    return value


def _whole(text: str) -> str:
    """The text where it is not a part of a longer word or number."""
    return rf"(?<![^\W_]){re.escape(text)}(?![^\W_])"


def _forms(text: str) -> set[bytes]:
    return {text.encode(), json.dumps(text)[1:-1].encode(), json.dumps(text, ensure_ascii=False)[1:-1].encode()}
