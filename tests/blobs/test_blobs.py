"""Content-addressed files: once, whole, named by their bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.blobs.store import BlobStore
from core.kernel.digests import digest_bytes
from core.kernel.errors import Cancelled, NotFound, SystemFault
from core.kernel.progress import Silent


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def test_same_bytes_same_name_stored_once(blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"bytes")
    name = blobs.put_bytes(b"bytes")
    assert blobs.put_file(tmp_path / "file") == name == digest_bytes(b"bytes")
    assert list(blobs.names()) == [name]
    assert blobs.path(name).read_bytes() == b"bytes"
    assert blobs.path(name).stat().st_mode & 0o222 == 0
    assert [path.name for path in blobs.root.iterdir()] == [name[3:5]]


def test_damage_is_named(blobs: BlobStore) -> None:
    names = [blobs.put_bytes(bytes([number]) * 100) for number in range(5)]
    assert blobs.damaged(Silent()) == []
    blobs.path(names[2]).chmod(0o600)
    blobs.path(names[2]).write_bytes(b"other")
    assert blobs.damaged(Silent()) == [names[2]]
    stop = Silent()
    stop.cancel()
    with pytest.raises(Cancelled):
        blobs.damaged(stop)


@pytest.mark.parametrize("name", ["", "b3:", "b3:..", "b3:" + "0" * 64, "../../etc/passwd", "b3:" + "/" * 64])
def test_names_that_are_none(blobs: BlobStore, name: str) -> None:
    with pytest.raises(NotFound):
        blobs.path(name)


def test_what_a_killed_owner_left_is_swept(blobs: BlobStore) -> None:
    (blobs.root / "new-abc").write_bytes(b"half")
    name = blobs.put_bytes(b"whole")
    blobs.sweep()
    assert list(blobs.names()) == [name]
    assert not list(blobs.root.glob("new-*"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written(blobs: BlobStore) -> None:
    blobs.root.chmod(0o500)
    try:
        with pytest.raises(SystemFault):
            blobs.put_bytes(b"x")
    finally:
        blobs.root.chmod(0o700)
