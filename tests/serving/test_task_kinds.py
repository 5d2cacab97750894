"""Models of several classes and of numbers, from training to packaging to V2 answers of a real server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.contract.golden import golden_rows
from core.contract.matrix import transformer_of
from core.contract.schema import Check
from core.contract.tasks import Task
from core.delivery.payload import build_payload
from core.kernel.progress import Silent
from core.monitoring.answer_quality import answer_figures, answer_reference
from core.monitoring.health import model_health
from core.monitoring.windows import read_log_segments
from core.project.candidates import Candidate
from core.project.schema import Drift
from core.training.runtime import run_model, session_of
from core.training.train import train
from tests.training.task_sets import CATEGORIES, FLOATS, training_set

INFER = "/v2/models/delay/infer"


def payload_of(task: Task, folder: Path, **contract_changes: Any) -> tuple[Path, Any, pl.DataFrame]:
    """A payload as it would be packaged; its contract; rows of the test split."""
    folder.mkdir()
    rows, contract = training_set(task, folder)
    contract = contract.model_copy(update=contract_changes)
    train(Candidate(trainer="linear"), "it", rows, contract, 7, folder / "run", Silent())
    frame = pl.read_parquet(rows).filter(pl.col("split") == "test")
    matrix = transformer_of(contract).matrix(frame)
    session = session_of((folder / "run" / "model.onnx").read_bytes())
    golden = golden_rows(contract, frame, matrix, run_model(session, matrix), 16, seed=7)
    build_payload(folder / "payload", folder / "run" / "model.onnx", contract, golden, "# Card\n", {})
    return folder / "payload", contract, frame


def body(frame: pl.DataFrame, **extra: Any) -> dict[str, Any]:
    def tensor(name: str, kind: str, data: list[Any]) -> dict[str, Any]:
        return {"name": name, "shape": [len(data)], "datatype": kind, "data": data}

    inputs = [tensor(name, "BYTES", frame[name].to_list()) for name in ("hour_id", *CATEGORIES)]
    inputs.append(
        tensor("prediction_time", "BYTES", frame["prediction_time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ").to_list())
    )
    inputs += [
        tensor(name, "FP64" if name in FLOATS else "INT64", frame[name].to_list())
        for name in (*FLOATS, "hr", "workingday")
    ]
    return {"inputs": inputs, **extra}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_it_is_packaged_and_served_over_v2(task: Task, world: Any, start: Any, tmp_path: Path) -> None:
    fallback = {"multiclass": "usual", "regression": 77.0}[task]
    clock = Check(kind="between", columns=["hr"], min=0, max=23)
    changes = {"on_invalid": "fallback", "fallback_value": fallback, "checks": [clock]}
    payload, contract, frame = payload_of(task, tmp_path / "made", **changes)
    world.release(1, payload=payload)
    world.command("switch", "--release", "rel-0001", "--by", "test")
    server = start()
    expected = pl.read_parquet(tmp_path / "made" / "run" / "predictions.parquet").filter(pl.col("split") == "test")
    asked = frame.head(60)
    answer = server.post(INFER, body(asked, id="r")).json()
    outputs = {item["name"]: item for item in answer["outputs"]}
    assert list(outputs)[-2:] == ["status", "prediction_id"]
    assert set(outputs["status"]["data"]) == {"ok"}
    metadata = {item["name"]: item for item in server.get("/v2/models/delay").json()["outputs"]}
    if task == "multiclass":
        assert metadata["probabilities"]["shape"] == [-1, 3]
        assert metadata["probabilities"]["parameters"] == {"classes": ["busy", "calm", "usual"]}
        assert outputs["probabilities"]["shape"] == [60, 3]
        found = np.array(outputs["probabilities"]["data"]).reshape(60, 3)
        wanted = expected.select(r"^probability\..*$").head(60).to_numpy()
        assert np.abs(found - wanted).max() < 1e-6
        assert outputs["prediction"]["data"] == [contract.classes[place] for place in found.argmax(axis=1)]
    else:
        assert metadata["prediction"] == {"name": "prediction", "datatype": "FP64", "shape": [-1]}
        assert np.allclose(outputs["prediction"]["data"], expected["prediction"].head(60).to_numpy(), rtol=1e-6)
    bad = asked.head(2).with_columns(pl.Series("hr", [12, 99]))
    told = {item["name"]: item["data"] for item in server.post(INFER, body(bad)).json()["outputs"]}
    assert told["status"] == ["ok", "fallback"]
    assert told["prediction"][1] == fallback
    assert server.terminate() == 0
    watched(server, contract, asked, expected)


def watched(server: Any, contract: Any, asked: pl.DataFrame, expected: pl.DataFrame) -> None:
    """The log of the server is what monitoring of that kind of task reads."""
    log = read_log_segments(sorted((server.root / "logs").glob("predictions-*.jsonl")), contract)
    assert log.height == 62
    truth = asked.select(pl.col("hour_id").alias("field:hour_id"), "label")
    known = log.filter(pl.col("status") == "ok").unique("field:hour_id").join(truth, on="field:hour_id")
    reference = answer_reference(expected, contract)
    health = model_health(known, reference, Drift(), None, contract)
    assert health.rows == 60
    assert health.prediction_drift is not None
    assert set(health.figures) >= ({"accuracy", "log_loss"} if contract.classes else {"rmse", "r2"})
    assert answer_figures(known.head(10), contract) == {}, "too few labels to say anything"
