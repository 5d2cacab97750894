"""The folder ``blobs/`` of a workspace. A blob's name is the BLAKE3 digest of its bytes."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from core.blobs.manifest import TableManifest, files_at, manifest_at
from core.blobs.packs import Packs
from core.kernel.digests import PREFIX, digest_bytes, digest_file
from core.kernel.errors import NotFound, PlimsollError, SystemFault
from core.kernel.progress import Progress

TABLE, PARTS, MANIFEST = "table.parquet", "parts", "parts.json"
_VIEWS = "views"


class BlobStore:
    """Puts and finds blobs. Written once under a temporary name, synced, then renamed: never half there.

    A table is one Parquet blob, or a manifest whose parts are Parquet blobs (decision 0020). The chunks of files are
    blobs too, but lie in packs (decision 0033): :meth:`read` gives their bytes, and they have no file of their own.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.replaced: dict[str, str] = {}  # an erased blob to what took its place, '' for nothing (decision 0031)
        root.mkdir(parents=True, exist_ok=True)
        self._packs = Packs(root)

    def put_bytes(self, data: bytes) -> str:
        """Store ``data`` and return its digest."""
        digest = digest_bytes(data)
        if not self.has(digest):
            with _DiskFaults(self.root), self._fresh() as temporary:
                temporary.write_bytes(data)
                self._settle(temporary, digest)
        return digest

    def put_file(self, source: Path) -> str:
        """Store a copy of a file and return its digest. A reflink or hard copy; the source stays."""
        digest = digest_file(source)
        if not self.has(digest):
            with _DiskFaults(self.root), self._fresh() as temporary:
                shutil.copyfile(source, temporary)
                if digest_file(temporary) != digest:
                    raise SystemFault("The file changed while it was stored", where=str(source))
                self._settle(temporary, digest)
        return digest

    def put_table(self, folder: Path) -> str:
        """Store the table of a job's folder and return its digest: as parts where its worker cut it."""
        cut = manifest_at(folder / MANIFEST) if (folder / MANIFEST).is_file() else None
        if cut is None:
            return self.put_file(folder / TABLE)
        for part in cut.parts:
            self.adopt(folder / PARTS / part.digest.removeprefix(PREFIX), part.digest)
        return self.put_bytes(cut.canonical())

    def adopt(self, source: Path, digest: str) -> None:
        """Take over a file that a worker wrote, synced and named by its digest. The source is gone afterwards."""
        if self.has(digest):
            source.unlink(missing_ok=True)
            return
        final = self._path(digest)
        with _DiskFaults(self.root):
            source.chmod(0o444)
            try:
                source.replace(final)
            except FileNotFoundError:
                final.parent.mkdir(exist_ok=True)
                source.replace(final)

    def adopt_packs(self, folder: Path) -> None:
        """Take over the packs of chunks that a worker wrote and synced; there may be none."""
        with _DiskFaults(self.root):
            self._packs.adopt_all(folder)

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is there as a file (its bytes are checked by :meth:`damaged`)."""
        return self._path(digest).is_file()

    def has_chunk(self, digest: str) -> bool:
        """Whether a blob of that name is there, in a pack or as a file."""
        return self.chunk_test()(digest)

    def chunk_test(self) -> Callable[[str], bool]:
        """:meth:`has_chunk` for many thousands, of the packs that are there now."""
        places, root = self._packs.places(), str(self.root)

        def there(digest: str) -> bool:
            plain = digest.removeprefix(PREFIX)
            return bytes.fromhex(plain) in places or os.path.isfile(f"{root}/{plain[:2]}/{plain[2:]}")  # noqa: PTH113

        return there

    def read(self, digest: str) -> bytes:
        """The bytes of that name, in a pack or a file; of an erased blob, those that took their place. Not proven.

        Raises:
            NotFound: when they are not there.
        """
        digest = self.current(digest)
        return self._packs.read(digest) if self._packs.find(digest) else self.file(digest).read_bytes()

    def file(self, digest: str) -> Path:
        """Where the bytes of that name lie, for reading; of an erased blob, those that took their place.

        Raises:
            NotFound: when they are not there.
        """
        digest = self.current(digest)
        path = self._path(digest)
        if not path.is_file():
            raise NotFound("A stored file is missing", where=digest, remedy="Restore the workspace from a backup.")
        return path

    def current(self, digest: str) -> str:
        """The name itself, or that of the blob that took its place when a person was erased from it.

        Raises:
            NotFound: when nothing took its place.
        """
        while digest in self.replaced:
            if not self.replaced[digest]:
                raise NotFound(
                    "This file held a person who was erased, and was removed",
                    where=digest,
                    remedy="See `plimsoll privacy erasures`; make it anew from the data as it is now.",
                )
            digest = self.replaced[digest]
        return digest

    def successor(self, digest: str) -> str:
        """As :meth:`current`, and the name itself where nothing took its place."""
        while self.replaced.get(digest):
            digest = self.replaced[digest]
        return digest

    def path(self, digest: str) -> Path:
        """Where a blob lies, for reading: its file, or the folder of a table's parts in the order of its rows.

        Raises:
            NotFound: when it, or one of its parts, is not there.
        """
        file = self.file(digest)
        manifest = manifest_at(file)
        return file if manifest is None else self._view(digest, manifest)

    def manifest(self, digest: str) -> TableManifest | None:
        """The parts of a table, or none when the blob is one file."""
        return manifest_at(self.file(digest))

    def parts(self, digest: str) -> list[str]:
        """Names of the blobs that hold the content: a table's parts in order, the chunks of files, or itself."""
        file = self.file(digest)
        if (table := manifest_at(file)) is not None:
            return [self.current(part.digest) for part in table.parts]
        if (files := files_at(file)) is not None:
            current = (self.successor(chunk) for entry in files.files for chunk in entry.chunks)
            return [one for one in dict.fromkeys(current) if one not in self.replaced]  # erased, and nothing instead
        return [self.current(digest)]

    def size(self, digest: str) -> int:
        """Bytes of a blob, or of all parts of a table."""
        return sum(self.length(part) for part in self.parts(digest))

    def length(self, digest: str) -> int:
        """Bytes of one blob, in a pack or a file."""
        place = self._packs.find(digest)
        return place.size if place else self.file(digest).stat().st_size

    def names(self) -> Iterator[str]:
        """All blobs, sorted."""
        yield from sorted({*self._files(), *self._packs.names()})

    def damaged(self, progress: Progress) -> list[str]:
        """Names of blobs whose bytes no longer have their name."""
        names = sorted(self._files())
        out = []
        for number, name in enumerate(names):
            progress.check()
            progress.step(number, len(names), "reading blobs")
            if digest_file(self._path(name)) != name:
                out.append(name)
        return sorted(out + self._packs.damaged(progress))

    def worth_removing(self, digests: Iterable[str]) -> list[str]:
        """Those of ``digests`` whose removal frees their bytes at a fair price, sorted.

        A chunk shares its pack with others; it is left where less than a quarter of the pack would go.
        """
        wanted = set(digests)
        return sorted((wanted & set(self._files())) | self._packs.worth_removing(wanted))

    def remove(self, digests: Iterable[str]) -> int:
        """Remove blobs for good, and every folder of parts that shows one of them; returns the bytes freed.

        Only who holds the workspace's write lock may call this. What is gone already is no error.
        """
        digests = list(digests)
        freed, gone = 0, set[int]()
        for digest in digests:
            path = self._path(digest)
            if path.is_file():
                status = path.stat()
                freed += status.st_size
                gone.add(status.st_ino)
                path.unlink()
        for view in self._views():
            if not self.has(PREFIX + view.name) or gone.intersection(part.stat().st_ino for part in view.iterdir()):
                shutil.rmtree(view)
        with _DiskFaults(self.root):
            return freed + self._packs.remove(digests)

    def sweep(self) -> None:
        """Remove what a killed owner was writing. Only who owns the workspace may call this."""
        for path in self.root.glob("new-*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _view(self, digest: str, manifest: TableManifest) -> Path:
        """A folder of hard links to the parts, made once. Its name is the table's digest."""
        view = self.root / _VIEWS / digest.removeprefix(PREFIX)
        if view.is_dir():
            return view
        view.parent.mkdir(exist_ok=True)
        with _DiskFaults(self.root):
            temporary = Path(tempfile.mkdtemp(prefix="new-", dir=self.root))
            try:
                for number, part in enumerate(manifest.parts):
                    _link(self.file(part.digest), temporary / f"{number:06}.parquet")
                temporary.replace(view)
            except OSError:
                if not view.is_dir():  # else another thread made the same folder first
                    raise
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return view

    def _views(self) -> list[Path]:
        folder = self.root / _VIEWS
        return list(folder.iterdir()) if folder.is_dir() else []

    def _files(self) -> Iterator[str]:
        return (PREFIX + path.parent.name + path.name for path in self.root.glob("??/*"))

    def _path(self, digest: str) -> Path:
        plain = digest.removeprefix(PREFIX)
        if len(plain) != 64 or not plain.isalnum():
            raise NotFound(f"{digest!r} is not the name of a stored file")
        return self.root / plain[:2] / plain[2:]

    def _fresh(self) -> _Temporary:
        return _Temporary(self.root)

    def _settle(self, temporary: Path, digest: str) -> None:
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o444)
        final = self._path(digest)
        final.parent.mkdir(exist_ok=True)
        temporary.replace(final)


def _link(source: Path, link: Path) -> None:
    try:
        link.hardlink_to(source)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copyfile(source, link)  # a file system without hard links


class _Temporary:
    """A file name beside the blobs that is gone afterwards, whatever happened."""

    def __init__(self, root: Path) -> None:
        handle, name = tempfile.mkstemp(prefix="new-", dir=root)
        os.close(handle)
        self.path = Path(name)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)


class _DiskFaults:
    """Turns a full disk into an error for people."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, PlimsollError):
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            raise SystemFault(
                "The disk is full; nothing was changed" if full else "A file could not be stored",
                detail=str(error),
                where=str(self.root),
                remedy="Free space and try again." if full else "",
            ) from error
