"""Reports on a label of three classes and on a number: real rows, trained and packaged models, against scikit-learn."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from core.contract.tasks import prediction_columns
from core.evaluation.html import document_of, read_report, report_html
from core.evaluation.inside import Packaged
from core.evaluation.task_report import evaluate_task
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.project.fact_names import FACTS
from core.project.schema import Evaluation
from core.training.train import train
from tests.evaluation import bikes

CLASSES = ["busy", "quiet", "usual"]
COSTS = {"busy": {"quiet": 10.0, "usual": 4.0}, "quiet": {"busy": 2.0}}
SPEC = Evaluation(costs=COSTS, slices=[["weathersit"]], fairness_group="workingday", min_slice_rows=60, bootstrap=60)
TASKS = ("multiclass", "regression")


def labelled(task):
    frame = bikes.rows()
    if task == "regression":
        return frame.with_columns(label=pl.col("bikers").cast(pl.Float64))
    level = pl.when(pl.col("bikers") > bikes.BUSY).then(pl.lit("busy"))
    return frame.with_columns(
        label=level.when(pl.col("bikers") < bikes.QUIET).then(pl.lit("quiet")).otherwise(pl.lit("usual"))
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """For each task: folder, packaged model, contract."""
    out = {}
    for task in TASKS:
        folder, frame = tmp_path_factory.mktemp(task), labelled(task)
        frame.write_parquet(folder / "set.parquet")
        kind = {"task": task, "classes": CLASSES if task == "multiclass" else []}
        contract = bikes.contract(frame, output="probabilities" if task == "multiclass" else "prediction", **kind)
        candidate = Candidate(trainer="boosting", settings={"iterations": 25, "min_leaf": 20})
        train(candidate, "boosting", folder / "set.parquet", contract, 7, folder, Silent())
        out[task] = (folder, Packaged((folder / "model.onnx").read_bytes(), contract, frame), contract)
    return out


@pytest.fixture(scope="module")
def reports(made):
    found = {}
    for task, (folder, packaged, contract) in made.items():
        file = folder / "predictions.parquet"
        found[task] = evaluate_task(file, SPEC, contract, champion=file, packaged=packaged, progress=Silent())
    return found


def judged(made, task):
    folder, _, contract = made[task]
    rows = pl.read_parquet(folder / "predictions.parquet").filter(pl.col("split") == "test")
    return rows, rows.select(prediction_columns(task, contract.classes)).to_numpy().astype(np.float64)


def test_three_classes_equal_scikit_learn(made, reports):
    rows, p = judged(made, "multiclass")
    y, report = rows["label"].to_numpy(), reports["multiclass"]
    called = np.array(CLASSES)[p.argmax(axis=1)]
    assert report.metrics["accuracy"].value == pytest.approx(sk.accuracy_score(y, called))
    assert report.metrics["macro_f1"].value == pytest.approx(sk.f1_score(y, called, average="macro"))
    exact = p / p.sum(axis=1, keepdims=True)
    assert report.metrics["log_loss"].value == pytest.approx(sk.log_loss(y, exact, labels=CLASSES), abs=1e-6)
    assert np.array(report.confusion.counts) == pytest.approx(sk.confusion_matrix(y, called, labels=CLASSES))
    assert report.metrics["accuracy"].value > 0.75
    facts = report.facts()
    assert facts["calibration.ece"] == report.calibration.ece
    assert facts["metrics.worst_recall.value"] == min(one.recall for one in report.classes)
    assert report.primary == "log_loss"


def test_classes_are_called_by_least_expected_cost(made, reports):
    rows, p = judged(made, "multiclass")
    costs = np.array([[0, 10, 4], [2, 0, 1], [1, 1, 0.0]])  # busy, quiet, usual, by hand
    y = np.array([CLASSES.index(name) for name in rows["label"]])
    called = np.array([[sum(q * c for q, c in zip(one, costs[:, j], strict=True)) for j in range(3)] for one in p])
    called = called.argmin(axis=1)
    found, facts = reports["multiclass"].decision, reports["multiclass"].facts()
    assert np.array(found.counts) == pytest.approx(sk.confusion_matrix(y, called))
    assert found.costs == costs.tolist()
    assert facts["decision.cost"] == pytest.approx(costs[y, called].mean())
    assert facts["decision.cost_most_probable"] == pytest.approx(costs[y, p.argmax(axis=1)].mean())
    assert found.changed == (called != p.argmax(axis=1)).sum() > 20
    assert facts["decision.saving"] > 0
    assert found.cost < found.cost_constant == min(costs[y].mean(axis=0))
    assert "decision" not in reports["regression"].facts()
    folder, _, contract = made["multiclass"]
    spec = Evaluation(costs={"calm": {"busy": 1.0}}, bootstrap=5)
    with pytest.raises(InputError, match="No class is named 'calm'"):
        evaluate_task(folder / "predictions.parquet", spec, contract, progress=Silent())


def test_a_number_equals_scikit_learn(made, reports):
    rows, p = judged(made, "regression")
    y, report = rows["label"].to_numpy(), reports["regression"]
    assert report.metrics["rmse"].value == pytest.approx(sk.root_mean_squared_error(y, p[:, 0]))
    assert report.metrics["r2"].value == pytest.approx(sk.r2_score(y, p[:, 0]))
    assert report.metrics["rmse"].low < report.metrics["rmse"].value < report.metrics["rmse"].high
    assert report.facts()["residuals.heteroscedasticity"] > 0.2  # busy hours are harder
    assert report.primary == "rmse"


@pytest.mark.parametrize("task", TASKS)
def test_what_every_report_tells(made, reports, task):
    report = reports[task]
    facts = report.facts()
    assert report.champion.verdict == "same"  # the champion is the model itself
    assert facts["champion.verdict"] == "same"
    assert report.explanation.method == "trees"
    assert report.explanation.largest_gap < 1e-3
    for row in report.explanation.explained[:5]:
        assert row.base + sum(row.contributions) == pytest.approx(row.margin, rel=1e-4, abs=1e-4)
    whole = next(item for item in report.slices if item.values == ["clear"])
    rest = [item for item in report.slices if item.values != ["clear"]]
    total = sum(item.rows * item.loss for item in rest)
    assert whole.difference == pytest.approx(whole.loss - total / sum(item.rows for item in rest))
    assert facts["fairness.groups"] == 2
    assert facts["stability.months"] == 12
    assert report.discovered.looked_at > 50
    assert report.errors
    assert read_report(report.plain()) == report
    assert set(facts) <= set(FACTS)
    document = document_of(report, "Bikes")
    assert len(document.cards) == 8
    assert report_html(report, "Bikes").count("<figure>") >= 5


def test_the_champion_of_other_rows_or_kind_is_not_comparable_and_a_worse_one_loses(made, tmp_path):
    folder, _, contract = made["regression"]
    frame = pl.read_parquet(folder / "predictions.parquet")
    frame.with_columns(pl.col("prediction") * 0.5).write_parquet(tmp_path / "worse.parquet")
    file = folder / "predictions.parquet"
    found = evaluate_task(file, SPEC, contract, champion=tmp_path / "worse.parquet", progress=Silent())
    assert found.champion.verdict == "better"
    test = found.champion.tests["mae"]
    y = frame.filter(pl.col("split") == "test")
    assert test.second == pytest.approx((y["label"] - y["prediction"] * 0.5).abs().mean())
    assert test.high < 0 < found.champion.tests["rmse"].second - found.champion.tests["rmse"].first
    other = made["multiclass"][0] / "predictions.parquet"
    assert evaluate_task(file, SPEC, contract, champion=other, progress=Silent()).champion.verdict == "not comparable"


def test_bad_predictions_are_refused_with_all_that_is_wrong(made, tmp_path):
    folder, _, contract = made["multiclass"]
    frame = pl.read_parquet(folder / "predictions.parquet")
    bad = pl.concat([frame, frame.tail(3)]).with_columns(pl.col("probability.busy") + 0.5)
    bad.write_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError) as caught:
        evaluate_task(tmp_path / "bad.parquet", SPEC, contract, progress=Silent())
    assert len(caught.value.problems) == 2
    frame.drop("probability.busy").write_parquet(tmp_path / "lacking.parquet")
    with pytest.raises(InputError, match="busy"):
        evaluate_task(tmp_path / "lacking.parquet", SPEC, contract, progress=Silent())
    frame.with_columns(label=pl.lit("storm")).write_parquet(tmp_path / "unseen.parquet")
    with pytest.raises(InputError, match="classes"):
        evaluate_task(tmp_path / "unseen.parquet", SPEC, contract, progress=Silent())
