"""A profile of a wide table against the cheapest bare Polars plan that answers the same, and whylogs where it is there.

Run it as ``python tests/benchmarks/profile.py [ROWS] [--peer PYTHON]``; 5 million rows x 40 columns unless ROWS says
otherwise. Each way runs in a process of its own: CPU seconds of all threads (without the imports) and the peak of
resident memory. The bare plan is tried on both of Polars' engines and column by column, and the cheapest counts.
``PYTHON`` is an interpreter that has whylogs; it is then run on the first tenth of the rows and scaled.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl
import pyarrow.parquet as pq

QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
GROUP = 250_000
WAYS = ("bare streaming", "bare in memory", "bare by column", "profile")


def part(rows: int, seed: int) -> pl.DataFrame:
    """``rows`` rows of a table that is made like the flights: delays, clocks, codes, ids, prices, flags."""
    rng = np.random.default_rng(seed)
    word = np.array([f"{a}{b}{c}" for a in "ABCDEFGHIJ" for b in "KLMNOPQR" for c in "STUVWXYZ"])
    found: dict[str, Any] = {
        "year": rng.integers(2013, 2023, rows),
        "month": rng.integers(1, 13, rows).astype(np.int8),
        "day": rng.integers(1, 32, rows).astype(np.int8),
        "flight": rng.integers(1, 8_500, rows),
        "order_id": np.arange(rows, dtype=np.int64) + seed * rows,
        "customer": rng.integers(0, 2_000_000, rows),
        "distance": rng.integers(17, 4_983, rows).astype(np.int32),
    }
    found |= {f"clock{i}": rng.integers(0, 2_400, rows).astype(np.int16) for i in range(4)}
    found |= {f"delay{i}": np.exp(rng.normal(3, 1, rows)).round() - 30 for i in range(4)}
    found |= {f"price{i}": rng.gamma(2.0, 40.0, rows).round(2) for i in range(4)}
    found |= {f"reading{i}": rng.normal(size=rows) for i in range(5)}
    found |= {f"flag{i}": rng.random(rows) < 0.1 * (i + 1) for i in range(3)}
    found |= {f"code{i}": word[rng.zipf(1.3, rows) % (16 << i)] for i in range(5)}
    frame = pl.DataFrame(found)
    stamp = pl.datetime(2013, 1, 1, time_unit="us")
    return frame.with_columns(
        tail=pl.format("N{}", pl.col("customer") % 4_043),
        mail=pl.format("p{}@example.org", "customer"),
        reference=pl.format("{}-{}", "order_id", "flight"),
        hour=stamp + pl.duration(hours=pl.col("order_id") % 87_600),
        made=stamp + pl.duration(seconds=pl.col("order_id")),
        date=(stamp + pl.duration(days=pl.col("customer") % 3_650)).cast(pl.Date),
        short=pl.col("reading0").cast(pl.Float32),
        remark=pl.when(pl.col("flag0")).then(pl.format("gate {}", "clock0")),
    ).with_columns(pl.when(pl.col("flag1").not_()).then(pl.col(f"delay{i}", f"reading{i}")) for i in range(4))


def write(path: Path, rows: int) -> None:
    """The table, in row groups."""
    writer = None
    for seed, start in enumerate(range(0, rows, GROUP)):
        table = part(min(GROUP, rows - start), seed).to_arrow()
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def bare(frame: pl.LazyFrame, name: str, dtype: pl.DataType) -> list[pl.Expr]:
    """The figures that a profile has of one column."""
    column = pl.col(name)
    if dtype.is_float():
        column = pl.when(column.is_finite()).then(column)
    found = {"nulls": pl.col(name).null_count(), "min": column.min(), "max": column.max()}
    if dtype == pl.String:
        length = column.str.len_chars()
        found |= {"top": column.value_counts().implode()}  # its length is the number of distinct values
        found |= {"short": length.min(), "long": length.max(), "length": length.mean(), "empty": (length == 0).sum()}
        found["blank"] = (column.str.strip_chars().str.len_bytes() == 0).sum()
        found["numbers"] = column.str.contains(r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$").sum()
        found["dates"] = column.str.contains(r"^\s*(\d{4}-\d{1,2}-\d{1,2}|\d{1,2}[./-]\d{1,2}[./-]\d{4})").sum()
        mails = column.str.contains("@", literal=True) & column.str.contains(r"^[^@\s]+@[^@\s]+\.[^@\s]+$")
        found["mails"] = mails.sum()
    else:
        found["distinct"] = column.n_unique()
        plain = column.to_physical() if dtype.is_temporal() else column
        if not dtype.is_temporal():
            found |= {"mean": plain.mean(), "var": plain.cast(pl.Float64).var()}
        if dtype != pl.Boolean:
            found |= {"quantiles": plain.quantile(QUANTILES, "linear"), "bins": plain.hist(bin_count=20).implode()}
        if dtype == pl.Boolean or name in ("year", "month", "day", "flight", "distance") or name.startswith("clock"):
            found["top"] = column.value_counts().implode()
    return [query.alias(f"{name}:{figure}") for figure, query in found.items()]


def run(way: str, path: Path) -> None:
    """One way, once; prints its CPU seconds and its peak of memory in MB."""
    from core.measures.profile import profile_frame

    frame = pl.scan_parquet(path)
    schema = frame.collect_schema()
    start = time.process_time()
    if way == "profile":
        profile_frame(frame, "table")
    elif way == "bare by column":
        for name, dtype in schema.items():
            frame.select(bare(frame, name, dtype)).collect()
    else:
        engine = "streaming" if way == "bare streaming" else "in-memory"
        frame.select(query for name, dtype in schema.items() for query in bare(frame, name, dtype)).collect(
            engine=engine
        )
    cpu = time.process_time() - start
    print(json.dumps({"cpu": cpu, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))


PEER = """
import sys, time, pandas, pyarrow.parquet as pq, whylogs
batches = [b.to_pandas() for b in pq.ParquetFile(sys.argv[1]).iter_batches(250_000)][: int(sys.argv[2])]
start = time.process_time()
merged = None
for batch in batches:
    view = whylogs.log(batch).view()
    merged = view if merged is None else merged.merge(view)
merged.to_pandas()
print(time.process_time() - start, sum(map(len, batches)))
"""


def main() -> None:
    """Print figures of every way and the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="?", type=int, default=5_000_000)
    parser.add_argument("--peer")
    parser.add_argument("--way")
    parser.add_argument("--file", type=Path)
    given = parser.parse_args()
    if given.way:
        run(given.way, given.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = given.file or Path(folder) / "table.parquet"
        if not file.exists():
            write(file, given.rows)
        columns = len(pl.scan_parquet(file).collect_schema())
        print(f"{given.rows:,} rows x {columns} columns, {file.stat().st_size / 1e6:.0f} MB of Parquet")
        found = {}
        for way in WAYS:
            command = [sys.executable, __file__, "--way", way, "--file", str(file)]
            found[way] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(f"{way}: {found[way]['cpu']:.2f} CPU s, peak {found[way]['mb']:.0f} MB", flush=True)
        floor = min(found[way]["cpu"] for way in WAYS[:-1])
        print(f"ratio to the cheapest bare plan {found['profile']['cpu'] / floor:.2f}")
        if given.peer:
            batches = max(1, given.rows // GROUP // 10)
            command = [given.peer, "-c", PEER, str(file), str(batches)]
            seconds, rows = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            scaled = float(seconds) * given.rows / int(rows)
            print(f"whylogs: {float(seconds):.1f} CPU s for {int(rows):,} rows, {scaled / floor:.1f} times the floor")


if __name__ == "__main__":
    main()
