"""CPU of the leak tests on the flights' training set, beside reading it and ranking each feature once.

    python tests/benchmarks/leakage.py [ROWS]

The floor reads events and training set and computes one AUC a feature on the train period: less than any leak test
on values can do. The figures are CPU seconds of this process, best of three.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import polars as pl

from core.data.sources import ingest
from core.data.tables import build_table
from core.features.build import build_training_set, feature_names, read_events
from core.features.leakage import leakage_report
from core.kernel.progress import Silent
from core.measures.leakage_stats import single_feature_auc
from core.project.load import load_project
from core.project.schema import Project

EXAMPLE = Path(__file__).parents[2] / "resources/examples/flights/plimsoll.yaml"


def prepare(folder: Path, rows: int) -> tuple[Project, dict[str, Path], Path]:
    """The example's tables and training set, cut to ``rows`` flights."""
    project = load_project(EXAMPLE).project
    tables: dict[str, Path] = {}
    for name, source in project.sources.items():
        tables[name] = folder / f"{name}.parquet"
        ingest(name, source, EXAMPLE.parent, tables[name], Silent())
    for name, table in project.tables.items():
        built = folder / f"{name}.parquet"
        build_table(name, table, dict(tables), built, Silent(), key=project.events.key)
        tables[name] = built
    cut = pl.read_parquet(tables["trips"]).head(rows)
    cut.write_parquet(tables["trips"])
    out = folder / "set.parquet"
    build_training_set(project, tables, out, Silent())
    return project, tables, out


def floor(project: Project, tables: dict[str, Path], out: Path) -> None:
    """Read both and rank every feature once."""
    read_events(project, tables)
    train = pl.read_parquet(out).filter((pl.col("split") == "train") & pl.col("label").is_not_null())
    for name in feature_names(project):
        single_feature_auc(train[name], train["label"].cast(pl.Boolean))


def best(work: Callable[[], object]) -> float:
    """Least CPU seconds of three runs."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 336_776
    with tempfile.TemporaryDirectory() as name:
        made = prepare(Path(name), rows)
        bare = best(lambda: floor(*made))
        whole = best(lambda: leakage_report(*made, Silent()))
    print(f"leak tests, {rows:,} flights: floor {bare:.2f} CPU s, 13 tests {whole:.2f} CPU s, ratio {whole / bare:.2f}")


if __name__ == "__main__":
    main()
