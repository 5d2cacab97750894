"""The folder ``blobs/`` of a workspace. A blob's name is the BLAKE3 digest of its bytes."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from core.kernel.digests import PREFIX, digest_bytes, digest_file
from core.kernel.errors import NotFound, PlimsollError, SystemFault
from core.kernel.progress import Progress


class BlobStore:
    """Puts and finds blobs. Written once under a temporary name, synced, then renamed: never half there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

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

    def has(self, digest: str) -> bool:
        """Whether a blob of that name is there (its bytes are checked by :meth:`damaged`)."""
        return self._path(digest).is_file()

    def path(self, digest: str) -> Path:
        """Where a blob lies, for reading.

        Raises:
            NotFound: when it is not there.
        """
        path = self._path(digest)
        if not path.is_file():
            raise NotFound("A stored file is missing", where=digest, remedy="Restore the workspace from a backup.")
        return path

    def names(self) -> Iterator[str]:
        """All blobs, sorted."""
        for path in sorted(self.root.glob("??/*")):
            yield PREFIX + path.parent.name + path.name

    def damaged(self, progress: Progress) -> list[str]:
        """Names of blobs whose bytes no longer have their name."""
        names = list(self.names())
        out = []
        for number, name in enumerate(names):
            progress.check()
            progress.step(number, len(names), "reading blobs")
            if digest_file(self._path(name)) != name:
                out.append(name)
        return out

    def sweep(self) -> None:
        """Remove what a killed owner was writing. Only who owns the workspace may call this."""
        for path in self.root.glob("new-*"):
            path.unlink(missing_ok=True)

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
