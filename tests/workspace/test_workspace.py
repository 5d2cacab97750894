"""Creating, finding and opening workspaces, and the head that is noted outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.engine.founding import found_workspace
from core.kernel.errors import InputError, NotFound, Refused
from core.store.ledger import Head
from core.workspace import witness
from core.workspace.workspace import MARKER, Workspace, create, find, read_info

PASSPHRASE = "a good long passphrase"


def test_create_and_find(tmp_path: Path) -> None:
    root = tmp_path / "ws"
    create(root)
    assert root.stat().st_mode & 0o077 == 0
    (root / "deep" / "down").mkdir(parents=True)
    assert find(root / "deep" / "down") == root
    with pytest.raises(InputError, match="already"):
        create(root)
    with pytest.raises(NotFound):
        find(tmp_path)
    with pytest.raises(NotFound):
        read_info(tmp_path)


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(InputError, match="not empty"):
        create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": "x"}', '{"id":"a","id":"b","created_at":""}', "\xff"])
def test_a_damaged_marker(tmp_path: Path, text: str) -> None:
    (tmp_path / MARKER).write_text(text, encoding="latin-1")
    with pytest.raises(InputError):
        read_info(tmp_path)


def test_a_newer_format(tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text('{"id":"ws-1","format":2,"created_at":"2026-01-01T00:00:00Z"}')
    with pytest.raises(InputError, match="newer"):
        read_info(tmp_path)


def test_founding_that_failed_halfway_is_finished(tmp_path: Path) -> None:
    """As after a kill between the folder and its first user; a founded one is not founded again."""
    root = tmp_path / "ws"
    create(root)
    with pytest.raises(InputError, match="already"):  # not silently without the encryption that was asked for
        found_workspace(root, "founder", PASSPHRASE, store_passphrase="another long passphrase")
    assert found_workspace(root, "founder", PASSPHRASE)["user"] == "user-first"
    with pytest.raises(InputError, match="already"):
        found_workspace(root, "mallory", PASSPHRASE)
    with pytest.raises(InputError):
        found_workspace(tmp_path / "short", "founder", "short")
    assert not (tmp_path / "short").exists()


def test_the_noted_head_only_grows() -> None:
    for seq in (5, 3, 9, 9, 2):
        witness.note("ws-test", Head(seq=seq, hash=f"h{seq}", at=""))
    assert witness.noted("ws-test") == Head(seq=9, hash="h9", at="")
    witness.note("ws-test", Head(seq=9, hash="h9", at="", checkpoint=9))
    known = witness.noted("ws-test")
    assert known is not None
    assert known.checkpoint == 9
    assert witness.noted("ws-unknown") is None


def test_a_station_key_that_others_may_read(tmp_path: Path) -> None:
    """Refused, and the store is let go of: once mended, the workspace opens."""
    from core.identity.secrets import _station_path

    create(tmp_path / "ws")
    Workspace(tmp_path / "ws").close()
    key = _station_path(read_info(tmp_path / "ws").id)
    key.chmod(0o644)
    with pytest.raises(Refused):
        Workspace(tmp_path / "ws")
    key.chmod(0o600)
    Workspace(tmp_path / "ws").close()
