"""Forgetting a person where predictions are served: in the online store, in prediction logs, in delivered rows.

The order names columns and values; it lies in a private file for as long as it is carried out. A log line
that is about the person is overwritten in place with blanks: names and offsets of segments stay, so that a
running server goes on writing and a collector goes on reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field

from core.kernel.records import Record

SEPARATOR = "\x1f"
LOGS = "predictions-*.jsonl"


class Keyed(Record):
    """Rows by their key: the columns and, for each row, their values as one text."""

    columns: list[str]
    values: list[str]


class Forget(Record):
    """Whom to forget: values of columns, keys of rows, and texts that name the person wherever they stand."""

    named: dict[str, list[str]] = Field(default_factory=dict)
    keyed: list[Keyed] = Field(default_factory=list)
    texts: list[str] = Field(default_factory=list)
    views: dict[str, list[str]] = Field(default_factory=dict, description="Entity columns of each feature view")


class Forgotten(Record):
    """What went: versions of feature values, log lines, and releases whose golden rows still hold the person."""

    values: int = 0
    lines: int = 0
    releases: list[str] = Field(default_factory=list)


class Subject:
    """An order made ready to be asked of many rows."""

    def __init__(self, order: Forget) -> None:
        self._named = {column: frozenset(values) for column, values in order.named.items()}
        self._keyed = [(one.columns, frozenset(one.values)) for one in order.keyed]
        self._texts = frozenset(order.texts)
        self._views = order.views

    def entity(self, view: str, key: list[Any]) -> bool:
        """Whether an entity key of a view is the person's; of an unknown view only whole texts can tell."""
        names = self._views.get(view, [])
        if len(names) == len(key):
            return self.holds(dict(zip(names, key, strict=True)))
        return any(isinstance(value, str) and value in self._texts for value in key)

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row, or a row inside it, is about the person."""
        cells = {name: text_of(value) for name, value in row.items() if not isinstance(value, dict | list)}
        if any(cells.get(column) in values for column, values in self._named.items()):
            return True
        for columns, values in self._keyed:
            told = [cells.get(name) for name in columns]
            if None not in told and SEPARATOR.join(map(str, told)) in values:
                return True
        if any(value in self._texts for value in cells.values()) or _key_text(cells) in self._texts:
            return True
        return any(self.holds(inner) for inner in _inner(row.values()))


def text_of(value: Any) -> str | None:
    """A cell as tables spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)


def _inner(values: Any) -> Iterator[dict[str, Any]]:
    for value in values:
        if isinstance(value, dict):
            yield value
        elif isinstance(value, list):
            yield from _inner(value)


def _key_text(cells: Mapping[str, str | None]) -> str:
    """A key as collected logs spell it: ``name=value`` in the order of names, times as seconds since 1970."""
    return SEPARATOR.join(f"{name}={_told(cells[name])}" for name in sorted(cells))


def _told(text: str | None) -> str:
    if text is None or len(text) < 10 or not text[:4].isdigit() or text[4] != "-":
        return text or ""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return str(int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()))


def blank_lines(folder: Path, subject: Subject) -> int:
    """Overwrite the log lines that are about the person; returns how many. A second call finds none."""
    return sum(_blank(path, subject) for path in sorted(folder.glob(LOGS)))


def _blank(path: Path, subject: Subject) -> int:
    found = 0
    with path.open("r+b") as file:
        while line := file.readline():
            body = line.removesuffix(b"\n")
            if not body.strip() or not _about(body, subject):
                continue
            after = file.tell()
            file.seek(after - len(line))
            file.write(b" " * len(body))
            file.seek(after)
            found += 1
    return found


def _about(line: bytes, subject: Subject) -> bool:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:  # torn by a crash, or being written: the reader passes over it, so do we
        return False
    return isinstance(value, dict) and subject.holds(value)
