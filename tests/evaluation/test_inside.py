"""Inside a packaged model on real rows: slices, ways of failing, reasons, costs, and what is masked."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.evaluation.html import report_html
from core.evaluation.inside import Packaged
from core.evaluation.records import EvaluationReport
from core.evaluation.report import evaluate
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.project.fact_names import FACTS
from core.project.schema import Evaluation
from core.training.train import train
from tests.evaluation import bikes

SPEC = Evaluation(slices=[["weathersit"]], fairness_group="workingday", min_slice_rows=60, cost_false_negative=2.0)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A boosting model of 'busy hour', trained, packaged and judged."""
    folder = tmp_path_factory.mktemp("bikes")
    frame = bikes.rows().with_columns(label=pl.col("bikers") > bikes.BUSY)
    frame.write_parquet(folder / "set.parquet")
    contract = bikes.contract(frame)
    candidate = Candidate(trainer="boosting", settings={"iterations": 40, "min_leaf": 20})
    train(candidate, "boosting", folder / "set.parquet", contract, 7, folder, Silent())
    packaged = Packaged((folder / "model.onnx").read_bytes(), contract, frame)
    return folder, packaged


def judge(made, predictions=None, **changes):
    folder, packaged = made
    packaged = Packaged(packaged.model, packaged.contract.model_copy(update=changes), packaged.rows)
    return evaluate(predictions or folder / "predictions.parquet", SPEC, packaged=packaged, progress=Silent())


@pytest.fixture(scope="module")
def report(made):
    return judge(made)


def test_reasons_are_exact_and_sum_to_the_answer(report):
    found = report.explanation
    assert (found.method, found.scale) == ("trees", "log-odds")
    assert found.largest_gap < 1e-5
    assert found.effects[0].feature == "hr"
    assert found.largest_error == 0
    for row in found.explained:
        assert row.base + sum(row.contributions) == pytest.approx(row.margin, abs=1e-5)
        assert 1 / (1 + np.exp(-row.margin)) == pytest.approx(row.prediction, abs=1e-5)
    assert found.explained[0].loss == max(row.loss for row in found.explained)
    hours = next(one for one in found.dependence if one.feature == "hr")
    assert max(hours.mean) > 10 * min(hours.mean)
    assert len(hours.rows[0]) == len(hours.grid)


def test_a_planted_bad_slice_is_found_in_the_report_and_in_its_facts(made, report, tmp_path):
    """The scores of hours in spring's third month are put in reverse; nobody declared months as a slice."""
    folder, _ = made
    frame = pl.read_parquet(folder / "predictions.parquet")
    bad = (pl.col("mnth") == "April") & (pl.col("split") == "test")
    flipped = pl.when(bad).then(1 - pl.col("probability")).otherwise("probability")
    frame.with_columns(probability=flipped).write_parquet(tmp_path / "bad.parquet")
    found = judge(made, tmp_path / "bad.parquet")
    assert "mnth=April" in [item.name for item in found.discovered.slices]
    facts = found.facts()
    assert facts["slices.discovered"] >= 1
    assert facts["slices.discovered_worst_ratio"] > 3 > report.facts()["slices.discovered_worst_ratio"]
    assert "April" in facts["slices.discovered_worst_name"]
    traits = {f"{trait.feature}={trait.value}" for cluster in found.errors for trait in cluster.traits}
    assert "mnth=April" in traits


def test_errors_lead_to_their_rows(made, report):
    folder, _ = made
    predictions = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test")
    by_key = dict(zip(predictions["key"], predictions["probability"], strict=True))
    assert {cluster.name for cluster in report.errors} == {"missed", "false alarm"}
    for cluster in report.errors:
        for row in cluster.worst:
            assert f"{by_key[row.key]:.3f}" == row.prediction
            assert (float(row.prediction) >= report.threshold) == (cluster.name == "false alarm")
        assert [row.loss for row in cluster.worst] == sorted((row.loss for row in cluster.worst), reverse=True)


def test_personal_columns_are_masked_everywhere(made):
    found = judge(made, personal=["weathersit", "id"])
    text = found.model_dump_json(exclude={"slices"})
    assert "light rain" not in text
    assert "weathersit" not in found.discovered.features
    assert {row.key for row in found.explanation.explained} | {r.key for c in found.errors for r in c.worst} == {"•••"}


def test_costs_seeds_recalibration_and_fair_thresholds_are_facts(report):
    facts = report.facts()
    assert set(facts) <= set(FACTS)
    assert 0 < facts["inference.request_p50_us"] <= facts["inference.request_p99_us"]
    assert facts["inference.rows_per_s"] > 1_000
    assert {one.method for one in report.recalibration} == {"none", "isotonic", "platt", "temperature"}
    assert facts["recalibration.best"] in {"isotonic", "platt", "temperature"}
    fair = report.fairness
    band = fair.intervals["equal_opportunity_difference"]
    assert band.low <= fair.equal_opportunity_difference <= band.high
    assert {trade.rate for trade in fair.trades} == {"selection_rate", "tpr"}


def test_the_report_reads_back_and_is_a_page(report):
    assert EvaluationReport.read(report.plain()) == report
    page = report_html(report, "Bikes")
    for words in ("Found slices", "hr", "Errors", "thresholds for each group"):
        assert words in page
