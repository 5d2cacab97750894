"""A workspace with rows of every kind, made once; tests work on copies of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from sqlalchemy import JSON, BigInteger, Boolean, DateTime, Double, Integer

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.tracking.draft import Draft
from core.store.metrics import append_points, new_batch
from core.store.tables import (
    FACTS,
    Fact,
    LogBatch,
    MetricBatch,
    ModelVersion,
    Package,
    Report,
    Run,
    Snapshot,
    StepResult,
)

PASSPHRASE = "a good long passphrase"


def values_for(table: type[Fact]) -> dict[str, Any]:
    """Something in every column, by its type."""
    out: dict[str, Any] = {}
    for column in table.__table__.columns:  # type: ignore[attr-defined]
        if column.name in ("id", "created_at", "created_by"):
            continue
        if isinstance(column.type, JSON):
            out[column.name] = {"one": 1, "text": "ü", "list": [1.5, None]}
        elif isinstance(column.type, BigInteger | Integer):
            out[column.name] = 7
        elif isinstance(column.type, Double):
            out[column.name] = 1.25
        elif isinstance(column.type, Boolean):
            out[column.name] = True
        elif isinstance(column.type, DateTime):
            out[column.name] = datetime.fromisoformat("2026-01-02T03:04:05.000006+00:00")
        else:
            out[column.name] = f"some {column.name}"
    return out


def fill(context: Context) -> Done:
    """As many rows of every kind as it has columns, with blobs where rows name them, and metric points."""
    put = context.workspace.blobs.put_bytes
    special: dict[type[Fact], dict[str, Any]] = {
        Snapshot: {"blob": put(b"a snapshot"), "detail": {}},
        Report: {"blob": put(b"a report")},
        Run: {"artefacts": {"model": put(b"a model")}},
        ModelVersion: {"onnx": put(b"a model"), "contract": put(b"a contract"), "detail": {"files": {}}},
        Package: {"blob": put(b"a package")},
        StepResult: {"outputs": {"html": put(b"a page")}},
    }
    for table in FACTS:
        for _ in table.__table__.columns if table not in (MetricBatch, LogBatch) else []:  # type: ignore[attr-defined]
            context.add(table, "x", **{**values_for(table), **special.get(table, {})})
    for _ in MetricBatch.__table__.columns:  # type: ignore[attr-defined]
        _points(context)
    for number, _ in enumerate(LogBatch.__table__.columns):  # type: ignore[attr-defined]
        _tracked(context, number)
    return Done(subject="everything", summary="Some of each")


def _points(context: Context) -> None:
    points = pl.DataFrame({"name": ["loss"] * 5, "step": list(range(5)), "value": [1.0, 0.5, 0.25, 0.2, 0.1]})
    made = new_batch("run-1", points)
    batch = context.add(MetricBatch, "mb", **made)
    append_points(context.session, batch, points)


def _tracked(context: Context, number: int) -> None:
    draft = Draft(context, first=number * 10)
    draft.thing("run", f"run-{number}", parent="0", name="a run")
    draft.note(f"run-{number}", "tag", "team", "blue")
    draft.points(pl.DataFrame({"run": [f"run-{number}"] * 2, "name": ["tracked"] * 2, "value": [1.0, float("nan")]}))
    draft.keep()


@pytest.fixture(scope="session")
def full_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Founded, filled, closed (so signed) twice: the ledger has entries before, between and after checkpoints."""
    root = tmp_path_factory.mktemp("full") / "workspace"
    found_workspace(root, "founder", PASSPHRASE)
    for number in range(3):
        engine = Engine(root, slots=0)
        if number == 0:
            engine.dispatcher.carry_out("test.fill", "read", ENGINE, fill)
        for _ in range(3):
            engine.dispatcher.carry_out("test.note", "read", ENGINE, lambda context: Done(summary="A note"))
        engine.close()
    return root


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Path], Path]:
    """A copy of a workspace, to tamper with."""

    def copy(root: Path) -> Path:
        shutil.copytree(root, tmp_path / "copy")
        return tmp_path / "copy"

    return copy
