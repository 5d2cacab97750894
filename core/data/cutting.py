"""Cutting a file into chunks where its bytes say so.

FastCDC (Xia et al., USENIX ATC 2016): a boundary hangs on the bytes just before it, so an insertion moves no boundary
but the nearest. The cut of a chunk depends on nothing before its start, so where the last snapshot's chunk is found
again its end is known without cutting, and hashing is all that is left.

A Parquet file is cut finely. Rows that are inserted change a page or two of every column, and pages are small: a chunk
that spans ten of them is new when one of them is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pyfastcdc

from core.blobs.manifest import FileEntry
from core.kernel.digests import digest_bytes

MOST = 1 << 20
_WINDOW = 1 << 21
_PARQUET = b"PAR1"


def _cutter(least: int, most: int) -> pyfastcdc.FastCDC:
    # Four times easier than usual to end a chunk, but only after its least size: most bytes are never looked at.
    return pyfastcdc.FastCDC(avg_size=least, min_size=least, max_size=most, normalized_chunking=2)


_COARSE, _FINE = _cutter(1 << 18, MOST), _cutter(1 << 14, 1 << 17)


def cut_file(handle: int, total: int, old: FileEntry | None) -> Iterator[tuple[str, int, memoryview | None]]:
    """Digest and size of each chunk of an open file, and its bytes where they are not the ``old`` file's.

    The bytes hold until the next chunk is asked for. What is hashed is what is given: bytes are read once, into one
    buffer. A file that becomes shorter meanwhile ends early, which its status will tell.
    """
    expected = _Expected(old)
    cutter = _FINE if os.pread(handle, len(_PARQUET), 0) == _PARQUET and total > _COARSE.min_size else _COARSE
    buffer = memoryview(bytearray(min(_WINDOW, total)))
    start = end = place = 0
    while place < total or start < end:
        data, last = buffer[start:end], place >= total
        size, digest = expected.found(data, last)
        size = size or _first_cut(cutter, data[:MOST])
        if not digest and size == len(data) and not last:  # only the end of what was read cut it
            buffer[: len(data)] = data
            read = os.preadv(handle, [buffer[len(data) :]], place)
            if not read:
                return
            start, end, place = 0, len(data) + read, place + read
            continue
        fresh = None if digest else data[:size]
        digest = digest or digest_bytes(data[:size])
        expected.saw(digest)
        yield digest, size, fresh
        start += size


def _first_cut(cutter: pyfastcdc.FastCDC, data: memoryview) -> int:
    return len(data) if len(data) <= cutter.min_size else int(next(iter(cutter.cut_buf(data))).length)


class _Expected:
    """The old chunks of a file in order: while they are found again, the next one's end is known."""

    def __init__(self, old: FileEntry | None) -> None:
        self._digests = old.chunks if old else []
        self._sizes = old.sizes if old else []
        self._where = {digest: number for number, digest in enumerate(self._digests)}
        self._next = 0

    def found(self, data: memoryview, last: bool) -> tuple[int, str]:
        """Size and digest of the expected chunk if ``data`` begins with it, else 0; all of ``data`` and no digest when
        more must be read to tell. A file's last chunk is cut by its end, so it counts only where ``data`` ends too."""
        if self._next >= len(self._digests):
            return 0, ""
        size = self._sizes[self._next]
        final = self._next == len(self._digests) - 1
        if len(data) < size <= MOST and not last:
            return len(data), ""
        if size > len(data) or (final and not (last and size == len(data))):
            return 0, ""
        digest = digest_bytes(data[:size])
        return (size, digest) if digest == self._digests[self._next] else (0, "")

    def saw(self, digest: str) -> None:
        """A chunk was cut: the one after its old place is expected next."""
        self._next = self._where.get(digest, len(self._digests)) + 1
