"""Hire of bicycles by the hour (ISLP), a workspace that walked its pipeline, and the command line in this process."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from core.cli.__main__ import main
from core.engine.client import Client, connect

from ..training.task_sets import bikeshare

PASSPHRASE = "founder of bikes passphrase"
PEOPLE = {"grace": "grace bikes passphrase", "katherine": "katherine bikes passphrase"}
PROJECT = """\
plimsoll: 1
project: bikes
title: Hours in which many ride
sources:
  hours:
    path: hours.csv
    types: {begun: time, known_at: time, temp: float}
    key: [hour]
    description: One row an hour
suites:
  hours:
    checks:
      - {kind: unique, columns: [hour]}
      - {kind: between, columns: [temp], min: 0}
      - {kind: in_set, columns: [weather], values: [clear, cloudy/misty], severity: warn}
events:
  table: hours
  key: [hour]
  time: begun
  prediction_time: begun
  available: {hour: always, temp: always, weather: always, bikers: known_at}
label: {name: busy, expression: bikers > 60, known_at: known_at}
features:
  request:
    temp: {expression: temp}
    weather: {kind: category, expression: weather}
split:
  train: [2011-01-01, 2011-02-01]
  validate: [2011-02-01, 2011-02-15]
  test: [2011-02-15, 2011-03-01]
training:
  rates: {cpu_hour: 0.05}
  candidates:
    plain: {trainer: logistic, settings: {max_iter: 40}}
    strict: {trainer: logistic, settings: {c: 0.001, max_iter: 40}}
evaluation: {primary: roc_auc, slices: [[weather]], min_slice_rows: 50, bootstrap: 50}
policy:
  name: bikes_release
  version: 1
  approvals: 2
  gates:
    - {id: data_valid, fact: validation.passed, op: "==", value: true, why: No model is better than its data}
    - {id: no_leak, fact: leakage.passed, op: "==", value: true, why: The future is not known}
    - {id: ranks, fact: metrics.roc_auc.low, op: ">=", value: 0.55, why: Better than chance with a margin}
"""


def hours(rows: int = 1337) -> pl.DataFrame:
    """The first hours of 2011 as the table has them: weather, temperature (scaled), and how many rode."""
    begun = pl.datetime(2011, 1, 1) + pl.duration(days=pl.col("day") - 1, hours=pl.col("hr"))
    return (
        bikeshare()
        .head(rows)
        .select(
            pl.int_range(pl.len()).cast(pl.String).str.zfill(5).str.replace("^", "h").alias("hour"),
            begun.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("begun"),
            (begun + pl.duration(hours=1)).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("known_at"),
            "temp",
            pl.col("weathersit").alias("weather"),
            "bikers",
        )
    )


@dataclass
class Answer:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


Run = Callable[..., Answer]


def call(*words: str, passphrase: str = PASSPHRASE, stdin: str = "") -> Answer:
    """Run the command line in this process."""
    import io
    from contextlib import redirect_stderr, redirect_stdout

    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["plimsoll", *words])
        patch.setattr(sys, "stdin", io.StringIO(stdin))
        patch.setenv("PLIMSOLL_PASSPHRASE", passphrase)
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Answer(code if isinstance(code, int) else 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The owner of a workspace with the hours, whose pipeline ran and registered a candidate, and two reviewers."""
    root = tmp_path_factory.mktemp("cli") / "bikes"
    assert call("--as", "founder", "init", str(root)).code == 0
    project = root / "project"
    project.mkdir()
    (project / "plimsoll.yaml").write_text(PROJECT)
    hours().write_csv(project / "hours.csv")
    here = Path.cwd()
    os.chdir(root)
    owner = connect(root, user="founder")  # commands reach it over the socket, as beside an open window
    try:
        done = call("--workspace", str(root), "--json", "run")
        assert done.code == 0, done.err
        for name, passphrase in PEOPLE.items():
            os.environ["PLIMSOLL_NEW_PASSPHRASE"] = passphrase
            made = call("--workspace", str(root), "user", "add", name, "--role", "reviewer")
            assert made.code == 0, made.err
        yield owner
    finally:
        owner.close()
        os.environ.pop("PLIMSOLL_NEW_PASSPHRASE", None)
        os.chdir(here)


@pytest.fixture(scope="session")
def workspace(owner: Client) -> Path:
    """That workspace's folder."""
    return owner.root


@pytest.fixture
def anywhere() -> Run:
    """Run a command on no workspace in particular."""
    return call


@pytest.fixture
def run(workspace: Path) -> Run:
    """Run a command on the workspace."""

    def go(*words: str, user: str = "") -> Answer:
        who = ("--as", user) if user else ()
        return call("--workspace", str(workspace), *who, *words, passphrase=PEOPLE.get(user, PASSPHRASE))

    return go


class Own:
    """A workspace for one file alone, which may change what others read; it is open, as beside a window."""

    def __init__(self, root: Path) -> None:
        self.root, self.file = root, root / "project" / "plimsoll.yaml"
        self.held: Client | None = connect(root, user="founder")

    def close(self) -> None:
        """Let others own it."""
        if self.held is not None:
            self.held.close()
            self.held = None


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    """Such a workspace with one trained run; commands find it by themselves."""
    root = tmp_path_factory.mktemp("own") / "bikes"
    assert call("--as", "founder", "init", str(root)).code == 0
    (root / "project").mkdir()
    (root / "project" / "plimsoll.yaml").write_text(PROJECT)
    hours().write_csv(root / "project" / "hours.csv")
    made = Own(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLIMSOLL_WORKSPACE", str(root))
        patch.chdir(root)
        done = call("run", str(root / "project"), "--to", "train:strict")
        assert done.code == 0, done.err
        yield made
        made.close()
