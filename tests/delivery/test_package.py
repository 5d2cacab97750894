"""Packages: bit for bit reproducible, readable by the target's own reader, and true to the dossier."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.delivery.package import build_package, package_dossier, read_package
from core.kernel.errors import InputError, Refused
from core.serving.unpack import unpack

from .conftest import Makers


def test_built_twice_it_has_the_same_digest(tmp_path: Path, makers: Makers) -> None:
    folder, manifest = makers.payload(1, 0.1)
    dossier = makers.dossier("rel-1", 1, manifest)
    signatures = [makers.sign_off(dossier, place) for place in range(2)]
    first = build_package(folder, dossier, signatures, tmp_path / "a.tar")
    for file in folder.iterdir():
        file.touch()
        file.chmod(0o600)
    second = build_package(folder, dossier, signatures[::-1], tmp_path / "b.tar")
    assert first.digest == second.digest
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_the_targets_reader_unpacks_it(tmp_path: Path, makers: Makers) -> None:
    path = makers.package("rel-1", 1)
    folder = unpack(path, tmp_path / "rel-1")
    names = sorted(item.relative_to(folder).as_posix() for item in folder.rglob("*") if item.is_file())
    assert "manifest.json" in names
    assert "payload/model.onnx" in names
    assert sum(name.startswith("signatures/key-") for name in names) == 2


def test_import_reads_what_export_wrote(makers: Makers) -> None:
    path = makers.package("rel-1", 1)
    info = read_package(path)
    dossier, signatures = package_dossier(path)
    assert info.release == dossier.release == "rel-1"
    assert info.dossier_digest == dossier.fingerprint()
    assert info.payload_digest == dossier.payload
    assert len(signatures) == 2


def test_a_payload_changed_after_sign_off_is_not_packed(tmp_path: Path, makers: Makers) -> None:
    folder, manifest = makers.payload(1, 0.1)
    dossier = makers.dossier("rel-1", 1, manifest)
    (folder / "card.md").write_text("another card")
    with pytest.raises(Refused, match="signed off"):
        makers.packed(folder, dossier, tmp_path / "out.tar")
    assert not (tmp_path / "out.tar").exists()


def test_a_foreign_file_in_the_payload_is_refused(tmp_path: Path, makers: Makers) -> None:
    folder, manifest = makers.payload(1, 0.1)
    dossier = makers.dossier("rel-1", 1, manifest)
    (folder / "extra.pkl").write_bytes(b"x")
    with pytest.raises(InputError, match=r"extra\.pkl"):
        makers.packed(folder, dossier, tmp_path / "out.tar")


def test_what_is_no_package_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a package"):
        read_package(path)
