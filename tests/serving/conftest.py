"""A small real world for the server: a sigmoid model in ONNX, keys, a trust root, signed releases, a target root."""

from __future__ import annotations

import io
import json
import math
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper, numpy_helper

from core.contract.golden import golden_frame
from core.contract.matrix import Transformer
from core.contract.release import SIGN_OFF_TYPE, TRUST_ROOT_TYPE, Dossier, PayloadFile, PayloadManifest, TrustRoot
from core.contract.schema import Contract, GoldenRow
from core.kernel.clock import utc_text
from core.kernel.digests import canonical_json, digest_bytes, digest_json
from core.kernel.envelope import key_id_of, sign_statement
from core.serving.__main__ import main

REPO = Path(__file__).resolve().parents[2]
NOW = datetime.now(UTC)


def linear_model(weights: list[float], bias: float) -> bytes:
    """ONNX of sigmoid(x w + b) with nulls (NaN) as 0."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(weights)])
    y = helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n", 1])
    w = numpy_helper.from_array(np.array(weights, np.float32).reshape(-1, 1), "w")
    b = numpy_helper.from_array(np.array([bias], np.float32), "b")
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    nodes = [
        helper.make_node("IsNaN", ["x"], ["nan"]),
        helper.make_node("Where", ["nan", "zero", "x"], ["clean"]),
        helper.make_node("MatMul", ["clean", "w"], ["z0"]),
        helper.make_node("Add", ["z0", "b"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["probability"]),
    ]
    graph = helper.make_graph(nodes, "linear", [x], [y], [w, b, zero])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def flight_contract(**changes: Any) -> Contract:
    value = {
        "model": "flights",
        "version": "7",
        "fields": [
            {"name": "prediction_time", "type": "time"},
            {"name": "origin", "type": "text"},
            {"name": "distance", "type": "float"},
            {"name": "hour", "type": "int"},
            {"name": "tailnum", "type": "text", "nullable": True},
            {"name": "weekend", "type": "bool"},
        ],
        "key": ["origin", "hour"],
        "time_field": "prediction_time",
        "features": [
            {
                "name": "origin",
                "kind": "category",
                "origin": "request",
                "expression": "origin",
                "levels": ["EWR", "JFK"],
            },
            {"name": "distance_k", "kind": "number", "origin": "request", "expression": "distance / 1000"},
            {"name": "hour", "kind": "number", "origin": "request", "expression": "hour"},
            {"name": "wind", "kind": "number", "origin": "view", "view": "weather"},
        ],
        "views": [{"name": "weather", "entity": ["origin"], "features": ["wind"], "max_age_s": 7200}],
        "checks": [
            {"kind": "between", "columns": ["hour"], "min": 0, "max": 23},
            {"kind": "between", "columns": ["distance"], "min": 0, "max": 10000},
        ],
        "personal": ["tailnum"],
        **changes,
    }
    return Contract.read(value)


WEIGHTS, BIAS = [0.3, -0.5, 0.1, 0.05], -2.0


def expected_probability(origin: str, distance: float, hour: int, wind: float, bias: float = BIAS) -> float:
    code = {"EWR": 0, "JFK": 1}.get(origin, 2)
    z = sum(w * v for w, v in zip(WEIGHTS, [code, distance / 1000, hour, wind], strict=True)) + bias
    return 1 / (1 + math.exp(-z))


class Person:
    """A reviewer with a key."""

    def __init__(self, name: str, roles: list[str]) -> None:
        self.name, self.roles = name, roles
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    def trusted(self, **changes: Any) -> dict[str, Any]:
        return {
            "person": f"person-{self.name}",
            "name": self.name,
            "key_id": self.key_id,
            "public_key": self.public.hex(),
            "roles": self.roles,
            "revoked_at": None,
            **changes,
        }


class World:
    """Keys and one target root in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.console = Ed25519PrivateKey.generate()
        self.console_public = self.console.public_key().public_bytes_raw().hex()
        self.ada, self.ben = Person("ada", ["reviewer"]), Person("ben", ["reviewer"])
        self.cleo = Person("cleo", ["engineer"])
        root.mkdir(parents=True, exist_ok=True)
        self.write_trust()

    def trust(self, **changes: Any) -> TrustRoot:
        value = {
            "version": 1,
            "project": "flights",
            "environment": "production",
            "approvals": 2,
            "approver_roles": ["reviewer"],
            "keys": [person.trusted() for person in (self.ada, self.ben, self.cleo)],
            "console_key": self.console_public,
            "issued_at": utc_text(NOW - timedelta(days=1)),
            **changes,
        }
        return TrustRoot.read(value)

    def write_trust(self, **changes: Any) -> TrustRoot:
        trust = self.trust(**changes)
        envelope = sign_statement(TRUST_ROOT_TYPE, trust.plain(), self.console)
        (self.root / "trust.json").write_text(envelope.model_dump_json())
        return trust

    def sign(self, person: Person, dossier: Dossier, **changes: Any) -> Any:
        statement = {
            "release": dossier.release,
            "dossier": dossier.fingerprint(),
            "environment": dossier.environment,
            "policy_digest": dossier.policy_digest,
            "meaning": "approve",
            "comment": "checked",
            "signer": f"person-{person.name}",
            "signer_name": person.name,
            "roles": person.roles,
            "key_id": person.key_id,
            "signed_at": utc_text(NOW - timedelta(hours=1)),
            "expires_at": utc_text(NOW + timedelta(days=30)),
            "ledger_head": "b3:00",
            **changes,
        }
        return sign_statement(SIGN_OFF_TYPE, statement, person.key)

    def release(
        self,
        version: int,
        *,
        into: Path | None = None,
        contract: Contract | None = None,
        bias: float | None = None,
        golden_shift: float = 0.0,
        signers: list[Person] | None = None,
        sign: dict[str, Any] | None = None,
        weights: list[float] | None = None,
        payload: Path | None = None,
        **dossier_changes: Any,
    ) -> Path:
        """Write an unpacked, signed release, of a built ``payload`` where one is given; returns its folder."""
        name = dossier_changes.get("release", f"rel-{version:04d}")
        folder = (into or self.root / "releases") / name
        (folder / "payload").mkdir(parents=True)
        (folder / "signatures").mkdir()
        contract = contract or flight_contract()
        bias = BIAS - 0.1 * version if bias is None else bias
        if payload is None:
            self._payload(folder / "payload", contract, linear_model(weights or WEIGHTS, bias), golden_shift)
        else:
            shutil.copytree(payload, folder / "payload", dirs_exist_ok=True)
        files = [
            PayloadFile(path=path.name, size=path.stat().st_size, digest=digest_bytes(path.read_bytes()))
            for path in sorted((folder / "payload").iterdir())
        ]
        manifest = PayloadManifest(files=files)
        dossier = self._dossier(name, version, manifest.fingerprint(), dossier_changes)
        head = {
            "release": name,
            "payload": manifest.plain(),
            "payload_digest": manifest.fingerprint(),
            "dossier_digest": dossier.fingerprint(),
        }
        (folder / "manifest.json").write_bytes(canonical_json(head))
        (folder / "dossier.json").write_bytes(canonical_json(dossier.plain()))
        for person in signers if signers is not None else [self.ada, self.ben]:
            self.add_signature(folder, self.sign(person, dossier, **(sign or {})))
        return folder

    def add_signature(self, folder: Path, envelope: Any) -> None:
        name = envelope.signatures[0].key_id
        (folder / "signatures" / f"{name}.json").write_bytes(canonical_json(envelope.plain()))

    def _payload(self, folder: Path, contract: Contract, model: bytes, shift: float) -> None:
        fields = {
            "prediction_time": "2013-06-01T12:00:00.000000Z",
            "origin": "JFK",
            "distance": 1000.0,
            "hour": 12,
            "tailnum": None,
            "weekend": False,
        }
        rows = [
            GoldenRow(fields={**fields, "origin": origin}, view_features={"wind": wind}, matrix=[], output=0.0)
            for origin, wind in (("JFK", 10.0), ("XXX", None))
        ]
        matrix = Transformer(contract).matrix(golden_frame(contract, rows))
        import onnxruntime

        out = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"x": matrix})[0]
        golden = [
            GoldenRow(
                fields=row.fields,
                view_features=row.view_features,
                matrix=[None if math.isnan(v) else float(v) for v in matrix[i]],
                output=float(out[i, 0]) + shift,
            )
            for i, row in enumerate(rows)
        ]
        (folder / "model.onnx").write_bytes(model)
        (folder / "contract.json").write_bytes(canonical_json(contract.plain()))
        (folder / "golden.json").write_bytes(canonical_json([row.plain() for row in golden]))
        (folder / "card.md").write_text("# Card\n")
        (folder / "provenance.json").write_text("{}")
        (folder / "sbom.cdx.json").write_text("{}")

    def _dossier(self, name: str, version: int, payload: str, changes: dict[str, Any]) -> Dossier:
        value = {
            "release": name,
            "project": "flights",
            "model": "delay",
            "version": version,
            "environment": "production",
            "run": "run-1",
            "author": "dora",
            "author_person": "person-dora",
            "proposed_at": utc_text(NOW - timedelta(hours=2)),
            "payload": payload,
            "inputs": {},
            "metrics": {"auc": 0.7},
            "gates": [],
            "evidence": [],
            "policy": "standard",
            "policy_digest": digest_json({"policy": 1}),
            "approvals_needed": 2,
            "approver_roles": ["reviewer"],
            "previous": None,
            "changes": [],
            **changes,
        }
        return Dossier.read(value)

    def tar(self, folder: Path, out: Path) -> Path:
        with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    tar.add(path, path.relative_to(folder).as_posix())
        return out

    def command(self, *arguments: str, check: int | None = 0) -> dict[str, Any]:
        """Run a verb of the target's command line in this process, whose imports are paid for; returns its JSON."""
        said = io.StringIO()
        with redirect_stdout(said):
            code = main([*arguments, "--root", str(self.root)])
        if check is not None:
            assert code == check, said.getvalue()
        return json.loads(said.getvalue())

    def second_server(self) -> tuple[int, str]:
        """Start a server where one runs; its exit status and what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "core.serving", "--root", str(self.root)],
            capture_output=True,
            text=True,
            cwd=REPO,
            timeout=60,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout


class RunningServer(SimpleNamespace):
    process: subprocess.Popen[bytes]
    url: str
    port: int

    def wait(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "waited too long"
            assert self.process.poll() is None, self.errors()
            time.sleep(0.02)

    def errors(self) -> str:
        return (self.root / "stderr.txt").read_text()

    def status(self) -> dict[str, Any]:
        return json.loads((self.root / "state" / "status.json").read_text())

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=10)

    def post(self, path: str, value: Any, **headers: str) -> httpx.Response:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return httpx.post(self.url + path, content=body, headers=headers, timeout=10)

    def log_lines(self) -> list[dict[str, Any]]:
        segments = sorted((self.root / "logs").glob("predictions-*.jsonl"))
        return [json.loads(line) for path in segments for line in path.read_text().splitlines()]

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


def start_server(root: Path) -> RunningServer:
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTHONPATH")}
    with (root / "stderr.txt").open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "core.serving", "--root", str(root), "--port", "0"],
            cwd=REPO,
            stdout=errors,
            stderr=errors,
            env=environment,
        )
    server = RunningServer(process=process, root=root, url="", port=0)
    server.wait(lambda: (root / "state" / "port").exists(), 30)
    server.port = int((root / "state" / "port").read_text())
    server.url = f"http://127.0.0.1:{server.port}"

    def live() -> bool:
        try:
            return server.get("/v2/health/live").status_code == 200
        except httpx.TransportError:
            return False

    server.wait(live)
    return server


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "target")


@pytest.fixture
def start(world: World) -> Iterator[Callable[[], RunningServer]]:
    """Start servers on the world's root; all end with the test."""
    started: list[RunningServer] = []

    def go() -> RunningServer:
        started.append(start_server(world.root))
        return started[-1]

    yield go
    for server in started:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(10)


def infer_body(rows: list[dict[str, Any]], **extra: Any) -> dict[str, Any]:
    """A V2 request with the flight contract's fields."""
    kinds = {"prediction_time": "BYTES", "origin": "BYTES", "distance": "FP64", "hour": "INT64", "tailnum": "BYTES"}
    kinds |= {"weekend": "BOOL", "wind": "FP64"}
    names = list(rows[0])
    inputs = [
        {"name": n, "shape": [len(rows)], "datatype": kinds.get(n, "BYTES"), "data": [row[n] for row in rows]}
        for n in names
    ]
    return {"inputs": inputs, **extra}


def flight(**changes: Any) -> dict[str, Any]:
    return {
        "prediction_time": "2013-06-01T12:00:00Z",
        "origin": "JFK",
        "distance": 1000.0,
        "hour": 12,
        "tailnum": "N123",
        "weekend": False,
        **changes,
    }


@pytest.fixture
def kit() -> SimpleNamespace:
    """The helpers of this file, for tests that cannot import it."""
    return SimpleNamespace(
        infer_body=infer_body,
        flight=flight,
        contract=flight_contract,
        expected=expected_probability,
        model=linear_model,
        Person=Person,
        World=World,
        BIAS=BIAS,
        NOW=NOW,
    )
