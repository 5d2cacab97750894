"""A project about made-up people: customers with all that identifies them, and the orders that they placed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl

from core.engine.client import Client

from ..faults.orders import orders

CUSTOMERS = 150
FIRST = ("Anna", "David", "Maria", "John", "Fatima", "Peter", "Yuki", "Carlos", "Emma", "Ivan")
LAST = ("Okafor", "Lindqvist", "Marsh", "Tanaka", "Rossi", "Novak", "Silva", "Haddad", "Byrne", "Keller")


def name_of(number: int) -> str:
    """The id of a customer: nothing else in the workspace looks like it."""
    return f"zq{number:03d}-kunde-{number * 7919 % 100_000:05d}"


def customers() -> pl.DataFrame:
    """One row a customer."""
    rng = np.random.default_rng(11)
    first, last = rng.choice(FIRST, CUSTOMERS), rng.choice(LAST, CUSTOMERS)
    return pl.DataFrame(
        {
            "customer": [name_of(number) for number in range(CUSTOMERS)],
            "full_name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            "email": [f"{a}.{b}.{n}@example.org".lower() for n, (a, b) in enumerate(zip(first, last, strict=True))],
            "born": [f"{year}-{month:02d}-11" for year, month in rng.integers((1940, 1), (2000, 13), (CUSTOMERS, 2))],
            "postcode": [f"{code:05d}" for code in rng.integers(10_000, 14_000, CUSTOMERS)],
            "sex": rng.choice(["f", "m"], CUSTOMERS),
        }
    )


def placed() -> pl.DataFrame:
    """The orders of the other made-up project, each by one of the customers."""
    rng = np.random.default_rng(12)
    frame = orders()
    who = rng.integers(0, CUSTOMERS, frame.height)
    return frame.with_columns(customer=pl.Series([name_of(int(number)) for number in who]))


def write_people(folder: Path) -> Path:
    """The project's folder, complete."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(__file__).with_name("people.yaml"), folder / "plimsoll.yaml")
    customers().write_csv(folder / "customers.csv")
    placed().write_csv(folder / "orders.csv")
    return folder


def walk(held: Client, project: Path, last: str = "") -> dict[str, Any]:
    held.change("project.load", {"path": str(project)})
    run = held.change("pipeline.run", {"last": last})["pipeline"]
    while (view := held.ask("pipeline", id=run))["state"] == "running":
        held.pause(0.05)
    assert view["state"] == "done", view["error"]
    return dict(view)


def places_of(root: Path, texts: list[str]) -> list[str]:
    """Every file of the folder with one of the texts in its bytes or, for Parquet and the store, in its values."""
    found = []
    for file in root.rglob("*"):
        if not file.is_file():
            continue
        data = file.read_bytes()
        if any(text.encode() in data for text in texts):
            found.append(str(file))
        elif data[:4] == b"PAR1":
            frame = pl.read_parquet(file)
            cells = {str(value) for name in frame.columns for value in frame[name].cast(pl.String, strict=False)}
            found += [str(file)] if cells & set(texts) else []
    return found + in_store(root, texts)


def in_store(root: Path, texts: list[str]) -> list[str]:
    """Rows of a copy of the store that hold one of the texts."""
    copy = root.parent / "store-copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in root.glob("store.duckdb*"):
        shutil.copyfile(file, copy / file.name)
    found = []
    with duckdb.connect(str(copy / "store.duckdb")) as con:
        for (name,) in con.execute("SELECT table_name FROM information_schema.tables").fetchall():
            for row in con.execute(f'SELECT * FROM "{name}"').fetchall():
                line = json.dumps(row, default=str, ensure_ascii=False)
                found += [f"{name}: {line[:200]}" for text in texts if text in line]
    shutil.rmtree(copy)
    return found
