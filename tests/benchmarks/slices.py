"""All one- and two-way slices of a table, scored and tested, against bare Polars group-bys in the same run.

``python tests/benchmarks/slices.py [ROWS] [FEATURES]``. The floor counts rows and sums errors of every
feature and pair of features by a group-by on columns that are coded already; ours codes the columns,
tests every slice, and picks those that are reported. Both in CPU seconds on one thread each.
"""

from __future__ import annotations

import os

os.environ.setdefault("POLARS_MAX_THREADS", "2")

import itertools
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl

from core.measures.slice_discovery import coded, discover_slices

MIN_SHARE = 0.002


def table(rows: int, features: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Half numbers, half categories, and a loss that is three times as large on one planted pair."""
    rng = np.random.default_rng(1)
    columns: dict[str, object] = {}
    for i in range(features):
        columns[f"f{i}"] = rng.normal(size=rows) if i % 2 else rng.choice([f"v{v}" for v in range(10)], rows)
    frame = pl.DataFrame(columns)
    planted = ((frame["f0"] == "v3") & (frame["f2"] == "v7")).to_numpy()
    return frame, rng.gamma(0.5, 1.0, rows) * np.where(planted, 3.0, 1.0)


def floor(frame: pl.DataFrame, error: np.ndarray, min_rows: int) -> float:
    """CPU seconds of bare group-bys over coded columns."""
    codes = pl.DataFrame({c.name: coded(c, min_rows).codes for c in frame.iter_columns()}).with_columns(e=error)
    begun = time.process_time()
    sums = (pl.len(), pl.col("e").sum())
    names = [[name] for name in frame.columns] + [list(pair) for pair in itertools.combinations(frame.columns, 2)]
    groups = sum(codes.group_by(pair).agg(sums).height for pair in names)
    spent = time.process_time() - begun
    print(f"bare Polars group-bys            {spent:6.2f} CPU s   {groups:,} groups")
    return spent


def main(arguments: list[str]) -> int:
    """Print both and their ratio."""
    rows = int(arguments[0]) if arguments else 1_000_000
    features = int(arguments[1]) if len(arguments) > 1 else 12
    frame, error = table(rows, features)
    min_rows = max(200, int(rows * MIN_SHARE))
    print(f"{rows:,} rows, {features} features, slices of {min_rows:,} rows or more")
    bare = floor(frame, error, min_rows)
    begun = time.process_time()
    made = discover_slices(frame, error, loss="loss", min_rows=min_rows)
    ours = time.process_time() - begun
    names = ", ".join(one.name for one in made.slices)
    print(f"discover_slices, coding included {ours:6.2f} CPU s   {made.looked_at:,} slices tested, found: {names}")
    print(f"ratio to bare group-bys {ours / bare:.2f}")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
