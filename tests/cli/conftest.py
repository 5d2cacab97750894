"""A small project of made-up orders, a workspace that walked its pipeline, and the command line run in this process."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.cli.__main__ import main
from core.engine.client import Client, connect

PASSPHRASE = "founder of orders passphrase"
PEOPLE = {"grace": "grace orders passphrase", "katherine": "katherine orders passphrase"}
PROJECT = """\
plimsoll: 1
project: orders
title: Orders that are sent back
sources:
  orders:
    path: orders.csv
    types: {placed_at: time, known_at: time, amount: float}
    key: [order]
    description: One row an order
suites:
  orders:
    checks:
      - {kind: unique, columns: [order]}
      - {kind: between, columns: [amount], min: 0}
      - {kind: in_set, columns: [colour], values: [blue, green], severity: warn}
events:
  table: orders
  key: [order]
  time: placed_at
  prediction_time: placed_at
  available: {order: always, amount: always, colour: always, back: known_at}
label: {name: sent_back, expression: back > 0, known_at: known_at}
features:
  request:
    amount: {expression: amount}
    colour: {kind: category, expression: colour}
split:
  train: [2025-01-01, 2025-02-01]
  validate: [2025-02-01, 2025-02-15]
  test: [2025-02-15, 2025-03-01]
training:
  candidates:
    plain: {trainer: logistic, settings: {max_iter: 40}}
    strict: {trainer: logistic, settings: {c: 0.001, max_iter: 40}}
evaluation: {primary: roc_auc, slices: [[colour]], min_slice_rows: 100, bootstrap: 50}
policy:
  name: orders_release
  version: 1
  approvals: 2
  gates:
    - {id: data_valid, fact: validation.passed, op: "==", value: true, why: No model is better than its data}
    - {id: no_leak, fact: leakage.passed, op: "==", value: true, why: The future is not known}
    - {id: ranks, fact: metrics.roc_auc.low, op: ">=", value: 0.55, why: Better than chance with a margin}
"""


def orders(rows: int = 2000) -> pl.DataFrame:
    """Orders over January and February 2025; expensive red ones come back more often."""
    rng = np.random.default_rng(5)
    colour = rng.choice(["blue", "green", "red"], rows)
    amount = rng.gamma(3.0, 20.0, rows).round(2)
    chance = 1 / (1 + np.exp(-((colour == "red") * 1.5 + 0.03 * (amount - 60) - 1.0)))
    minutes = pl.int_range(rows, eager=True) * (59 * 24 * 60 / rows)
    start = pl.datetime(2025, 1, 1, time_unit="us")
    return pl.DataFrame(
        {
            "order": [f"o{number:05d}" for number in range(rows)],
            "minute": minutes.cast(pl.Int64),
            "amount": amount,
            "colour": colour,
            "back": (rng.random(rows) < chance).astype(np.int64),
        }
    ).select(
        "order",
        (start + pl.duration(minutes="minute")).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("placed_at"),
        (start + pl.duration(minutes=pl.col("minute") + 90)).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("known_at"),
        "amount",
        "colour",
        "back",
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
    """The owner of a workspace with the orders, whose pipeline ran and registered a candidate, and two reviewers."""
    root = tmp_path_factory.mktemp("cli") / "orders"
    assert call("--as", "founder", "init", str(root)).code == 0
    project = root / "project"
    project.mkdir()
    (project / "plimsoll.yaml").write_text(PROJECT)
    orders().write_csv(project / "orders.csv")
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


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed workspace with one trained run, to be copied: one test may change what others read."""
    root = tmp_path_factory.mktemp("trained") / "orders"
    assert call("--as", "founder", "init", str(root)).code == 0
    project = root / "project"
    project.mkdir()
    (project / "plimsoll.yaml").write_text(PROJECT)
    orders().write_csv(project / "orders.csv")
    done = call("--workspace", str(root), "run", str(project), "--to", "train:plain")
    assert done.code == 0, done.err
    return root


@pytest.fixture(scope="module")
def own(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of it for one file, on a machine of its own: heads that another copy noted would contradict it."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(trained, folder / "orders")
    shutil.copytree(os.environ["XDG_STATE_HOME"], folder / "state", ignore=shutil.ignore_patterns("heads"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "state"))
        patch.setenv("PLIMSOLL_WORKSPACE", str(folder / "orders"))
        patch.chdir(folder / "orders")
        yield folder / "orders"
