"""Work on sources that are kept as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.blobs.manifest import files_at
from core.blobs.store import MANIFEST, BlobStore
from core.data.files import LISTING, list_files, read_listing, snapshot_files, write_listing
from core.engine.steps import NOTED
from core.engine.workfolder import JobFolder
from core.kernel.digests import digest_bytes
from core.kernel.progress import Progress


def keep_files(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Write what the blobs lack of a source's files, and the manifest of all of them."""
    noted = folder.params[NOTED]
    blobs = BlobStore(Path(noted["blobs"]))
    listing = list_files(Path(folder.params["root"]))
    known = read_listing(Path(noted["known"]), noted["before"])
    before = files_at(blobs.file(noted["before"])) if noted["before"] and blobs.has(noted["before"]) else None
    made, result = snapshot_files(listing, folder.path, blobs, progress, before=before, known=known)
    folder.out(MANIFEST).write_bytes(made.canonical())
    write_listing(listing, digest_bytes(made.canonical()), folder.out(LISTING))
    return result.plain()
