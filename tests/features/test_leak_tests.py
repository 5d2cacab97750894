"""Leak tests on real tables: silent on what is clean, dealt anew each time, and loud on one planted leak."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from core.features.leak_data import LeakData
from core.features.outcome_leaks import encoding_test, fitted_test, missing_test, target_test, too_good_test
from core.features.records import LeakTest
from core.features.split_leaks import group_test, near_duplicate_test

from .real_tables import TABLES, as_data, dealt, package_file

DEALS = {"Caravan": 3, "glucose": 3}


def every_test(data: LeakData) -> list[LeakTest]:
    tests: list[Callable[[LeakData], LeakTest]] = [too_good_test, missing_test, encoding_test, fitted_test, group_test]
    return [target_test(data, []), near_duplicate_test(data, []), *(test(data) for test in tests)]


def caught(data: LeakData) -> dict[str, list[str]]:
    return {test.name: test.columns for test in every_test(data) if not test.passed}


@pytest.mark.parametrize("table", TABLES)
def test_clean_tables_raise_no_alarm(table: str) -> None:
    """Only what tells the label honestly and very well is suspected, and it can be vouched for."""
    frame, strong = TABLES[table]()
    accepted = {strong: "known before the outcome"} if strong else {}
    for seed in range(DEALS.get(table, 8)):
        assert caught(as_data(dealt(frame, seed), accepted=accepted)) == {}


def test_random_tables_raise_no_alarm() -> None:
    """300 tests of 25 tables in which nothing tells the label: none may accuse (1 % each would make 3)."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        columns = {f"n{i}": rng.normal(size=800) for i in range(6)}
        columns |= {f"c{i}": rng.choice(list("abcdefghijkl"), 800) for i in range(4)}
        columns |= {"few": rng.integers(0, 3, 800), "holes": np.where(rng.random(800) < 0.2, np.nan, rng.random(800))}
        frame = pl.DataFrame({**columns, "label": (rng.random(800) < rng.uniform(0.05, 0.5)).astype(np.int8)})
        frame = frame.with_columns(pl.col("holes").fill_nan(None))
        assert caught(as_data(dealt(frame, seed))) == {}, seed


def test_a_dominant_feature_needs_somebody_who_vouches_for_it() -> None:
    frame = dealt(TABLES["Default"]()[0], 1)
    found = too_good_test(as_data(frame))
    assert found.columns == ["balance"]
    assert "accepted" in found.remedy
    assert "balance" in too_good_test(as_data(frame, accepted={"balance": "the month before"})).headline


def test_parts_of_the_target_are_named() -> None:
    full = pl.read_csv(package_file("ISLP", "data/Bikeshare.csv"))
    frame = dealt(full.with_columns(pl.col("bikers").cast(pl.Float64).alias("label")).drop("bikers"), 3)
    assert caught(as_data(frame))["target_in_feature"] == ["casual", "registered"]
    assert caught(as_data(frame.drop("casual"))) == {"too_good": ["registered"]}


def test_a_function_of_the_target_is_named() -> None:
    frame = dealt(TABLES["Wage"]()[0], 2)
    leaky = frame.with_columns(pl.col("label").log().alias("logwage"))
    found = target_test(as_data(leaky), [])
    assert (found.columns, found.rows) == (["logwage"], 3_000)
    hashed = frame.with_columns((pl.col("label") > 100).alias("label"))
    hashed = hashed.with_columns(pl.col("label").replace_strict({True: "x81", False: "q07"}).alias("code"))
    assert target_test(as_data(hashed), []).columns == ["code"]


def test_several_classes_are_judged_too() -> None:
    frame = TABLES["Wage"]()[0].rename({"label": "wage"})
    low, high = frame["wage"].quantile(1 / 3), frame["wage"].quantile(2 / 3)
    level = pl.when(pl.col("wage") < low).then(pl.lit("low")).when(pl.col("wage") < high).then(pl.lit("middle"))
    frame = frame.with_columns(level.otherwise(pl.lit("high")).alias("label"))
    assert too_good_test(as_data(dealt(frame, 4))).columns == ["wage"]
    assert too_good_test(as_data(dealt(frame.drop("wage"), 4))).passed


@pytest.mark.parametrize("table", ["Default", "Bikeshare", "Wage", "glucose", "Caravan"])
def test_copied_rows_are_found_beside_what_the_table_repeats(table: str) -> None:
    frame = dealt(TABLES[table]()[0], 5)
    train, later = frame.filter(pl.col("split") == "train"), frame.filter(pl.col("split") != "train")
    some = train.sample(later.height // 5, seed=6).with_columns(pl.lit("test").alias("split"))
    rng = np.random.default_rng(7)
    blur = [
        pl.col(name) + pl.Series(rng.normal(scale=1e-4, size=some.height)) * (frame[name].std() or 1.0)
        for name in some.columns
        if frame[name].dtype.is_float() and name != "label"
    ]
    found = near_duplicate_test(as_data(pl.concat([train, later[some.height :], some.with_columns(blur)])), [])
    assert not found.passed, found.headline
    assert found.rows > 0


def test_label_means_of_a_category_are_found() -> None:
    frame = dealt(TABLES["Bikeshare"]()[0], 8)
    means = frame.group_by("mnth").agg(pl.col("label").mean().alias("month_level"))
    found = encoding_test(as_data(frame.join(means, on="mnth", how="left", maintain_order="left")))
    assert found.columns == ["month_level"]
    assert "over the whole table" in found.detail[0]
    train = frame.filter(pl.col("split") == "train").group_by("hr").agg(pl.col("label").mean().alias("hour_level"))
    found = encoding_test(as_data(frame.join(train, on="hr", how="left", maintain_order="left")))
    assert "own label" in found.detail[0]


def test_preparation_over_all_rows_is_found() -> None:
    frame = dealt(TABLES["Default"]()[0], 9)
    balance = pl.col("balance")
    plant = {
        "scaled": (balance - balance.mean()) / balance.std(),
        "ranged": (pl.col("income") - pl.col("income").min()) / (pl.col("income").max() - pl.col("income").min()),
        "filled": pl.when(pl.int_range(pl.len()) % 20 == 0).then(None).otherwise(balance),
    }
    leaky = frame.with_columns(**plant).with_columns(pl.col("filled").fill_null(pl.col("filled").mean()))
    # The income's ends are moved out of train: where both lie in train, train alone gives the same scale.
    ends = pl.col("ranged").is_in([0.0, 1.0])
    leaky = leaky.with_columns(pl.when(ends).then(pl.lit("test")).otherwise("split").alias("split"))
    found = fitted_test(as_data(leaky))
    assert found.columns == ["scaled", "ranged", "filled"]
    assert all(how in " ".join(found.detail) for how in ("standardised", "scaled to 0 and 1", "filled with the mean"))


def test_nulls_that_tell_the_outcome_are_found() -> None:
    frame = dealt(TABLES["Default"]()[0], 10)
    leaky = frame.with_columns(pl.when(pl.col("label") == 0).then("income").alias("recovered"))
    found = missing_test(as_data(leaky))
    assert found.columns == ["recovered"]
    assert found.rows == int(frame["label"].sum())
    assert missing_test(as_data(leaky, accepted={"recovered": "filed before"})).passed


def test_patients_on_both_sides_are_counted_with_their_gain() -> None:
    rng = np.random.default_rng(11)
    patient = rng.integers(0, 300, 6_000)
    label = (rng.random(6_000) < rng.random(300)[patient]).astype(np.int8)
    frame = dealt(pl.DataFrame({"age": rng.normal(size=6_000), "label": label}), 11)
    groups = pl.DataFrame({"patient": patient})
    found = group_test(as_data(frame, groups=groups))
    assert (found.columns, found.rows) == (["patient"], frame.filter(pl.col("split") != "train").height)
    assert "300 values of patient" in found.detail[0]
    assert float(found.detail[1].split("+")[1].split(" ")[0]) > 0.2
    apart = pl.Series(np.where(patient < 200, "train", "test"))
    assert group_test(as_data(frame.with_columns(apart.alias("split")), groups=groups)).passed
