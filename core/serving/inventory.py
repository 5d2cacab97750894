"""The exact inventory of a release folder: every file accounted for, every byte hashed from an open handle."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from blake3 import blake3

from core.contract.release import PayloadManifest
from core.kernel.digests import PREFIX
from core.kernel.errors import Problem
from core.serving.names import path_problems

CHUNK = 4 * 1024 * 1024
FIXED = ("manifest.json", "dossier.json")
REQUIRED = ("model.onnx", "contract.json", "golden.json")


def inventory_problems(folder: Path, manifest: PayloadManifest) -> list[Problem]:
    """Extra, missing, hidden, linked and altered files of a release folder, each by name."""
    problems = list(_manifest_problems(manifest))
    found = dict(_walk(folder, problems))
    expected = {*FIXED, *(f"payload/{item.path}" for item in manifest.files)}
    signatures = {path for path in found if path.startswith("signatures/") and path.count("/") == 1}
    for path in sorted(expected - found.keys()):
        problems.append(Problem("the file is missing", where=path))
    for path in sorted(found.keys() - expected - signatures):
        problems.append(Problem("the file is not part of the release", where=path, remedy="Unpack the package again"))
    for item in manifest.files:
        if f"payload/{item.path}" in found and (bad := _content(folder, item.path, item.size, item.digest)):
            problems.append(bad)
    return problems


def _manifest_problems(manifest: PayloadManifest) -> Iterator[Problem]:
    paths = [item.path for item in manifest.files]
    yield from path_problems(paths)
    if paths != sorted(paths):
        yield Problem("the files are not sorted by path", where="manifest.json")
    for name in REQUIRED:
        if name not in paths:
            yield Problem("a release needs this file", where=f"payload/{name}")


def _walk(folder: Path, problems: list[Problem], prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Every regular file below ``folder``; links, devices and empty folders become problems."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        problems.append(Problem(f"the folder cannot be read: {error.strerror}", where=prefix or "."))
        return
    if not entries:
        problems.append(Problem("the folder is empty and not part of the release", where=prefix or "."))
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if entry.is_symlink():
            problems.append(Problem("it is a symbolic link", where=path))
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), problems, f"{path}/")
        elif not entry.is_file(follow_symlinks=False):
            problems.append(Problem("it is not a regular file", where=path))
        elif entry.stat(follow_symlinks=False).st_nlink != 1:
            problems.append(Problem("it is a hard link: another name can change it", where=path))
        else:
            yield path, entry


def _content(folder: Path, path: str, size: int, digest: str) -> Problem | None:
    """Compare one payload file with the manifest, read through a handle that follows no link."""
    where = f"payload/{path}"
    try:
        handle = os.open(folder / "payload" / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(handle, "rb") as file:
            observed_size, observed = hash_stream(file)
    except OSError as error:
        return Problem(f"the file cannot be read: {error.strerror}", where=where)
    if observed_size != size:
        return Problem(f"the file has {observed_size} bytes", where=where, expected=f"{size} bytes")
    if observed != digest:
        return Problem("the file's content was changed", where=where, expected=digest)
    return None


def hash_stream(file: BinaryIO) -> tuple[int, str]:
    """Size in bytes and digest of what a handle yields."""
    hasher = blake3()
    size = 0
    while chunk := file.read(CHUNK):
        hasher.update(chunk)
        size += len(chunk)
    return size, PREFIX + hasher.hexdigest()
