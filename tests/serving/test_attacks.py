"""Attacks on a release and its target; the numbers are those of the attack list of the security notes."""

from __future__ import annotations

import os
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.contract.exceptions import EXCEPTION_TYPE
from core.contract.release import Dossier
from core.kernel.clock import utc_text
from core.kernel.digests import canonical_json, digest_json, strict_json
from core.kernel.envelope import sign_statement
from core.kernel.errors import Conflict, InputError, Refused
from core.serving.history import Switch, append_switch
from core.serving.layout import Layout
from core.serving.trust import read_trust
from core.serving.unpack import Limits, unpack
from core.serving.verify import verify_release


def problems_of(world: Any, folder: Path, kit: Any, *, environment: str = "production", **at: Any) -> str:
    now = kit.NOW + timedelta(**at)
    verified = verify_release(folder, read_trust(world.root / "trust.json"), now=now, environment=environment)
    return "\n".join(verified.problems)


def dossier_of(folder: Path) -> Dossier:
    return Dossier.read(strict_json((folder / "dossier.json").read_bytes()))


def test_a_good_release_verifies(world: Any, kit: Any) -> None:
    folder = world.release(1)
    verified = verify_release(folder, world.trust(), now=kit.NOW, environment="production")
    assert verified.ok, verified.problems
    assert verified.approved_by == ["person-ada", "person-ben"]


@pytest.mark.parametrize("name", ["model.onnx", "contract.json", "golden.json", "card.md"])
def test_a1_one_flipped_byte_is_named(world: Any, kit: Any, name: str) -> None:
    folder = world.release(1)
    path = folder / "payload" / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert f"payload/{name}" in problems_of(world, folder, kit)


def test_a2_added_removed_renamed_swapped_files(world: Any, kit: Any) -> None:
    extra = world.release(1)
    (extra / "payload" / "extra.py").write_text("x")
    (extra / "note.txt").write_text("x")
    found = problems_of(world, extra, kit)
    assert "payload/extra.py" in found
    assert "note.txt" in found
    removed = world.release(2)
    (removed / "payload" / "card.md").unlink()
    assert "payload/card.md: the file is missing" in problems_of(world, removed, kit)
    renamed = world.release(3)
    (renamed / "payload" / "card.md").rename(renamed / "payload" / "cards.md")
    found = problems_of(world, renamed, kit)
    assert "payload/card.md" in found
    assert "payload/cards.md" in found
    swapped = world.release(4)
    one, two = swapped / "payload" / "golden.json", swapped / "payload" / "contract.json"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    found = problems_of(world, swapped, kit)
    assert "payload/golden.json" in found
    assert "payload/contract.json" in found
    emptied = world.release(5)
    (emptied / "payload" / "void").mkdir()
    assert "payload/void/" in problems_of(world, emptied, kit)


def test_a3_hidden_files_are_not_ignored(world: Any, kit: Any) -> None:
    folder = world.release(1)
    (folder / "payload" / ".git").mkdir()
    (folder / "payload" / ".git" / "config").write_text("x")
    (folder / ".DS_Store").write_text("x")
    found = problems_of(world, folder, kit)
    assert "payload/.git/config" in found
    assert ".DS_Store" in found


def test_a4_an_older_release_is_a_downgrade(world: Any, start: Any, kit: Any) -> None:
    for version in (1, 2, 3):
        world.release(version)
    world.command("switch", "--release", "rel-0002")
    refused = world.command("switch", "--release", "rel-0001", check=3)
    assert "not newer than version 2" in str(refused)
    assert "never served" in str(world.command("rollback", "--to", "rel-0001", check=3))
    assert (world.root / "current").readlink() == Path("releases/rel-0002")
    server = start()
    (world.root / "link").symlink_to("releases/rel-0001")
    (world.root / "link").replace(world.root / "current")
    server.wait(lambda: server.status()["refused"] is not None)
    assert "downgrade" in server.status()["refused"]["headline"]
    assert server.post("/v2/models/delay/infer", kit.infer_body([kit.flight()])).json()["model_version"] == "2"

    order = {"command": "rollback", "release": "rel-0001", "environment": "production"}
    for changes, code in (
        ({"release": "rel-0009"}, 3),
        ({"expires_at": utc_text(kit.NOW - timedelta(days=1))}, 3),
        ({}, 0),
    ):
        statement = {**order, "expires_at": utc_text(kit.NOW + timedelta(hours=1)), **changes}
        envelope = sign_statement("application/vnd.plimsoll.target-command+json", statement, world.console)
        (world.root / "order.json").write_text(envelope.model_dump_json())
        world.command("rollback", "--to", "rel-0001", "--order", str(world.root / "order.json"), check=code)
    server.wait(lambda: server.status()["release"] == "rel-0001")
    world.command("switch", "--release", "rel-0003")
    world.command("rollback")
    server.wait(lambda: server.status()["release"] == "rel-0001")
    status = world.command("status")
    assert [item["action"] for item in status["switches"]] == ["switch", "rollback", "switch", "rollback"]
    assert status["highest"]["delay"]["version"] == 3


def test_a5_a_stale_trust_root_refuses_new_releases(world: Any, kit: Any) -> None:
    folder = world.release(1)
    assert "stale" in problems_of(world, folder, kit, days=400)


def test_time_that_passes_stops_no_release_that_serves(world: Any, start: Any, kit: Any) -> None:
    old = {"signed_at": utc_text(kit.NOW - timedelta(days=90)), "expires_at": utc_text(kit.NOW - timedelta(days=60))}
    world.release(1, sign=old, proposed_at=utc_text(kit.NOW - timedelta(days=91)))
    assert "expired" in str(world.command("switch", "--release", "rel-0001", check=3))
    folder = world.root / "releases" / "rel-0001"
    when = kit.NOW - timedelta(days=80)
    verified = verify_release(folder, world.trust(), now=kit.NOW, environment="production", as_of=when)
    assert verified.ok, verified.problems
    (world.root / "current").symlink_to("releases/rel-0001")
    record = {"at": utc_text(when), "action": "switch", "release": "rel-0001", "model": "delay", "version": 1}
    record |= {"payload": verified.payload, "previous": None, "by": "test", "approved_by": verified.approved_by}
    append_switch(Layout(world.root), Switch.read(record))
    server = start()
    assert server.status()["release"] == "rel-0001"
    assert server.post("/v2/models/delay/infer", kit.infer_body([kit.flight()])).status_code == 200


def test_a7_a_jump_to_a_huge_version_is_refused(world: Any) -> None:
    world.release(1)
    world.release(2**50, release="rel-jump", bias=0.0)
    world.command("switch", "--release", "rel-0001")
    assert "jumps" in str(world.command("switch", "--release", "rel-jump", check=3))


def test_a8_a_revoked_key_does_not_count(world: Any, kit: Any) -> None:
    folder = world.release(1)
    keys = [world.ada.trusted(revoked_at=utc_text(kit.NOW)), world.ben.trusted()]
    world.write_trust(keys=keys)
    assert "revoked" in problems_of(world, folder, kit)


def test_a10_one_key_under_two_ids_or_one_person_twice(world: Any, kit: Any) -> None:
    folder = world.release(1, signers=[world.ada])
    envelope = world.sign(world.ada, dossier_of(folder), key_id="key-other")
    signature = envelope.signatures[0].model_copy(update={"key_id": "key-other"})
    world.add_signature(folder, envelope.model_copy(update={"signatures": [signature]}))
    keys = [world.ada.trusted(), world.ada.trusted(person="person-zoe", name="zoe", key_id="key-other")]
    world.write_trust(keys=keys)
    assert "at least 2" in problems_of(world, folder, kit)

    second = kit.Person("ada", ["reviewer"])
    folder = world.release(2, signers=[world.ada, second])
    world.write_trust(keys=[world.ada.trusted(), second.trusted()])
    assert "at least 2" in problems_of(world, folder, kit)


def test_a11_the_same_signature_twice_counts_once(world: Any, kit: Any) -> None:
    folder = world.release(1, signers=[world.ada])
    name = world.ada.key_id
    shutil.copy(folder / "signatures" / f"{name}.json", folder / "signatures" / "key-copy.json")
    found = problems_of(world, folder, kit)
    assert "at least 2" in found
    assert "signatures/key-copy.json" in found


def test_a12_the_author_and_people_without_the_role_do_not_count(world: Any, kit: Any) -> None:
    own = world.release(1, author_person="person-ada")
    assert "at least 2" in problems_of(world, own, kit)
    engineer = world.release(2, signers=[world.ada, world.cleo])
    assert "roles" in problems_of(world, engineer, kit)


def test_a13_a_file_swapped_between_verification_and_loading(world: Any, kit: Any) -> None:
    from core.serving.loaded import load_release

    folder = world.release(1)
    verified = verify_release(folder, world.trust(), now=kit.NOW, environment="production")
    (folder / "payload" / "model.onnx").write_bytes(kit.model([9, 9, 9, 9], 0.0))
    with pytest.raises(Refused) as caught:
        load_release(folder, verified)
    assert "payload/model.onnx" in str(caught.value)
    linked = world.release(2)
    (linked / "payload" / "model.onnx").rename(world.root / "model.onnx")
    (linked / "payload" / "model.onnx").symlink_to(world.root / "model.onnx")
    assert "payload/model.onnx: it is a symbolic link" in problems_of(world, linked, kit)
    hard = world.release(3)
    os.link(hard / "payload" / "model.onnx", world.root / "other.onnx")
    assert "hard link" in problems_of(world, hard, kit)


def test_a14_an_approval_copied_elsewhere(world: Any, kit: Any) -> None:
    first, second = world.release(1), world.release(2, signers=[])
    for path in (first / "signatures").iterdir():
        shutil.copy(path, second / "signatures" / path.name)
    found = problems_of(world, second, kit)
    assert "release" in found
    staging = world.release(3, environment="staging")
    assert "environment" in problems_of(world, staging, kit) or "staging" in problems_of(world, staging, kit)
    other_target = world.release(4)
    assert problems_of(world, other_target, kit, environment="staging")
    foreign = world.release(5, project="churn")
    assert "project churn" in problems_of(world, foreign, kit)


def test_a15_a_rejection_blocks_and_expired_words_do_not_count(world: Any, kit: Any) -> None:
    folder = world.release(1)
    zoe = kit.Person("zoe", ["reviewer"])
    world.write_trust(keys=[person.trusted() for person in (world.ada, world.ben, zoe)])
    world.add_signature(folder, world.sign(zoe, dossier_of(folder), meaning="reject", comment="leaks"))
    assert "leaks" in problems_of(world, folder, kit)
    assert "expired" in problems_of(world, world.release(2), kit, days=40)


def test_a42_a_dossier_cannot_lower_the_threshold(world: Any, kit: Any) -> None:
    folder = world.release(1, approvals_needed=1, signers=[world.ada])
    found = problems_of(world, folder, kit)
    assert "as the trust root says" in found
    assert "at least 2" in found


def test_a_gate_that_did_not_pass_needs_an_exception_that_still_stands(world: Any, kit: Any) -> None:
    """Two signatures do not help: the target holds the dossier's gates to the same rules as the console."""
    told = {"rule": "slices", "fact": "slices.worst_auc", "op": ">=", "expected": "0.6", "observed": "0.51"}
    gate = {**told, "severity": "block", "passed": False, "why": ""}

    def excepted(person: Any, **changes: Any) -> dict[str, Any]:
        said = {
            **told,
            "exception": "exc-1",
            "project": "flights",
            "environment": "production",
            "run": "run-1",
            "model": "b3:" + "2" * 64,
            "policy_digest": digest_json({"policy": 1}),
            "reason": "Shadow use only",
            "requested_by": "dora",
            "requested_by_person": "person-dora",
            "requested_at": utc_text(kit.NOW - timedelta(hours=3)),
            "makers": ["person-dora"],
            "expires_at": utc_text(kit.NOW + timedelta(days=7)),
            "meaning": "grant",
            "comment": "Looked at it",
            "signer": person.name,
            "signer_name": person.name,
            "roles": person.roles,
            "key_id": person.key_id,
            "signed_at": utc_text(kit.NOW - timedelta(hours=2)),
            "ledger_head": "1:" + "0" * 64,
            **changes,
        }
        return sign_statement(EXCEPTION_TYPE, said, person.key).plain()

    assert "slices blocks it" in problems_of(world, world.release(1, gates=[gate]), kit)
    folder = world.release(2, gates=[gate], exceptions=[excepted(world.ada)])
    assert problems_of(world, folder, kit) == ""
    assert "its exception does not count: it expired" in problems_of(world, folder, kit, days=8)
    assert problems_of(world, world.release(3, gates=[{**gate, "severity": "warn"}]), kit) == ""
    others = (excepted(world.cleo), excepted(world.ada, observed="0.55"), excepted(world.ada, makers=["person-ada"]))
    for number, exception in enumerate(others, 4):
        assert "slices blocks it" in problems_of(
            world, world.release(number, gates=[gate], exceptions=[exception]), kit
        )


def test_a43_a_replaced_trust_root_is_refused(world: Any, kit: Any) -> None:
    other = kit.World(world.root.parent / "evil")
    with pytest.raises(Refused):
        read_trust(other.root / "trust.json", world.console_public)
    assert read_trust(world.root / "trust.json", world.console_public).version == 1


BAD_NAMES = [
    "../x",
    "/etc/x",
    "a/../../x",
    "C:/x",
    "a\\b",
    "CON",
    "nul.txt",
    "x.",
    "x ",
    "a//b",
    "./x",
    ".hidden",
    "a:b",
    "e\u0301",
    "a\u202eb",
    "a/b/c/d/e/f/g/h/i",
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a21_bad_names_are_refused_before_any_write(tmp_path: Path, name: str) -> None:
    import io

    out = tmp_path / "p.tar"
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        for item in ("ok.txt", name):
            info = tarfile.TarInfo(item)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(InputError) as caught:
        unpack(out, tmp_path / "into" / "rel")
    assert caught.value.problems
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("names", [("a.txt", "A.TXT"), ("a", "a"), ("a", "a/b"), ("straße", "STRASSE")])
def test_a21_colliding_names(tmp_path: Path, names: tuple[str, str]) -> None:
    import io

    out = tmp_path / "p.tar"
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        for item in names:
            info = tarfile.TarInfo(item)
            info.size = 1
            tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(InputError):
        unpack(out, tmp_path / "rel")
    assert not (tmp_path / "rel").exists()


KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, b"S"]


@pytest.mark.parametrize("kind", KINDS)
def test_a22_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    out = tmp_path / "p.tar"
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
        info = tarfile.TarInfo("evil")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(InputError) as caught:
        unpack(out, tmp_path / "rel")
    assert "evil" in str(caught.value)
    assert not (tmp_path / "rel").exists()


def test_a22_long_names_and_extended_headers_are_refused(tmp_path: Path) -> None:
    for form, name in ((tarfile.GNU_FORMAT, "x"), (tarfile.PAX_FORMAT, "ü" * 90)):
        out = tmp_path / "p.tar"
        with tarfile.open(out, "w", format=form) as tar:
            tar.addfile(tarfile.TarInfo(name))
        with pytest.raises(InputError):
            unpack(out, tmp_path / "rel")


def test_a23_a24_limits_truncation_and_trailing_data(world: Any, tmp_path: Path) -> None:
    folder = world.release(1)
    out = world.tar(folder, tmp_path / "p.tar")
    for limits in (Limits(files=3), Limits(total_bytes=100), Limits(file_bytes=10)):
        with pytest.raises(InputError):
            unpack(out, tmp_path / "rel", limits)
    whole = out.read_bytes()
    for bad in (whole[:700], whole[:100], b"", whole + b"tail" + bytes(508), b"\x1f\x8b" + whole):
        (tmp_path / "bad.tar").write_bytes(bad)
        with pytest.raises(InputError):
            unpack(tmp_path / "bad.tar", tmp_path / "rel")
    assert not (tmp_path / "rel").exists()


def test_a_package_unpacks_to_the_same_bytes_and_verifies(world: Any, kit: Any, tmp_path: Path) -> None:
    folder = world.release(1, into=tmp_path / "made")
    out = world.tar(folder, tmp_path / "p.tar")
    world.command("unpack", "--release", "rel-0001", "--package", str(out))
    into = world.root / "releases" / "rel-0001"
    assert problems_of(world, into, kit) == ""
    for path in folder.rglob("*"):
        if path.is_file():
            assert (into / path.relative_to(folder)).read_bytes() == path.read_bytes()
    assert [path.name for path in into.parent.iterdir()] == ["rel-0001"]
    with pytest.raises(Conflict):
        unpack(out, into)


def test_malformed_documents_are_problems_not_crashes(world: Any, kit: Any) -> None:
    for number, (name, data) in enumerate(
        [
            ("dossier.json", b"{"),
            ("dossier.json", b'{"release": 1, "release": 2}'),
            ("manifest.json", b"[]"),
            (
                "manifest.json",
                canonical_json({"release": "x", "payload": {}, "payload_digest": "", "dossier_digest": ""}),
            ),
            ("signatures/key-x.json", b"{}"),
            ("signatures/key-x.json", b"\xff"),
        ],
        start=1,
    ):
        folder = world.release(number)
        (folder / name).write_bytes(data)
        assert problems_of(world, folder, kit), name
    assert problems_of(world, world.root / "releases" / "none", kit)
