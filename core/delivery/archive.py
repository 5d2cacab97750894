"""Plain tars with no trace of when, where or by whom they were made: same files, same bytes."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from core.kernel.digests import PREFIX


class Entry(NamedTuple):
    """One regular file of a tar: its path inside, and its bytes or where they are."""

    path: str
    content: bytes | Path


class Written(NamedTuple):
    """A finished tar: BLAKE3 with prefix, bare SHA-256 hex, bytes."""

    digest: str
    sha256: str
    size: int


def write_tar(entries: Iterable[Entry], out: Path) -> Written:
    """Write regular files, in the given order, as an uncompressed USTAR archive; ``out`` appears whole or not."""
    part = out.with_name(out.name + ".part")
    try:
        with part.open("wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for entry in entries:
                _add(tar, entry)
        written = measure(part)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return written


def measure(path: Path) -> Written:
    """Both digests and the size of a file, in one pass."""
    from blake3 import blake3

    strong, common, size = blake3(), hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            strong.update(block)
            common.update(block)
            size += len(block)
    return Written(PREFIX + strong.hexdigest(), common.hexdigest(), size)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    info = tarfile.TarInfo(entry.path)
    info.mode = 0o644
    stream: BinaryIO
    if isinstance(entry.content, bytes):
        info.size = len(entry.content)
        stream = io.BytesIO(entry.content)
    else:
        info.size = entry.content.stat().st_size
        stream = entry.content.open("rb")
    with stream:
        tar.addfile(info, stream)
