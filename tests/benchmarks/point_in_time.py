"""Point-in-time joins and windows against the bare Polars plans, and DuckDB's ASOF join.

Run it as ``python tests/benchmarks/point_in_time.py [ROWS [ENTITIES]]`` (1,000,000 and 100,000). It
joins one request for each entity to three views of ROWS rows; all sides begin with the same Parquet
files, in no order of time, and end with a frame whose rows are counted. CPU seconds of all threads,
the best of five rounds that take turns.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import duckdb
import numpy as np
import polars as pl

from core.features.asof import joined_views
from core.features.views import view_values
from core.project.schema import FeatureView, Window

YEAR_US = 365 * 86_400 * 1_000_000
VIEWS = ("first", "second", "third")
ROUNDS = 5


def make(folder: Path, rows: int, entities: int) -> None:
    """The requests, and three tables of observations at random instants of a year."""
    draw = np.random.default_rng(7)
    time_type = pl.Datetime("us", "UTC")
    at = pl.Series(draw.integers(0, YEAR_US, entities)).cast(time_type)
    pl.DataFrame({"who": draw.permutation(entities), "at": at}).write_parquet(folder / "requests.parquet")
    for name in VIEWS:
        pl.DataFrame(
            {
                "who": draw.integers(0, entities, rows),
                "seen": pl.Series(draw.integers(0, YEAR_US, rows)).cast(time_type),
                f"{name}_x": draw.normal(size=rows),
                f"{name}_n": draw.integers(0, 100, rows),
            }
        ).write_parquet(folder / f"{name}.parquet")


def ours(folder: Path) -> pl.DataFrame:
    """As the training set is built: each view looked up as of the request's instant."""
    views = {
        name: FeatureView(
            table=name,
            entity=["who"],
            event_time="seen",
            columns={f"{name}_x": f"{name}_x", f"{name}_n": f"{name}_n"},
        )
        for name in VIEWS
    }
    requests = pl.read_parquet(folder / "requests.parquet").sort("at")
    return requests.hstack(joined_views(views, {name: folder / f"{name}.parquet" for name in VIEWS}, requests, "at"))


def bare(folder: Path) -> pl.DataFrame:
    """Three as-of joins, both sides sorted by time as they must be."""
    plan = pl.scan_parquet(folder / "requests.parquet").sort("at")
    for name in VIEWS:
        right = pl.scan_parquet(folder / f"{name}.parquet").sort("seen")
        plan = plan.join_asof(right, left_on="at", right_on="seen", by="who", check_sortedness=False)
        plan = plan.drop("seen", strict=False)
    return plan.collect()


def asof(folder: Path) -> pl.DataFrame:
    """DuckDB's ASOF join, on as many threads as there are."""
    joins = " ".join(
        f"ASOF LEFT JOIN read_parquet('{folder}/{name}.parquet') {name} ON r.who = {name}.who AND r.at >= {name}.seen"
        for name in VIEWS
    )
    columns = ", ".join(f"{name}_x, {name}_n" for name in VIEWS)
    with duckdb.connect() as con:
        return con.execute(f"SELECT r.*, {columns} FROM read_parquet('{folder}/requests.parquet') r {joins}").pl()


def our_windows(folder: Path) -> pl.DataFrame:
    """Six windows of 30 days, refreshed every hour."""
    functions = ("count", "sum", "mean", "max", "distinct", "last")
    column = {"distinct": "first_n", "count": None}
    view = FeatureView(
        table="first",
        entity=["who"],
        event_time="seen",
        refresh="1h",
        windows={
            f"w_{name}": Window(function=name, column=column.get(name, "first_x"), over="30d")  # type: ignore[arg-type]
            for name in functions
        },
    )
    return view_values("first", view, folder / "first.parquet").collect()


def bare_windows(folder: Path) -> pl.DataFrame:
    """The same six with Polars' rolling windows at each row, and nothing for the instants at which rows leave."""
    rows = pl.scan_parquet(folder / "first.parquet").select(
        "who", "first_x", "first_n", (pl.col("seen").dt.truncate("1h") + pl.duration(hours=1)).alias("at")
    )
    rolled = rows.sort("who", "at").rolling("at", period="30d", group_by="who")
    x = pl.col("first_x")
    return rolled.agg(
        pl.len(),
        x.sum().alias("sum"),
        x.mean().alias("mean"),
        x.max().alias("max"),
        pl.col("first_n").n_unique().alias("distinct"),
        x.last().alias("last"),
    ).collect()


def best_cpu(works: dict[str, Callable[[], pl.DataFrame]], rounds: int = ROUNDS) -> dict[str, float]:
    """Least CPU seconds of each, the rounds taking turns so that all meet the same machine."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            times[name].append(time.process_time() - start)
    return {name: min(seen) for name, seen in times.items()}


def main() -> None:
    """Print the times and ratios."""
    rows, entities = (int(text) for text in [*sys.argv[1:], "1000000", "100000"][:2])
    if len(sys.argv) == 2:
        entities = rows // 10
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, rows, entities)
        answers = {"ours": ours(folder), "bare": bare(folder), "asof": asof(folder)}
        columns = ["who", *(f"{view}_{part}" for view in VIEWS for part in "xn")]
        sheets = [frame.select(columns).sort("who") for frame in answers.values()]
        equal = all(sheet.equals(sheets[0]) for sheet in sheets)
        joins = best_cpu({"ours": lambda: ours(folder), "bare": lambda: bare(folder), "asof": lambda: asof(folder)})
        windows = best_cpu({"ours": lambda: our_windows(folder), "bare": lambda: bare_windows(folder)}, 3)
        values = our_windows(folder).height
    print(f"point-in-time join of {entities:,} requests to 3 views of {rows:,} rows")
    print(f"  rows in {entities:,}, rows out {answers['ours'].height:,}; all three answers equal: {equal}")
    print(f"  bare Polars join_asof {joins['bare']:.2f} CPU s")
    print(f"  ours                  {joins['ours']:.2f} CPU s, ratio {joins['ours'] / joins['bare']:.2f}")
    print(f"  DuckDB ASOF           {joins['asof']:.2f} CPU s, ratio {joins['asof'] / joins['bare']:.2f}")
    print(f"six windows of 30 days over {rows:,} rows: {values:,} values")
    print(f"  bare Polars rolling   {windows['bare']:.2f} CPU s (at the {rows:,} rows only)")
    print(f"  ours                  {windows['ours']:.2f} CPU s, ratio {windows['ours'] / windows['bare']:.2f}")


if __name__ == "__main__":
    main()
