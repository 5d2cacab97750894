"""The report on a window: figures against hand counts, drift found, faults told apart from drift."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from core.kernel.errors import Cancelled
from core.kernel.progress import Silent
from core.measures.drift_reference import fit_reference
from core.monitoring.alerts import signals_of
from core.monitoring.decide import decide
from core.monitoring.faults import data_faults
from core.monitoring.health import Baseline, Traffic, analyse, score_reference
from core.monitoring.records import MonitoringReport, Signal
from core.monitoring.windows import features_of, read_log_segments
from core.project.schema import Drift, Slo, Trigger

WEEK = timedelta(days=7)
SLOS = {
    "up": Slo(indicator="availability", objective=0.99),
    "fast": Slo(indicator="latency", objective=0.9, threshold_ms=50.0),
    "valid": Slo(indicator="valid", objective=0.99),
    "auc": Slo(indicator="quality", objective=0.65),
}
RETRAIN = [Trigger(on="drift", action="retrain"), Trigger(on="data", action="alert")]


def told(report: MonitoringReport) -> list[Signal]:
    """Signals that somebody hears of; a significant shift below the least effect is only logged."""
    return [signal for signal in signals_of(report) if signal.severity != "info"]


class Bench:
    """A training reference, and a week of traffic that each test bends."""

    def __init__(self, folder: Path, traffic: SimpleNamespace) -> None:
        self.t, self.folder = traffic, folder
        self.start = traffic.START
        train = self.read(traffic.lines(2000, seed=1))
        self.reference = fit_reference(features_of(train, traffic.contract))
        self.scores = score_reference(train["probability"])
        self.lines: list[dict[str, Any]] = traffic.lines(1500, seed=5, step_s=400.0)

    def read(self, lines: list[dict[str, Any]]) -> pl.DataFrame:
        return read_log_segments([self.t.write(self.folder / "p.jsonl", lines)], self.t.contract)

    def labels(self, *, flip: float = 0.0, days: int = 1) -> pl.DataFrame:
        """Truths that follow the scores; ``flip`` of them at random; each known ``days`` later."""
        rng = random.Random(3)
        rows = []
        for number, line in enumerate(self.lines):
            truth = rng.random() < (line["probability"] or 0.5)
            truth = rng.random() < 0.5 if rng.random() < flip else truth
            known = self.start + timedelta(seconds=400.0 * number) + timedelta(days=days)
            rows.append((line["key"]["flight_key"], int(truth), known))
        return pl.DataFrame(rows, schema=["flight_key", "label", "known_at"], orient="row")

    def report(self, labels: pl.DataFrame | None = None, *, as_of: Any = None, errors: int = 0) -> MonitoringReport:
        return analyse(
            Traffic(self.read(self.lines), labels, errors),
            self.t.contract,
            Baseline(self.reference, self.scores),
            self.start,
            self.start + WEEK,
            as_of or self.start + WEEK,
            Drift(),
            SLOS,
            Silent(),
        )


@pytest.fixture
def bench(tmp_path: Path, traffic: SimpleNamespace) -> Bench:
    return Bench(tmp_path, traffic)


def test_a_quiet_week(bench: Bench) -> None:
    report = bench.report(bench.labels())
    assert (report.model, report.versions, report.releases) == ("delay", ["3"], ["rel-1"])
    assert (report.system.rows, report.system.requests, report.system.errors) == (1500, 1500, 0)
    assert report.system.availability == 1.0
    latency = np.array([line["latency_ms"] for line in bench.lines])
    for got, q in ((report.system.p50_ms, 50), (report.system.p95_ms, 95), (report.system.p99_ms, 99)):
        assert got == pytest.approx(np.percentile(latency, q))
    assert report.system.rows_per_s == pytest.approx(1500 / WEEK.total_seconds())
    assert report.data.checks.passed
    assert report.data.faults == []
    assert report.data.drift is not None
    assert not report.data.drift.alarm
    assert report.quality.auc is not None
    assert report.quality.auc.low is not None
    assert 0.75 < report.quality.auc.low < report.quality.auc.value
    assert report.quality.calibration is not None
    assert [slo.met for slo in report.slos] == [True, True, True, True]
    assert told(report) == []
    assert report == bench.report(bench.labels())


def test_quality_as_of_an_earlier_day_stays_what_it_was(bench: Bench) -> None:
    monday = bench.start + timedelta(days=4)
    before = bench.report(bench.labels(days=2), as_of=monday)
    assert before.quality.coverage is not None
    assert before.quality.coverage.share == pytest.approx(2 / 7, abs=0.01)
    wrong = bench.labels(days=2).with_columns(
        label=1 - pl.col("label"), known_at=pl.col("known_at") + timedelta(days=9)
    )
    later = pl.concat([bench.labels(days=2), wrong])
    assert bench.report(later, as_of=monday) == before
    revised = bench.report(later, as_of=bench.start + timedelta(days=60))
    assert revised.quality.auc is not None
    assert revised.quality.auc.value < 0.4
    assert revised.quality.coverage is not None
    assert revised.quality.coverage.corrected == 1500


def test_lost_quality_breaks_the_floor_only_with_certainty(bench: Bench) -> None:
    report = bench.report(bench.labels(flip=1.0))
    slo = next(slo for slo in report.slos if slo.name == "auc")
    assert (slo.met, slo.ticket) == (False, True)
    assert [signal.kind for signal in told(report)] == ["quality"]
    few = bench.report(bench.labels(flip=1.0, days=7), as_of=bench.start + timedelta(days=7, hours=4))
    assert few.quality.auc is None
    assert next(slo for slo in few.slos if slo.name == "auc").met is None
    assert told(few) == []


def test_real_drift_retrains(bench: Bench) -> None:
    for line in bench.lines:
        line["fields"]["distance"] += 900
        line["view"]["mean_delay"] += 6
    signals = told(bench.report())
    assert {signal.subject for signal in signals} == {"distance", "mean_delay"}
    decisions = decide(signals, RETRAIN, [], bench.start)
    assert [decision.action for decision in decisions] == ["retrain"]
    assert len(decisions[0].signals) == 2


@pytest.mark.parametrize("value", [None, 0.0, -1.0, 12.345])
def test_a_logging_fault_is_no_reason_to_retrain(bench: Bench, value: float | None) -> None:
    for line in bench.lines:
        line["view"]["mean_delay"] = value
        line["fields"]["distance"] += 900
    report = bench.report()
    assert [fault.column for fault in report.data.faults] == ["mean_delay"]
    assert report.data.faults[0].fault == ("all_null" if value is None else "constant")
    decisions = decide(signals_of(report), RETRAIN, [], bench.start)
    assert {(d.on, d.action) for d in decisions} == {("data", "alert"), ("drift", "alert")}
    held = next(decision for decision in decisions if decision.on == "drift")
    assert held.held == "retrain"
    assert "mean_delay look broken" in held.reason


def test_calendar_columns_may_stand_still(bench: Bench) -> None:
    train = pl.DataFrame({"month": [1, 2, 3, 4, 5, 6] * 100, "name": ["Jan", "Feb", "Mar"] * 200})
    window = pl.DataFrame({"month": [11] * 200, "name": ["Nov"] * 200})
    assert data_faults(fit_reference(train), window) == []
    zero = window.with_columns(month=pl.lit(0), name=pl.lit("unknown"))
    assert [fault.fault for fault in data_faults(fit_reference(train), zero)] == ["constant", "constant"]
    assert data_faults(fit_reference(train), zero.head(20)) == []


def test_broken_rows_are_counted_and_told(bench: Bench) -> None:
    for line in bench.lines[:300]:
        line["fields"]["distance"] = 9999.0
        line["status"] = "rejected"
        line["probability"] = line["decision"] = None
    bench.lines[300]["fields"]["hour"] = "noon"
    report = bench.report(bench.labels())
    assert report.system.rejected == 300
    failed = [result for result in report.data.checks.results if not result.passed]
    assert [result.failed for result in failed] == [300]
    assert report.data.undecodable == {"hour": 1}
    assert report.quality.rows == 1200
    valid = next(slo for slo in report.slos if slo.name == "valid")
    assert valid.observed == pytest.approx(0.8)
    assert {signal.kind for signal in signals_of(report)} >= {"data"}


def test_errors_and_slowness_burn_the_budget(bench: Bench) -> None:
    for line in bench.lines[-400:]:
        line["latency_ms"] = 500.0
    report = bench.report(errors=500)
    by_name = {slo.name: slo for slo in report.slos}
    assert by_name["up"].observed == pytest.approx(0.75)
    assert report.system.availability == pytest.approx(0.75)
    assert by_name["fast"].observed == pytest.approx(1100 / 1500)
    assert by_name["fast"].met is False
    assert by_name["fast"].ticket
    assert "slo" in {signal.kind for signal in signals_of(report)}


def test_no_traffic_is_no_failure(bench: Bench) -> None:
    bench.lines = []
    report = bench.report()
    assert report.system.availability is None
    assert report.window.rows == 0
    assert report.data.drift is None
    assert all(slo.met is None for slo in report.slos)
    assert told(report) == []


def test_it_can_be_cancelled(bench: Bench) -> None:
    progress = Silent()
    progress.cancel()
    with pytest.raises(Cancelled):
        analyse(
            Traffic(bench.read(bench.lines)),
            bench.t.contract,
            Baseline(),
            bench.start,
            bench.start + WEEK,
            bench.start + WEEK,
            Drift(),
            {},
            progress,
        )
