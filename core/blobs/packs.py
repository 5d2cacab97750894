"""Packs: many chunks in one file, since making a file costs the system more than writing the bytes of a chunk.

A pack is its chunks one after another, then an index (digest and size of each), then a footer. Its name is the digest
of index and footer. The index holds the digest of every chunk, so the name vouches for all bytes although each of
them is hashed once (decision 0033). Nothing else names a pack: a chunk is looked up in the indexes, so packs may be
written anew with fewer chunks and no manifest changes.
"""

from __future__ import annotations

import ctypes
import os
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from core.kernel.digests import PREFIX, digest_bytes
from core.kernel.errors import NotFound
from core.kernel.progress import Progress

PACKS = "packs"
PACK_BYTES = 1 << 26  # a pack is closed when it has so many
_BUFFER = 1 << 18  # small chunks are written together
_DEAD = 4  # a pack is written anew when one part in so many is dead
_ENTRY, _FOOTER = struct.Struct("<32sI"), struct.Struct("<Q16s")
_MAGIC = b"plimsoll-pack-1\n"


class Place(NamedTuple):
    """Where a chunk lies: the name of its pack, and the bytes in it."""

    pack: str
    offset: int
    size: int


class PackWriter:
    """Writes chunks into packs in a folder. Each pack gets its name when it is complete; syncing is the caller's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._index: list[bytes] = []
        self._size = 0
        folder.mkdir(exist_ok=True)

    def put(self, digest: str, data: bytes | memoryview) -> None:
        """Write one chunk."""
        if not self._index:
            self._file = (self._folder / "new").open("wb", buffering=_BUFFER)
        self._file.write(data)
        self._index.append(_ENTRY.pack(bytes.fromhex(digest.removeprefix(PREFIX)), len(data)))
        self._size += len(data)
        if self._size >= PACK_BYTES:
            self.close()

    def close(self) -> None:
        """Complete the pack that is being written; there may be none."""
        if not self._index:
            return
        end = b"".join(self._index) + _FOOTER.pack(len(self._index), _MAGIC)
        self._file.write(end)
        self._file.close()
        (self._folder / "new").replace(self._folder / digest_bytes(end).removeprefix(PREFIX))
        self._index, self._size = [], 0


class Packs:
    """The packs of a blob store. What lies where is read from their indexes when it is first asked for."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / PACKS
        self._lock = threading.Lock()
        self._seen = -1
        self._held: dict[str, list[tuple[bytes, Place]]] = {}
        self._where: dict[bytes, Place] = {}

    def places(self) -> Mapping[bytes, Place]:
        """Where each chunk lies, by its digest's bytes."""
        return self._look()[1]

    def find(self, digest: str) -> Place | None:
        """Where a chunk lies, if a pack holds it."""
        return self.places().get(_raw(digest))

    def read(self, digest: str) -> bytes:
        """The bytes of a chunk, not proven.

        Raises:
            NotFound: when no pack holds it.
        """
        for _ in range(2):  # between the look and the reading its pack may have been written anew
            place = self.find(digest)
            if place is None:
                break
            try:
                with (self._folder / place.pack).open("rb", buffering=0) as file:
                    return os.pread(file.fileno(), place.size, place.offset)
            except FileNotFoundError:
                self._forget()
        raise NotFound("A stored chunk is missing", where=digest, remedy="Restore the workspace from a backup.")

    def names(self) -> Iterator[str]:
        """All chunks."""
        return (PREFIX + raw.hex() for raw in self.places())

    def adopt_all(self, folder: Path) -> None:
        """Take over the packs that a worker wrote and synced in ``folder``; there may be none."""
        for pack in sorted(folder.iterdir()) if folder.is_dir() else []:
            if len(pack.name) == 64:
                self._folder.mkdir(exist_ok=True)
                pack.chmod(0o444)
                pack.replace(self._folder / pack.name)
        self._forget()

    def damaged(self, progress: Progress) -> list[str]:
        """Chunks whose bytes no longer have their name, and packs whose index is not theirs."""
        held = self._look()[0]
        out = []
        for number, pack in enumerate(self._listed()):
            progress.check()
            progress.step(number, len(held), "reading packs")
            if pack not in held:
                out.append(PREFIX + pack)
                continue
            with (self._folder / pack).open("rb") as file:
                for raw, place in held[pack]:
                    if digest_bytes(file.read(place.size)) != PREFIX + raw.hex():
                        out.append(PREFIX + raw.hex())
        return out

    def worth_removing(self, digests: Iterable[str]) -> set[str]:
        """Those of the chunks whose pack is dead to a quarter or more when all of ``digests`` are."""
        gone = {_raw(digest) for digest in digests}
        out = set[str]()
        for entries in self._look()[0].values():
            dead = [(PREFIX + raw.hex(), place.size) for raw, place in entries if raw in gone]
            if dead and sum(size for _, size in dead) * _DEAD >= sum(place.size for _, place in entries):
                out.update(name for name, _ in dead)
        return out

    def remove(self, digests: Iterable[str]) -> int:
        """Remove chunks for good: their packs are written anew without them; returns the bytes freed.

        Only who holds the workspace's write lock may call this. Killed before its end it leaves every other chunk
        in place, some of them twice, and the next call removes what is left.
        """
        gone = {_raw(digest) for digest in digests}
        held = self._look()[0] if gone else {}
        touched = {pack for pack, entries in held.items() if any(raw in gone for raw, _ in entries)}
        if not touched:
            return 0
        kept = {raw for pack, entries in held.items() if pack not in touched for raw, _ in entries}
        before = self._bytes()
        with tempfile.TemporaryDirectory(prefix="new-", dir=self._root) as name:
            writer = PackWriter(Path(name))
            for pack in sorted(touched):
                left = [(raw, place) for raw, place in held[pack] if raw not in gone and raw not in kept]
                self._copy(pack, left, writer)
                kept.update(raw for raw, _ in left)
            writer.close()
            sync_folder(Path(name))
            made = {file.name for file in Path(name).iterdir()}
            self.adopt_all(Path(name))
        for pack in touched - made:
            (self._folder / pack).unlink(missing_ok=True)
        self._forget()
        return before - self._bytes()

    def _copy(self, pack: str, entries: list[tuple[bytes, Place]], writer: PackWriter) -> None:
        with (self._folder / pack).open("rb") as file:
            for raw, place in entries:
                writer.put(raw.hex(), os.pread(file.fileno(), place.size, place.offset))

    def _bytes(self) -> int:
        return sum((self._folder / pack).stat().st_size for pack in self._listed())

    def _listed(self) -> list[str]:
        return sorted(pack.name for pack in self._folder.iterdir()) if self._folder.is_dir() else []

    def _forget(self) -> None:
        with self._lock:  # a look that began before what has just changed must not have the last word
            self._seen = -1

    def _look(self) -> tuple[dict[str, list[tuple[bytes, Place]]], dict[bytes, Place]]:
        """What is held, looked at again when a pack came or went."""
        with self._lock:
            now = self._folder.stat().st_mtime_ns if self._folder.is_dir() else 0
            if now != self._seen:
                known, held = self._held, dict[str, list[tuple[bytes, Place]]]()
                for pack in self._listed():
                    entries = known.get(pack) or read_index(self._folder / pack)
                    if entries is not None:
                        held[pack] = entries
                self._held = held
                self._where = {raw: place for entries in held.values() for raw, place in entries}
                self._seen = now
            return self._held, self._where


def read_index(pack: Path) -> list[tuple[bytes, Place]] | None:
    """The chunks of a pack in order; none where the index is not the one that its name stands for."""
    try:
        with pack.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - _FOOTER.size))
            count, magic = _FOOTER.unpack(file.read(_FOOTER.size))
            start = size - _FOOTER.size - count * _ENTRY.size
            file.seek(start)
            end = file.read()
    except (OSError, ValueError, struct.error):
        return None
    if magic != _MAGIC or digest_bytes(end) != PREFIX + pack.name:
        return None
    out, offset = [], 0
    for raw, length in _ENTRY.iter_unpack(end[: -_FOOTER.size]):
        out.append((raw, Place(pack.name, offset, length)))
        offset += length
    return out if offset == start else None


def sync_folder(folder: Path) -> None:
    """Bring to the disk all that was written to the file system of ``folder``: one wait for many files."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if syncfs is None or syncfs(handle) != 0:
            os.sync()
    finally:
        os.close(handle)


def _raw(digest: str) -> bytes:
    return bytes.fromhex(digest.removeprefix(PREFIX))
