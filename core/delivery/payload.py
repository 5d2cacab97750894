"""Payloads: what a model is when it leaves the house. Same inputs give the same bytes."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from core.contract.release import PayloadFile, PayloadManifest
from core.contract.schema import Contract, GoldenRow
from core.delivery.onnx_guard import check_onnx
from core.delivery.sbom import bill_of_materials
from core.kernel.digests import canonical_json, digest_file
from core.kernel.errors import Conflict, InputError

FILES = ("card.md", "contract.json", "golden.json", "model.onnx", "provenance.json", "sbom.cdx.json")


def build_payload(
    folder: Path, model: Path, contract: Contract, golden: list[GoldenRow], card: str, provenance: dict[str, Any]
) -> PayloadManifest:
    """Write a payload's six files into ``folder`` (made here, all or nothing) and list them.

    Raises:
        InputError: when the model may not ship, when there are no golden rows, or when a golden
            row's matrix is not as wide as the contract's features.
        Conflict: when ``folder`` already holds another payload.
    """
    check_onnx(model)
    _check_golden(contract, golden)
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _fill(staging, model, contract, golden, card, provenance)
        manifest = payload_manifest(staging)
        _settle(staging, folder, manifest)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return manifest


def payload_manifest(folder: Path) -> PayloadManifest:
    """List a payload folder; it must hold exactly the six files, all of them regular.

    Raises:
        InputError: naming what is missing, foreign or not a regular file.
    """
    there = sorted(item.relative_to(folder).as_posix() for item in folder.rglob("*"))
    odd = [name for name in there if name not in FILES or (folder / name).is_symlink()]
    absent = [name for name in FILES if name not in there]
    if odd or absent:
        told = [f"not part of a payload: {name}" for name in odd] + [f"missing: {name}" for name in absent]
        raise InputError("This folder is not a payload", where=str(folder), detail="\n".join(told))
    return PayloadManifest(
        files=[
            PayloadFile(path=name, size=(folder / name).stat().st_size, digest=digest_file(folder / name))
            for name in FILES
        ]
    )


def _check_golden(contract: Contract, golden: list[GoldenRow]) -> None:
    if not golden:
        raise InputError("A payload needs golden rows", remedy="Pick rows of the test period and predict them once.")
    width = len(contract.features)
    wrong = [str(index) for index, row in enumerate(golden) if len(row.matrix) != width]
    if wrong:
        raise InputError(f"Golden rows {', '.join(wrong)} are not {width} features wide, as the contract says")


def _fill(
    folder: Path, model: Path, contract: Contract, golden: list[GoldenRow], card: str, provenance: dict[str, Any]
) -> None:
    target = folder / "model.onnx"
    shutil.copyfile(model, target)
    sha256 = hashlib.sha256(target.read_bytes()).hexdigest()
    (folder / "contract.json").write_bytes(canonical_json(contract.plain()))
    (folder / "golden.json").write_bytes(canonical_json([row.plain() for row in golden]))
    (folder / "provenance.json").write_bytes(canonical_json(provenance))
    (folder / "card.md").write_bytes(card.replace("\r\n", "\n").encode())
    (folder / "sbom.cdx.json").write_bytes(bill_of_materials(target, sha256, contract, provenance))


def _settle(staging: Path, folder: Path, manifest: PayloadManifest) -> None:
    if folder.exists():
        if any(folder.iterdir()) and payload_manifest(folder) != manifest:
            raise Conflict("Another payload is already here", where=str(folder))
        shutil.rmtree(folder)
    staging.chmod(0o755)
    staging.replace(folder)
