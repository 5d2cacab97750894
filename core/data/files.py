"""Files kept as they are: cut into chunks where their bytes say so, and recognised by their status when unchanged.

Chunks are blobs that lie in packs (decision 0033); the manifest of a snapshot lists those of every file in order.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from core.blobs.manifest import FileEntry, FilesManifest, files_at
from core.blobs.packs import PACKS, PackWriter, sync_folder
from core.blobs.store import BlobStore
from core.data.cutting import cut_file
from core.data.writing import whole_file
from core.kernel.digests import digest_bytes, digest_file
from core.kernel.errors import InputError, Problem, SystemFault
from core.kernel.progress import Progress
from core.kernel.records import Record

LISTING = "listing.json"
_RACY_NS = 2_000_000_000  # a file changed so shortly before it was seen may change again without a new time

Status = tuple[int, int, int]


class FilesResult(Record):
    """What a snapshot of files holds, and how much of it had to be read and was new."""

    files: int
    bytes: int
    looked_at: int
    new_bytes: int


class Listing(Record):
    """Status (size, time of change in ns, inode) of every file under a root, and when it was taken."""

    root: str
    taken_ns: int
    files: dict[str, Status]

    @property
    def digest(self) -> str:
        """Changes when a file does."""
        return digest_bytes(repr(self.files).encode("utf-8", "surrogateescape"))

    def settled(self, path: str) -> bool:
        """Whether a file had been left alone for long enough that its status speaks for its content."""
        return self.files[path][1] < self.taken_ns - _RACY_NS

    @property
    def racy(self) -> bool:
        """Whether some file was changed too shortly before."""
        return any(status[1] >= self.taken_ns - _RACY_NS for status in self.files.values())


def list_files(root: Path) -> Listing:
    """The status of a file, or of all files below a folder, by path relative to it, sorted.

    Raises:
        InputError: when it is not there, when it is empty, or naming links, devices and names that are not text.
    """
    taken = time.time_ns()
    if root.is_file():
        status = root.stat()
        return _listing(root, taken, {root.name: (status.st_size, status.st_mtime_ns, status.st_ino)})
    if not root.is_dir():
        raise InputError("The source is not there", where=str(root), remedy="Correct `path`, or add the files.")
    found: dict[str, Status] = {}
    problems: list[Problem] = []
    _walk(str(root), "", found, problems)
    if problems:
        raise InputError("Some of these cannot be kept as files", where=str(root), problems=problems[:20])
    if not found:
        raise InputError("The folder holds no files", where=str(root))
    return _listing(root, taken, {path: found[path] for path in sorted(found)})


def _listing(root: Path, taken: int, files: dict[str, Status]) -> Listing:
    return Listing.model_construct(root=str(root), taken_ns=taken, files=files)  # checked by having been made here


def _walk(folder: str, prefix: str, found: dict[str, Status], problems: list[Problem]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if not path.isprintable():
                problems.append(Problem("has a name that is not text", where=repr(path)))
            elif entry.is_dir(follow_symlinks=False):
                _walk(entry.path, path + "/", found, problems)
            elif entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found[path] = (status.st_size, status.st_mtime_ns, status.st_ino)
            else:
                problems.append(Problem("is a link or a device", where=path, remedy="Replace it by a file."))


def snapshot_files(
    listing: Listing,
    folder: Path,
    blobs: BlobStore,
    progress: Progress,
    *,
    before: FilesManifest | None = None,
    known: Listing | None = None,
) -> tuple[FilesManifest, FilesResult]:
    """Write the chunks that ``blobs`` lacks into packs in ``folder/packs``, synced.

    Args:
        before: the last snapshot: files that ``known`` has with the same status are taken from it unread.
        known: the listing that the last snapshot was made of.

    Raises:
        SystemFault: when a file changes while it is read, or the disk fails. Cancelled: when asked to stop.
    """
    writer = _Chunks(folder / PACKS, blobs)
    old = {entry.path: entry for entry in before.files} if before else {}
    entries, read = [], 0
    for number, (path, status) in enumerate(listing.files.items()):
        entry = old.get(path)
        if entry is None or not _unchanged(path, status, listing, known):
            progress.check()
            progress.step(number, len(listing.files), path)
            entry = _keep(_place(listing, path), path, status, writer, entry)
            read += 1
        entries.append(entry)
    writer.finish()
    made = FilesManifest(files=entries)
    return made, FilesResult(files=len(entries), bytes=made.size, looked_at=read, new_bytes=writer.new_bytes)


def _unchanged(path: str, status: Status, listing: Listing, known: Listing | None) -> bool:
    return (
        known is not None
        and known.root == listing.root
        and tuple(known.files.get(path, ())) == status
        and known.settled(path)
    )


def _place(listing: Listing, path: str) -> Path:
    root = Path(listing.root)
    return root if root.is_file() else root / path


def _keep(file: Path, path: str, status: Status, writer: _Chunks, old: FileEntry | None) -> FileEntry:
    digests, sizes = [], []
    try:
        with file.open("rb") as opened:
            for digest, size, fresh in cut_file(opened.fileno(), status[0], old):
                if fresh is not None:
                    writer.put(digest, fresh)
                digests.append(digest)
                sizes.append(size)
            after = os.fstat(opened.fileno())
    except OSError as error:
        raise SystemFault("A file cannot be read or stored", where=path, detail=str(error)) from error
    if (after.st_size, after.st_mtime_ns, after.st_ino) != status:
        raise SystemFault("The file changed while it was read", where=path, remedy="Take the snapshot again.")
    return FileEntry(path=path, chunks=digests, sizes=sizes)


class _Chunks:
    """Chunks that are not stored yet, in packs. What a killed run left there is removed: it may not be on the disk."""

    def __init__(self, folder: Path, blobs: BlobStore) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        self._folder, self._blobs = folder, blobs
        self._writer = PackWriter(folder)
        self._stored: Callable[[str], bool] | None = None
        self._seen: set[str] = set()
        self.new_bytes = 0

    def put(self, digest: str, data: memoryview) -> None:
        """Write a chunk unless it is there."""
        if digest not in self._seen:
            self._seen.add(digest)
            self._stored = self._stored or self._blobs.chunk_test()  # reads all indexes: not for nothing
            if not self._stored(digest):
                self._writer.put(digest, data)
                self.new_bytes += len(data)

    def finish(self) -> None:
        """Complete the last pack and bring all of them to the disk, at once instead of file by file."""
        self._writer.close()
        if self.new_bytes:
            sync_folder(self._folder)


def write_listing(listing: Listing, manifest: str, out: Path) -> None:
    """Keep a listing for the next snapshot, with the digest of the manifest that was made of it."""
    told = {"root": listing.root, "taken_ns": listing.taken_ns, "files": listing.files}
    out.write_text(json.dumps({"manifest": manifest, "listing": told}))


def read_listing(path: Path, manifest: str) -> Listing | None:
    """The listing that ``manifest`` was made of; none where it is missing or another's: then all is read again."""
    try:
        told = json.loads(path.read_text())
        return Listing.read(told["listing"]) if told["manifest"] == manifest else None
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None


def restore_files(blobs: BlobStore, digest: str, out: Path) -> int:
    """Write all files of a snapshot below ``out``, each chunk proven first; returns how many.

    Raises:
        SystemFault: naming a chunk whose bytes are no longer those of its digest; the file it belongs to is not
            written. InputError: when it is no snapshot of files, or a path would leave ``out``.
    """
    manifest = files_at(blobs.file(digest)) if digest_file(blobs.file(digest)) == digest else None
    if manifest is None:
        raise InputError("This is no sound snapshot of files", where=digest)
    for entry in manifest.files:
        place = PurePosixPath(entry.path)
        if place.is_absolute() or ".." in place.parts:
            raise InputError("A path leads out of the folder", where=entry.path)
        with whole_file(out / place) as part, part.open("wb") as file:
            for chunk in entry.chunks:
                data = blobs.read(chunk)
                if digest_bytes(data) != blobs.current(chunk):
                    raise SystemFault("The stored bytes were changed", where=chunk, detail=entry.path)
                file.write(data)
    return len(manifest.files)
