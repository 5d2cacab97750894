"""From a real table to answers over HTTP, for several classes and for a number, with the commands that a person types.

Three trainers on each kind of task are trained, evaluated, gated; the best is registered, proposed, signed by two,
packaged, brought to a real sshd, installed without a network, and asked: it answers what the model here answers. What
it was asked comes home and is looked at; the audit finds all on record. Two classes are walked by the demo and by many
other files; ``PLIMSOLL_ALL_TASKS=1`` walks them here too.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from core.blobs.store import BlobStore
from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.delivery.loopback import LoopbackTarget, loopback_target
from core.delivery.ssh import connect as log_in
from core.engine.client import Client, connect
from core.kernel.digests import strict_json
from core.training.runtime import run_model, session_of

from ..cli.conftest import PASSPHRASE, PEOPLE, call
from ..training.task_sets import hours

pytestmark = pytest.mark.slow(60)
TEXT = (Path(__file__).parent / "bikes.yaml").read_text()
BINARY = "label: {name: busy, expression: bikers > 140, known_at: known}"
LABELS = {
    "binary": BINARY,
    "multiclass": (
        "label: {name: level, known_at: known, task: multiclass, expression: "
        "\"CASE WHEN bikers > 250 THEN 'busy' WHEN bikers > 80 THEN 'usual' ELSE 'calm' END\"}"
    ),
    "regression": "label: {name: hired, expression: bikers, known_at: known, task: regression}",
}
GATES = {
    "binary": "metrics.roc_auc.value",
    "multiclass": 'metrics.accuracy.value, op: ">=", value: 0.5}',
    "regression": 'metrics.r2.value, op: ">=", value: 0.2}',
}
TRAINERS = {"linear", "trees", "network"}
PERIOD = ("--since", "2011-10-01T00:00:00Z", "--until", "2011-10-15T00:00:00Z")
DATATYPES = {"int": "INT64", "float": "FP64", "text": "BYTES", "time": "BYTES"}


def project_text(task: str) -> str:
    text = TEXT.replace(BINARY, LABELS[task]).replace("project: bikes", f"project: bikes_{task}")
    if task == "binary":
        return text
    return text.replace('metrics.roc_auc.value, op: ">=", value: 0.7}', GATES[task])


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A workspace with two reviewers that is open, as beside a window: its one worker imports once for all."""
    root = tmp_path_factory.mktemp("tasks") / "workspace"
    assert call("--as", "founder", "init", str(root)).code == 0
    held = connect(root, user="founder", passphrase=PASSPHRASE)
    for name, passphrase in PEOPLE.items():
        held.change("user.add", {"name": name, "roles": ["reviewer"]}, passphrase=passphrase)
    yield held
    held.close()


@pytest.fixture(scope="module")
def host() -> Iterator[LoopbackTarget]:
    with loopback_target() as running:
        yield running


@pytest.mark.parametrize("task", list(LABELS) if os.environ.get("PLIMSOLL_ALL_TASKS") else ["multiclass", "regression"])
def test_from_a_table_to_answers_over_http(task: str, owner: Client, host: LoopbackTarget, tmp_path: Path) -> None:
    table, target = hours(), f"{task}-box"
    table.write_csv(tmp_path / "hours.csv")
    (tmp_path / "plimsoll.yaml").write_text(project_text(task))

    def plimsoll(*words: str, user: str = "founder") -> Any:
        passphrase = PEOPLE.get(user, PASSPHRASE)
        done = call("--workspace", str(owner.root), "--json", "--as", user, *words, passphrase=passphrase)
        assert done.code == 0, (words, done.out[-2000:], done.err[-2000:])
        return done.json

    steps = {step["name"]: step for step in plimsoll("run", str(tmp_path))["steps"]}
    for name in TRAINERS:
        assert "all passed" in steps[f"gates:{name}"]["summary"], steps[f"gates:{name}"]["summary"]
    assert plimsoll("gates", "latest")["passed"]
    release = plimsoll("release", "propose", f"bikes_{task}")["release"]
    for name in PEOPLE:
        signed = plimsoll(
            "release", "sign", release, "--meaning", "approve", "--comment", "Read the report.", user=name
        )
    assert signed["complete"]
    plimsoll("release", "package", release)
    url = a_root_on(host, target)
    spec = host.spec
    plimsoll("target", "add", target, url, "--key", spec.client_key, "--host-key", spec.host_key)
    made = plimsoll("deploy", release, "--to", target)
    assert [step["step"] for step in made["steps"]][-2:] == ["switch", "health"]
    assert plimsoll("models", "show", f"bikes_{task}")["stage"] == "production"
    status = plimsoll("rollout", "status", target)
    assert (status["current"], status["ready"]) == (release, True)
    answers_like_here(owner, f"bikes_{task}", status["port"], table.filter(pl.col("at").dt.month() > 9).head(60))
    until(lambda: plimsoll("monitor", "collect", target)["rows_in_all"] == 60)
    assert plimsoll("monitor", "analyse", *PERIOD)["windows"] == 2
    assert plimsoll("monitor", "report", f"bikes_{task}")["system"]["availability"] == 1
    audit = plimsoll("models", "audit", f"bikes_{task}")
    assert audit["complete"], [section["missing"] for section in audit["sections"]]
    assert plimsoll("models", "card", f"bikes_{task}")["markdown"].startswith("# Hire of bicycles")
    plimsoll("rollout", "kill", target, "--reason", "the walk ends")


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


SHARE = "cd {home} && mkdir {name} && for one in */runtimes; do [ ! -d $one ] || cp -al $one {name}/; done"


def a_root_on(host: LoopbackTarget, name: str) -> str:
    """A folder of its own on the host, for a target trusts one project. A runtime that is there already goes along."""
    home = host.spec.root.rpartition("/")[0]
    with log_in(host.spec) as remote:
        assert remote.run(SHARE.format(home=home, name=name)).code == 0
    return host.spec.url.replace(host.spec.root, f"{home}/{name}")


def answers_like_here(owner: Client, model: str, port: int, asked: pl.DataFrame) -> None:
    """Each row over the Open Inference Protocol gives what the registered model gives in this process."""
    files = owner.ask("model", name=model)["detail"]["files"]
    held = {name: BlobStore(owner.root / "blobs").path(files[name]) for name in ("contract.json", "model.onnx")}
    contract = Contract.read(strict_json(held["contract.json"].read_bytes()))
    rows = asked.with_columns(pl.col("at").alias(contract.time_field))
    matrix = transformer_of(contract).matrix(rows)
    wanted = run_model(session_of(held["model.onnx"].read_bytes()), matrix)
    inputs = [
        {
            "name": field.name,
            "shape": [rows.height],
            "datatype": DATATYPES[field.type],
            "data": [f"{value:%Y-%m-%dT%H:%M:%SZ}" if field.type == "time" else value for value in rows[field.name]],
        }
        for field in contract.fields
    ]
    with httpx.Client(trust_env=False, timeout=30) as client:
        answer = client.post(f"http://127.0.0.1:{port}/v2/models/{model}/infer", json={"inputs": inputs})
    assert answer.status_code == 200, answer.text
    outputs = {item["name"]: item["data"] for item in answer.json()["outputs"]}
    assert set(outputs["status"]) == {"ok"}
    if contract.classes:
        found = np.array(outputs["probabilities"]).reshape(wanted.shape)
        assert np.abs(found - wanted).max() < 1e-6
        assert outputs["prediction"] == [contract.classes[place] for place in wanted.argmax(axis=1)]
    else:
        name = "prediction" if contract.task == "regression" else "probability"
        assert np.allclose(outputs[name], wanted.ravel(), rtol=1e-6)
