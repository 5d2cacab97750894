"""Work on production traffic: labels in, windows analysed, online values held against offline ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.schema import Contract
from core.contract.tasks import output_of, prediction_columns
from core.engine.work.training import read_contract
from core.engine.workfolder import JobFolder
from core.kernel.clock import parse_utc
from core.kernel.durations import parse_duration
from core.kernel.progress import Progress
from core.project.schema import Drift, Slo


def analyse_traffic(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Analyse each window of a period as of an instant; returns reports, signals and parity."""
    from core.monitoring.alerts import signals_of
    from core.monitoring.answer_quality import answer_reference
    from core.monitoring.health import Baseline, Traffic, analyse
    from core.monitoring.windows import combine_logs

    contract = read_contract(folder.input("contract"))
    drift = Drift.read(folder.params["drift"])
    slos = {name: Slo.read(value) for name, value in folder.params["slos"].items()}
    since, until, as_of = (parse_utc(folder.params[name]) for name in ("since", "until", "as_of"))
    log = combine_logs([pl.read_parquet(path) for path in folder.inputs("predictions").values()], contract)
    labels = [pl.read_parquet(path) for path in folder.inputs("labels").values()]
    traffic = Traffic(log, pl.concat(labels, how="vertical_relaxed") if labels else None)
    test = pl.read_parquet(folder.input("training_set")).filter(pl.col("split").is_in(["train", "validate", "test"]))
    scores = pl.read_parquet(folder.input("run_predictions")).filter(pl.col("split") == "test")
    baseline = Baseline(features=_reference(test, contract), scores=answer_reference(scores, contract))
    step = timedelta(seconds=parse_duration(drift.window))
    reports: list[dict[str, Any]] = []
    signals: list[dict[str, Any]] = []
    start = since
    while start < until:
        progress.check()
        end = min(start + step, until)
        progress.step((start - since) / (until - since), 1, f"window from {start:%d %B}")
        report = analyse(traffic, contract, baseline, start, end, as_of, drift, slos, progress)
        reports.append(report.plain())
        signals.extend(signal.plain() for signal in signals_of(report))
        start = end
    return {
        "reports": reports,
        "signals": signals,
        "predictions": log.height,
        "parity": parity_of(log, folder.input("run_predictions"), contract),
    }


def _reference(rows: pl.DataFrame, contract: Contract) -> Any:
    from core.measures.drift_reference import fit_reference

    return fit_reference(rows, [item.name for item in contract.features if item.name in rows.columns])


def parity_of(log: pl.DataFrame, run_predictions: Path, contract: Contract) -> dict[str, Any]:
    """What was served against what the same model says offline on the same events: rows and largest difference."""
    from core.monitoring.labels import key_text

    offline = pl.read_parquet(run_predictions).filter(pl.col("split") == "production")
    if len(contract.key) != 1 or offline.is_empty():
        return {"rows": 0, "max_difference": None}
    columns = prediction_columns(contract.task, contract.classes)
    named = offline.select(pl.col("key").alias(contract.key[0]), pl.concat_list(columns).alias("offline"))
    named = named.select(key_text(named, contract.key).alias("key"), "offline")
    both = log.filter(pl.col("status") == "ok").join(named, on="key", how="inner")
    served = pl.col("probabilities") if contract.classes else pl.concat_list(output_of(contract.task))
    difference = both.select((served - pl.col("offline")).explode().abs().max()).item()
    return {"rows": both.height, "max_difference": difference if isinstance(difference, float) else None}
