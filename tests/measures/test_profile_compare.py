"""Two profiles side by side: figures against Polars and numpy, planted changes first, silence where nothing changed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.measures.drift import psi
from core.measures.levels import bin_edges
from core.measures.profile import profile_state
from core.measures.profile_compare import compare_profiles


def compared(before: pl.DataFrame, after: pl.DataFrame):
    return compare_profiles(profile_state(before.lazy(), "before"), profile_state(after.lazy(), "after"))


def one(found, name):
    return next(column for column in found.columns if column.name == name)


def test_halves_of_the_flights(real_table):
    flights = real_table("flights")
    before, after = flights.filter(pl.col("month") <= 6), flights.filter(pl.col("month") > 6)
    found = compared(before, after)
    assert (found.rows_before, found.rows_after) == (before.height, after.height)
    assert found.columns[0].name == "month"  # the halves were cut by it
    delay = one(found, "arr_delay")
    old, new = before["arr_delay"].drop_nulls(), after["arr_delay"].drop_nulls()
    assert delay.mean_shift == pytest.approx((new.mean() - old.mean()) / old.std(), rel=1e-5)
    assert delay.quantile_shift["p95"] == pytest.approx(
        (new.quantile(0.95, "linear") - old.quantile(0.95, "linear")) / old.std(), rel=1e-5
    )
    edges = bin_edges(flights["arr_delay"].min(), flights["arr_delay"].max())
    counted = [np.histogram(values.to_numpy(), bins=edges)[0] for values in (old, new)]
    assert delay.psi == pytest.approx(psi(*counted), rel=1e-5)
    assert delay.null_share_after == after["arr_delay"].null_count() / after.height
    tails = one(found, "tailnum")
    fresh = set(after["tailnum"].drop_nulls()) - set(before["tailnum"].drop_nulls())
    assert {level.value for level in tails.new_levels} <= fresh
    assert len(tails.new_levels) == 20
    share = after["tailnum"].drop_nulls().is_in(list(fresh)).mean()
    assert tails.new_share == pytest.approx(share, rel=1e-5)
    assert one(found, "year").state == "same"


@pytest.mark.parametrize("name", ["Bikeshare", "Caravan", "Wage", "glucose", "shuttle"])
def test_a_table_does_not_differ_from_itself(name, real_table):
    frame = real_table(name)
    found = compared(frame, frame)
    assert {column.state for column in found.columns} == {"same"}
    assert all(column.score == 0 for column in found.columns)


def test_what_was_planted_comes_first_in_its_order(real_table):
    wage = real_table("Wage")
    spread = wage["wage"].std()
    changed = (
        wage.drop("jobclass")
        .with_columns(
            wage=pl.col("wage") + spread,
            age=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise(pl.col("age")),
            race=pl.when(pl.col("race").str.starts_with("4")).then(pl.lit("5. New")).otherwise(pl.col("race")),
            year=pl.col("year").cast(pl.String),
        )
        .with_columns(bonus=1.0)
    )
    found = compared(wage, changed)
    assert (found.added, found.removed, found.retyped) == (["bonus"], ["jobclass"], ["year"])
    assert [column.name for column in found.columns[:6]] == ["bonus", "jobclass", "year", "wage", "race", "age"]
    assert one(found, "wage").mean_shift == pytest.approx(1.0)
    assert one(found, "age").null_share_after == pytest.approx(0.1)
    assert "nulls 0.00% → 10.00%" in one(found, "age").says
    race = one(found, "race")
    assert [level.value for level in race.new_levels] == ["5. New"]
    assert [level.value for level in race.vanished_levels] == ["4. Other"]
    assert one(found, "year").says == "type Int64 → String"
    assert one(found, "education").state == "same"


def test_many_values_empty_tables_and_constants_are_compared_too():
    rng = np.random.default_rng(3)
    before = pl.DataFrame({"x": rng.normal(size=30_000), "c": [1] * 30_000, "n": [None] * 30_000})
    after = before.with_columns(x=pl.col("x") + 0.5, c=pl.lit(2, pl.Int64))
    found = compared(before, after)
    assert one(found, "x").psi == pytest.approx(0.25, abs=0.1)  # of two normals half a deviation apart
    assert one(found, "x").quantile_shift["p50"] == pytest.approx(0.5 / before["x"].std(), rel=1e-5)
    assert one(found, "c").state == "changed"
    assert one(found, "n").state == "same"
    assert compared(before[:0], after).rows_before == 0
    assert compared(before, after[:0]).columns
