"""A made-up project that is walked in seconds: orders that are late or not.

Used by the tests of the engine and of faults; it holds no real data on purpose, so that the fault
under test is the only thing that can go wrong.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 3000
PASSPHRASE = "a good long passphrase"
REVIEWERS = ("grace", "katherine")


def orders() -> pl.DataFrame:
    """3,000 orders over two months; red and large ones tend to be late."""
    rng = np.random.default_rng(5)
    colour = rng.choice(["blue", "green", "red"], ROWS)
    size = rng.integers(1, 100, ROWS)
    logit = (colour == "red") * 1.5 + 0.03 * (size - 50) - 0.3
    days = np.where(rng.random(ROWS) < 1 / (1 + np.exp(-logit)), 5, 1)
    placed = [datetime(2020, 1, 1) + timedelta(minutes=28 * number) for number in range(ROWS)]
    known = [at + timedelta(days=int(late)) for at, late in zip(placed, days, strict=True)]
    return pl.DataFrame(
        {
            "order_id": [f"o{number:05d}" for number in range(ROWS)],
            "placed": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in placed],
            "known": [f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in known],
            "colour": colour,
            "size": size,
            "days": days,
        }
    )


def write_project(folder: Path) -> Path:
    """The project's folder, complete."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("orders.yaml"), folder / "plimsoll.yaml")
    orders().write_csv(folder / "orders.csv")
    return folder
