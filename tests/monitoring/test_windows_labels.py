"""Logs read exactly once and labels as of an instant."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from core.kernel.errors import InputError, SystemFault
from core.monitoring.labels import coverage, join_labels, key_text, label_history
from core.monitoring.windows import (
    combine_logs,
    features_of,
    fields_of,
    in_window,
    read_log,
    read_log_segments,
    windows,
)

Traffic = SimpleNamespace


def test_each_prediction_once_whatever_was_delivered(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(500)
    a = traffic.write(tmp_path / "predictions-1.jsonl", lines[:300])
    b = traffic.write(tmp_path / "predictions-2.jsonl", lines[200:] + lines[:50])
    read = read_log([b, a, a], traffic.contract)
    assert (read.frame.height, read.repeated, read.torn) == (500, 450, 0)
    assert read.frame["prediction_id"].n_unique() == 500
    assert_frame_equal(read.frame, read_log_segments([a, b], traffic.contract))
    assert read.frame["event_time"].is_sorted()
    assert read.frame["event_time"][0] == traffic.START


def test_collecting_in_batches_gives_the_same_frame(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(200)
    parts = [read_log_segments([traffic.write(tmp_path / f"{i}.jsonl", lines[i * 40 : i * 40 + 60])]) for i in range(5)]
    stored = [tmp_path / f"{i}.parquet" for i in range(5)]
    for part, path in zip(parts, stored, strict=True):
        part.write_parquet(path)
    whole = read_log_segments([traffic.write(tmp_path / "whole.jsonl", lines)], traffic.contract)
    again = combine_logs([pl.read_parquet(path) for path in reversed(stored)], traffic.contract)
    assert_frame_equal(again.select(whole.columns), whole)


def test_torn_and_damaged_lines_are_passed_over_and_counted(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(10)
    torn = traffic.write(tmp_path / "a.jsonl", lines, tail=b'{"prediction_id": "pred-a-99", "at"')
    read = read_log([torn])
    assert (read.frame.height, read.torn) == (10, 1)
    path = traffic.write(tmp_path / "b.jsonl", lines[:5])
    path.write_bytes(path.read_bytes() + b"{bad\n\x00\x00\n[1]\n" + (tmp_path / "a.jsonl").read_bytes())
    read = read_log([path])
    assert (read.frame.height, read.torn) == (10, 4)


def test_empty_and_foreign_files(tmp_path: Path, traffic: Traffic) -> None:
    empty = traffic.write(tmp_path / "empty.jsonl", [])
    assert read_log_segments([]).height == read_log_segments([empty]).height == 0
    assert windows(read_log_segments([empty]), timedelta(days=7)) == []
    foreign = tmp_path / "other.jsonl"
    foreign.write_text('{"a": 1}\n')
    with pytest.raises(InputError, match="not a prediction log"):
        read_log_segments([foreign])
    with pytest.raises(SystemFault, match="Cannot read"):
        read_log_segments([tmp_path / "absent.jsonl"])


def test_windows_are_by_event_time_and_do_not_move(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(3000, step_s=600)  # 500 hours: just under three weeks
    for line in lines:  # served in one hour today: a replay
        line["at"] = "2026-01-01T00:00:00.000000Z"
    log = read_log_segments([traffic.write(tmp_path / "a.jsonl", lines)], traffic.contract)
    found = windows(log, timedelta(days=7))
    assert [w.rows for w in found] == [1008, 1008, 984]
    assert found[0].start == "2013-07-04T00:00:00.000000Z"
    later = log.filter(pl.col("event_time") > traffic.START + timedelta(days=8))
    assert [w.start for w in windows(later, timedelta(days=7))] == [w.start for w in found[1:]]
    served = read_log_segments([tmp_path / "a.jsonl"])
    assert windows(served, timedelta(days=7))[0].rows == 3000
    assert in_window(log, traffic.START, traffic.START + timedelta(days=7)).height == 1008


def test_rejected_rows_with_wrong_types_are_kept_and_counted(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(20)
    rng = random.Random(1)
    at = traffic.START + timedelta(hours=9)
    bad = {"distance": "far", "hour": 7.5, "scheduled": "soon", "origin": 4}
    lines.insert(0, traffic.line(900, rng, at, status="rejected", probability=None, decision=None, fields=bad))
    log = read_log_segments([traffic.write(tmp_path / "a.jsonl", lines)], traffic.contract)
    assert log.height == 21
    fields, lost = fields_of(log, traffic.contract)
    assert fields.schema["distance"] == pl.Float64
    assert lost == {"distance": 1, "hour": 1, "scheduled": 1}
    assert fields.drop_nulls().height == 20
    assert log.filter(pl.col("status") == "rejected")["event_time"][0] == at


def test_features_are_what_the_server_saw(tmp_path: Path, traffic: Traffic) -> None:
    lines = traffic.lines(30)
    log = read_log_segments([traffic.write(tmp_path / "a.jsonl", lines)], traffic.contract)
    features = features_of(log, traffic.contract)
    assert features.columns == ["origin", "distance", "hour", "mean_delay"]
    assert features["mean_delay"].to_list() == [line["view"]["mean_delay"] for line in lines]
    without = log.drop("view:mean_delay")
    assert features_of(without, traffic.contract)["mean_delay"].null_count() == 30


# --- labels -----------------------------------------------------------------------------------------


def labels_of(rows: list[tuple[str, Any, datetime]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["flight_key", "label", "known_at"], orient="row")


@pytest.fixture
def log(tmp_path: Path, traffic: Traffic) -> pl.DataFrame:
    return read_log_segments([traffic.write(tmp_path / "p.jsonl", traffic.lines(5))], traffic.contract)


def test_only_what_was_known_counts_and_the_newest_wins(log: pl.DataFrame, traffic: Traffic) -> None:
    day = traffic.START + timedelta(days=1)
    labels = labels_of(
        [
            ("UA0", 1, day),
            ("UA1", 0, day),
            ("UA0", 0, day + timedelta(days=3)),  # a correction
            ("UA2", 1, day + timedelta(days=5)),  # late
            ("UA9", 1, day),  # nobody predicted it
            ("UA1", 0, day + timedelta(days=1)),  # said again, not changed
        ]
    )

    def at(when: datetime) -> list[bool | None]:
        return join_labels(log, labels, when, key=["flight_key"])["label"].to_list()

    assert at(day - timedelta(seconds=1)) == [None] * 5
    assert at(day) == [True, False, None, None, None]
    assert at(day + timedelta(days=3)) == [False, False, None, None, None]
    assert at(day + timedelta(days=9)) == [False, False, True, None, None]
    assert_frame_equal(
        join_labels(log, labels, day + timedelta(days=9), key=["flight_key"]),
        join_labels(log, labels.reverse(), day + timedelta(days=9), key=["flight_key"]),
    )
    joined = join_labels(log, labels, day + timedelta(days=9), key=["flight_key"])
    told = coverage(joined, log, labels, day + timedelta(days=9), key=["flight_key"])
    assert (told.rows, told.labelled, told.share) == (5, 3, 0.6)
    assert (told.corrected, told.orphans, told.before_prediction) == (1, 1, 0)
    history = label_history(labels, ["flight_key"], log["key"][0])
    assert history["label"].to_list() == [True, False]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 20)), max_size=30),
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
def test_a_past_answer_never_changes(rows: list[tuple[int, bool, int]], day: int, rng: random.Random) -> None:
    """The answer as of a day is the same before and after later labels arrive."""
    start = datetime(2013, 7, 1, tzinfo=UTC)
    unique = {(k, d): v for k, v, d in rows}
    made = [(f"UA{k}", v, start + timedelta(days=d)) for (k, d), v in unique.items()]
    if not made:
        return
    rng.shuffle(made)
    keys = pl.DataFrame({"flight_key": [f"UA{n}" for n in range(5)]})
    log = keys.with_columns(key_text(keys, ["flight_key"]).alias("key"))
    as_of = start + timedelta(days=day)
    earlier = [row for row in made if row[2] <= as_of]
    whole = join_labels(log, labels_of(made), as_of, key=["flight_key"])
    if earlier:
        assert_frame_equal(whole, join_labels(log, labels_of(earlier), as_of, key=["flight_key"]))
    for name, label in whole.select("flight_key", "label").rows():
        mine = [row for row in earlier if row[0] == name]
        assert label == (max(mine, key=lambda row: row[2])[1] if mine else None)


def test_bad_labels_are_refused_with_every_reason(traffic: Traffic, log: pl.DataFrame) -> None:
    with pytest.raises(InputError) as caught:
        join_labels(log, pl.DataFrame({"x": [1]}), traffic.START, key=["flight_key"])
    assert len(caught.value.problems) == 3
    bad = pl.DataFrame({"flight_key": ["a", "b"], "label": [2, 1], "known_at": ["2013-07-01T00:00:00Z", "yesterday"]})
    with pytest.raises(InputError) as caught:
        join_labels(log, bad, traffic.START, key=["flight_key"])
    assert len(caught.value.problems) == 2


def test_a_label_before_its_prediction_is_told(log: pl.DataFrame, traffic: Traffic) -> None:
    labels = labels_of([("UA1", 1, traffic.START - timedelta(hours=1))])
    joined = join_labels(log, labels, traffic.START, key=["flight_key"])
    assert coverage(joined, log, labels, traffic.START, key=["flight_key"]).before_prediction == 1


def test_keys_agree_across_types() -> None:
    at = datetime(2013, 7, 1, 9, 30, tzinfo=UTC)
    logged = pl.DataFrame({"flight": [12], "t": ["2013-07-01T09:30:00Z"], "c": ["UA"]})
    stored = pl.DataFrame({"c": ["UA"], "t": [at], "flight": [12.0]})
    names = ["c", "flight", "t"]
    a, b = logged.select(key_text(logged, names)).item(), stored.select(key_text(stored, names)).item()
    assert a == b == "c=UA\x1fflight=12\x1ft=1372671000"
