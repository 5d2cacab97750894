"""A text file looked at before anybody parses it: zipped, binary, badly encoded, empty?"""

from __future__ import annotations

import codecs
import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.data.writing import whole_file
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress

_CHUNK = 4 << 20
_BOMB_RATIO = 150  # text rarely shrinks more than 30-fold; 150 leaves room for repetitive tables
_BOMB_FLOOR = 64 << 20  # below 64 MiB a high ratio harms nobody
_ZIP_START = b"PK\x03\x04"
_GZIP_START = b"\x1f\x8b"


@contextmanager
def plain_text(source: Path, scratch: Path, progress: Progress) -> Iterator[Path]:
    """The source as a plain UTF-8 file: itself, or its only member unzipped to ``scratch``.

    Raises:
        InputError: for an empty file, an unsafe or ambiguous zip, binary content or another encoding.
    """
    if source.stat().st_size == 0:
        raise InputError("The file is empty", where=source.name, remedy="Export the table again, with a header line.")
    with source.open("rb") as file:
        start = file.read(4)
    unpack = _unzip if start == _ZIP_START else _gunzip if start[:2] == _GZIP_START else None
    if unpack is None:
        require_utf8(source, source.name, progress)
        yield source
        return
    try:
        with whole_file(scratch) as part:
            unpack(source, part, progress)
        require_utf8(scratch, source.name, progress)
        yield scratch
    finally:
        scratch.unlink(missing_ok=True)


def _unzip(source: Path, target: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            member = _only_member(archive, source)
            with archive.open(member) as packed, target.open("wb") as plain:
                done = 0
                while chunk := packed.read(_CHUNK):
                    done += len(chunk)
                    _require_modest(done, member.compress_size, source)
                    plain.write(chunk)
                    progress.check()
                    progress.step(done, member.file_size, "unpacking")
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise InputError(
            "The zip file is damaged", where=source.name, detail=str(error), remedy="Fetch or export it again."
        ) from error


def _gunzip(source: Path, target: Path, progress: Progress) -> None:
    try:
        with gzip.open(source) as packed, target.open("wb") as plain:
            done = 0
            while chunk := packed.read(_CHUNK):
                done += len(chunk)
                _require_modest(done, source.stat().st_size, source)
                plain.write(chunk)
                progress.check()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            "The gzip file is damaged", where=source.name, detail=str(error), remedy="Fetch or export it again."
        ) from error
    if not done:
        raise InputError("The file inside the gzip file is empty", where=source.name)


def _only_member(archive: zipfile.ZipFile, source: Path) -> zipfile.ZipInfo:
    files = [item for item in archive.infolist() if not item.is_dir() and not item.filename.startswith("__MACOSX/")]
    if len(files) != 1:
        names = ", ".join(item.filename for item in files[:5]) or "none"
        raise InputError(
            f"The zip file holds {len(files)} files, not one",
            where=source.name,
            detail=names,
            remedy="Unzip it into the project and name one file as the source.",
        )
    if files[0].flag_bits & 0x1:
        raise InputError("The zip file is encrypted", where=source.name, remedy="Decrypt it first.")
    if not files[0].file_size:
        raise InputError("The file inside the zip is empty", where=source.name, remedy="Export the table again.")
    _require_modest(files[0].file_size, files[0].compress_size, source)
    return files[0]


def _require_modest(size: int, packed: int, source: Path) -> None:
    if size > _BOMB_FLOOR and size > _BOMB_RATIO * max(packed, 1):
        raise InputError(
            f"The packed file unpacks to more than {_BOMB_RATIO} times its size",
            where=source.name,
            detail=f"{packed:,} bytes hold {size:,}: this looks like a zip bomb",
            remedy="If it is genuine, unzip it yourself and name the plain file.",
        )


def require_utf8(file: Path, name: str, progress: Progress) -> None:
    """Read the whole file once and refuse what is not UTF-8 text, by byte offset and line.

    Raises:
        InputError: for NUL bytes (binary) or bytes that are not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, lines, total = 0, 1, file.stat().st_size
    with file.open("rb") as data:
        while chunk := data.read(_CHUNK):
            progress.check()
            if (nul := chunk.find(b"\0")) >= 0:
                raise _binary(name, chunk, offset + nul)
            pending = len(decoder.getstate()[0])
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                raise _misencoded(name, error, offset - pending, lines) from error
            offset += len(chunk)
            lines += chunk.count(b"\n")
            progress.step(offset, total, "reading")
    if decoder.getstate()[0]:
        raise InputError("The file ends inside a character", where=name, detail=f"at byte {offset}")


def _binary(name: str, chunk: bytes, place: int) -> InputError:
    if place < 8 and chunk[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return InputError("The file is UTF-16, not UTF-8", where=name, remedy="Save it again as UTF-8.")
    return InputError(
        "The file is binary, not text",
        where=name,
        detail=f"byte {place} is zero",
        remedy="Name a CSV or JSON Lines file, or set `kind: parquet`.",
    )


def _misencoded(name: str, error: UnicodeDecodeError, start: int, lines: int) -> InputError:
    place = start + error.start
    bad = error.object[error.start]
    line = lines + error.object[: error.start].count(b"\n")
    return InputError(
        "The file is not UTF-8",
        where=f"{name}:{line}",
        remedy="Convert it, for example with: iconv -f latin1 -t utf-8",
        problems=[Problem(what=f"byte 0x{bad:02x} at offset {place} does not belong here", where=f"{name}:{line}")],
    )
