"""A small real model with its contract, golden rows, people and keys: what a release needs."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from core.contract.release import (
    SIGN_OFF_TYPE,
    TRUST_ROOT_TYPE,
    Dossier,
    PayloadManifest,
    SignOff,
    TrustedKey,
    TrustRoot,
)
from core.contract.schema import Check, Contract, Feature, Field_, GoldenRow
from core.delivery.loopback import LoopbackTarget, loopback_target
from core.delivery.package import build_package
from core.delivery.payload import build_payload
from core.delivery.records import PackageInfo
from core.kernel.clock import utc_text
from core.kernel.envelope import Envelope, key_id_of, sign_statement

WEIGHTS = (0.5, -0.25)


class Makers:
    """Everybody who signs in these tests, and what they sign."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proposed: dict[str, Dossier] = {}
        self.console = Ed25519PrivateKey.from_private_bytes(b"c" * 32)
        self.reviewers = [Ed25519PrivateKey.from_private_bytes(bytes([65 + place]) * 32) for place in range(2)]

    def model(self, bias: float) -> Path:
        path = self.folder / f"model{bias}.onnx"
        if not path.exists():
            onnx.save(logistic(bias), str(path))
        return path

    def payload(self, version: int, bias: float) -> tuple[Path, PayloadManifest]:
        folder = self.folder / f"payload-{version}-{bias}"
        rows = [golden_row(bias, 1.5, 2.0), golden_row(bias, -3.0, 0.25)]
        provenance = {"trainer": "logistic", "metrics": {"roc_auc": 0.71}, "run": "run-1"}
        made = build_payload(folder, self.model(bias), contract(str(version)), rows, "# Card\n", provenance)
        return folder, made

    def package(self, release: str, version: int, bias: float = 0.1, signers: int = 2) -> Path:
        folder, manifest = self.payload(version, bias)
        dossier = self.proposed[release] = self.dossier(release, version, manifest)
        out = self.folder / f"{release}.plimsoll"
        self.packed(folder, dossier, out, signers)
        return out

    def packed(self, folder: Path, dossier: Dossier, out: Path, signers: int = 2) -> PackageInfo:
        return build_package(folder, dossier, [self.sign_off(dossier, place) for place in range(signers)], out)

    def dossier(self, release: str, version: int, manifest: PayloadManifest) -> Dossier:
        return Dossier(
            release=release,
            project="flights",
            model="delay",
            version=version,
            environment="production",
            run="run-1",
            author="maker",
            author_person="Mara Maker",
            proposed_at=utc_text(datetime.now(UTC)),
            payload=manifest.fingerprint(),
            inputs={},
            metrics={},
            gates=[],
            evidence=[],
            policy="default",
            policy_digest="b3:" + "0" * 64,
            approvals_needed=2,
            approver_roles=["reviewer"],
            previous=None,
            changes=[],
        )

    def sign_off(self, dossier: Dossier, place: int) -> Envelope:
        key = self.reviewers[place]
        now = datetime.now(UTC)
        said = SignOff(
            release=dossier.release,
            dossier=dossier.fingerprint(),
            environment=dossier.environment,
            policy_digest=dossier.policy_digest,
            meaning="approve",
            comment="read it",
            signer=f"reviewer{place}",
            signer_name=f"Reviewer {place}",
            roles=["reviewer"],
            key_id=key_id_of(key.public_key().public_bytes_raw()),
            signed_at=utc_text(now),
            expires_at=utc_text(now + timedelta(days=30)),
            ledger_head="b3:" + "1" * 64,
        )
        return sign_statement(SIGN_OFF_TYPE, said.plain(), key)

    def trust(self, version: int = 1, signer: Ed25519PrivateKey | None = None) -> Envelope:
        keys = [
            TrustedKey(
                person=f"Person {place}",
                name=f"Reviewer {place}",
                key_id=key_id_of(key.public_key().public_bytes_raw()),
                public_key=text_of(key),
                roles=["reviewer"],
            )
            for place, key in enumerate(self.reviewers)
        ]
        root = TrustRoot(
            version=version,
            project="flights",
            environment="production",
            approvals=2,
            approver_roles=["reviewer"],
            keys=keys,
            console_key=text_of(signer or self.console),
            issued_at=utc_text(datetime.now(UTC)),
        )
        return sign_statement(TRUST_ROOT_TYPE, root.plain(), signer or self.console)


def text_of(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def contract(version: str) -> Contract:
    return Contract(
        model="delay",
        version=version,
        fields=[
            Field_(name="id", type="int"),
            Field_(name="at", type="time"),
            Field_(name="a", type="float"),
            Field_(name="b", type="float"),
        ],
        key=["id"],
        time_field="at",
        features=[
            Feature(name="a", kind="number", origin="request", expression="a"),
            Feature(name="b", kind="number", origin="request", expression="b"),
        ],
        checks=[Check(kind="between", columns=["a"], min=-1000, max=1000)],
    )


def golden_row(bias: float, a: float, b: float) -> GoldenRow:
    output = 1 / (1 + math.exp(-(WEIGHTS[0] * a + WEIGHTS[1] * b + bias)))
    return GoldenRow(fields={"id": 1, "at": "2013-06-01T12:00:00Z", "a": a, "b": b}, matrix=[a, b], output=output)


def logistic(bias: float) -> onnx.ModelProto:
    """Sigmoid of a weighted sum: a real model that fits in a test."""
    weights = numpy_helper.from_array(np.array(WEIGHTS, np.float32).reshape(2, 1), "w")
    intercept = numpy_helper.from_array(np.array([bias], np.float32), "c")
    nodes = [
        helper.make_node("Gemm", ["features", "w", "c"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes,
        "delay",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
        [weights, intercept],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def makers(tmp_path: Path) -> Makers:
    return Makers(tmp_path)


@pytest.fixture(scope="session")
def host() -> Iterator[LoopbackTarget]:
    with loopback_target() as running:
        yield running
