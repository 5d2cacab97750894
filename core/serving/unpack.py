"""Unpacking a package: regular files of a plain ustar archive, streamed under limits.

``tarfile.extract*`` is not used: its filters were bypassed on Python 3.11 (CVE-2025-4517). Every header
is read and judged before the first byte is written; the console and the target share this one reader.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from core.kernel.errors import Conflict, InputError, Problem, SystemFault
from core.serving.names import path_problems

BLOCK = 512
CHUNK = 1024 * 1024
KINDS = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder entry",
    b"6": "a pipe",
    b"7": "a contiguous file",
    b"S": "a sparse file",
    b"x": "an extended header",
    b"g": "a global header",
    b"L": "a GNU long name",
    b"K": "a GNU long link",
}


@dataclass(frozen=True)
class Limits:
    """How much a package may hold."""

    files: int = 2000
    total_bytes: int = 8 * 1024**3
    file_bytes: int = 8 * 1024**3


@dataclass(frozen=True)
class Entry:
    """One member: its path, where its content begins, and its size in bytes."""

    path: str
    offset: int
    size: int


def unpack(tar: Path, into: Path, limits: Limits | None = None) -> Path:
    """Unpack a package into a folder that does not exist yet; it appears whole or not at all.

    Raises:
        InputError: with every entry that is refused; nothing was written then.
        Conflict: when ``into`` exists. SystemFault: when the disk fails.
    """
    if into.is_symlink() or into.exists():
        raise Conflict(f"{into.name} is already there", where=str(into))
    staging = into.with_name(f".{into.name}.{secrets.token_hex(4)}.partial")
    with _open(tar) as file:
        entries = list_entries(file, limits or Limits(), where=str(tar))
        try:
            into.parent.mkdir(parents=True, exist_ok=True)
            staging.mkdir(mode=0o755)
            for entry in entries:
                _copy(file, entry, staging)
            staging.rename(into)
        except OSError as error:
            raise SystemFault(f"Cannot unpack {tar.name}", detail=str(error), where=str(into)) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return into


def list_entries(file: BinaryIO, limits: Limits, *, where: str = "") -> list[Entry]:
    """All entries of an archive after judging every one.

    Raises:
        InputError: listing each refused entry, a broken header, or the limit that is passed.
    """
    problems: list[Problem] = []
    entries = list(_headers(file, limits, problems))
    problems += path_problems(entry.path for entry in entries)
    if not entries and not problems:
        problems.append(Problem("the archive holds no file"))
    if problems:
        raise InputError("The package is refused; nothing was unpacked", where=where, problems=problems)
    return entries


def _open(tar: Path) -> BinaryIO:
    try:
        return tar.open("rb")
    except OSError as error:
        raise InputError(f"Cannot open {tar.name}", detail=str(error), where=str(tar)) from error


def _headers(file: BinaryIO, limits: Limits, problems: list[Problem]) -> Iterator[Entry]:
    """Walk the 512-byte headers (POSIX.1-1988 ustar) without reading contents."""
    end = file.seek(0, os.SEEK_END)
    position, total, count = 0, 0, 0
    while True:
        file.seek(position)
        block = file.read(BLOCK)
        if block == bytes(BLOCK):
            break
        entry = _header(block, position + BLOCK, problems)
        if entry is None:
            return
        count += 1
        total += entry.size
        if over := _over(entry, count, total, limits, end):
            problems.append(Problem(over, where=repr(entry.path)))
            return
        yield entry
        position = entry.offset + -(-entry.size // BLOCK) * BLOCK
    file.seek(position)
    while chunk := file.read(CHUNK):
        if chunk.strip(b"\0"):
            problems.append(Problem("there is data after the end of the archive"))
            return


def _over(entry: Entry, count: int, total: int, limits: Limits, end: int) -> str | None:
    if count > limits.files:
        return f"the archive holds more than {limits.files} files"
    if entry.size > limits.file_bytes or total > limits.total_bytes:
        return f"the archive holds more than {limits.total_bytes} bytes"
    if entry.offset + entry.size > end:
        return "the archive ends inside this file"
    return None


def _header(block: bytes, offset: int, problems: list[Problem]) -> Entry | None:
    """Read one header; None (with a problem) when the archive cannot be followed further."""
    try:
        if len(block) < BLOCK or block[257:265] != b"ustar\x0000":
            raise ValueError("not a plain POSIX ustar header")
        unsigned = sum(block[:148]) + 8 * 32 + sum(block[156:])
        if _octal(block[148:156]) != unsigned:
            raise ValueError("the header's checksum is wrong")
        size = _octal(block[124:136])
        name, prefix = _text(block[:100]), _text(block[345:500])
    except (ValueError, UnicodeDecodeError) as error:
        problems.append(Problem(f"broken header: {error}", where=f"byte {offset - BLOCK}"))
        return None
    path = f"{prefix}/{name}" if prefix else name
    kind = block[156:157]
    if kind not in (b"0", b"\0"):
        problems.append(Problem(f"it is {KINDS.get(kind, 'an unknown kind of entry')}", where=repr(path)))
        size = size if kind in (b"7", b"S", b"x", b"g", b"L", b"K") else 0
    return Entry(path, offset, size)


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or any(digit not in b"01234567" for digit in digits):
        raise ValueError("a number is not octal")
    return int(digits, 8)


def _text(field: bytes) -> str:
    name, _, rest = field.partition(b"\0")
    if rest.strip(b"\0"):
        raise ValueError("a name goes on after a NUL")
    return name.decode("utf-8")


def _copy(file: BinaryIO, entry: Entry, staging: Path) -> None:
    """Write one file; the name was judged before, the folder is new and ours."""
    target = staging / entry.path
    target.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(handle, "wb") as out:
        file.seek(entry.offset)
        left = entry.size
        while left:
            chunk = file.read(min(CHUNK, left))
            if not chunk:
                raise SystemFault("The package ended while it was unpacked", where=entry.path)
            out.write(chunk)
            left -= len(chunk)
        out.flush()
        os.fsync(out.fileno())
