"""The statistics behind the leak tests: planted relations are found, and chance is not accused."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from core.kernel.errors import InputError
from core.measures.leakage_encodings import fitted_on, target_encoding
from core.measures.leakage_relations import exact_sum, function_of, missing_pattern
from core.measures.leakage_stats import group_gain, single_feature_r2, too_good, too_good_r2
from core.measures.near_duplicates import near_duplicates

N = 2_000


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda o: o, "equal"),
        (lambda o: np.exp(-o / 30.0), "monotone"),
        (lambda o: np.floor(o / 25), "monotone"),
        (lambda o: (o * 7919) % 101, "one to one"),
    ],
)
def test_functions_of_the_outcome(rng, make, kind):
    outcome = pl.Series("delay", rng.integers(0, 101, N))
    found = function_of(pl.Series("f", make(outcome.to_numpy())), outcome)
    assert found is not None
    assert (found.kind, found.rows) == (kind, N)


def test_a_column_that_separates_the_classes(rng):
    delay = pl.Series("delay", rng.normal(size=N))
    assert function_of(delay, (delay > 1).alias("late")).kind == "separates"
    code = pl.Series("code", np.where(delay > 1, "XQ", "AB"))
    assert function_of(code, (delay > 1).alias("late")).kind == "one to one"


def test_what_is_no_function_of_the_outcome(rng):
    delay = pl.Series("delay", rng.normal(size=N))
    near = delay.to_numpy() + rng.normal(scale=1e-3, size=N)
    assert function_of(pl.Series("near", near), delay) is None
    assert function_of(pl.Series("id", np.arange(N).astype(str)), delay) is None
    assert function_of(pl.Series("constant", np.ones(N)), delay) is None
    assert function_of(pl.Series("few", [1.0, 2.0, 3.0]), pl.Series("o", [1, 2, 3])) is None
    one_exception = delay.to_list()
    one_exception[N // 2] = 99.0
    assert function_of(pl.Series("f", one_exception), delay) is None


def test_parts_that_sum_to_the_outcome(rng):
    frame = pl.DataFrame({"a": rng.integers(0, 99, N), "b": rng.integers(0, 99, N), "c": rng.normal(size=N)})
    assert exact_sum(frame, frame["a"] * 2 + frame["b"]) == ["a", "b"]
    assert exact_sum(frame, frame["a"] * 2 + frame["b"] + frame["c"] ** 2) == []


def test_nulls_that_mirror_the_outcome(rng):
    event = rng.random(N) < 0.03
    found = missing_pattern("air_time", event, "no arrival", event)
    assert found is not None
    assert (found.nulls, found.agree) == (int(event.sum()), int(event.sum()))
    assert found.phi == pytest.approx(1)
    assert missing_pattern("x", rng.random(N) < 0.03, "no arrival", event) is None
    assert missing_pattern("x", rng.random(N) < 0.97, "no arrival", ~event) is None


def test_r2_by_hand_and_by_chance(rng):
    group = rng.integers(0, 4, 20_000)
    noise = rng.normal(size=20_000)
    signal = group.astype(float)
    r2 = single_feature_r2(pl.Series(group), pl.Series(signal + noise))
    assert r2 == pytest.approx(signal.var() / (signal + noise).var(), abs=0.02)
    assert single_feature_r2(pl.Series([f"N{i}" for i in rng.integers(0, 5_000, 20_000)]), pl.Series(noise)) == 0.0
    with pytest.raises(InputError, match="does not vary"):
        single_feature_r2(pl.Series(group), pl.Series(np.ones(20_000)))


def test_a_too_good_feature_of_a_number_and_of_classes(rng):
    target = rng.normal(size=N)
    leak = pl.Series("settled", target + rng.normal(scale=0.1, size=N))
    assert too_good_r2(leak, pl.Series(target), columns=50).suspicious
    assert not too_good_r2(pl.Series("honest", target + rng.normal(size=N)), pl.Series(target)).suspicious
    classes = pl.Series(np.array(["low", "middle", "high"])[np.digitize(target, [-0.5, 0.5])])
    coded = pl.Series("code", classes.replace_strict({"low": 7, "middle": 3, "high": 5}))
    made = too_good_r2(coded, classes)
    assert made.suspicious
    assert "explains" in made.reason


def test_more_columns_need_more_evidence(rng):
    label = np.arange(16) % 2 == 0
    leak = np.where(label, 1.0, 0.0) + rng.normal(scale=0.01, size=16)
    alone, among = too_good(leak, label), too_good(leak, label, columns=500)
    assert alone.suspicious
    assert not among.suspicious
    assert among.p_corrected == pytest.approx(min(1, 500 * alone.p_corrected))


def test_what_a_group_gives_away(rng):
    patient = rng.integers(0, 200, 6_000)
    label = rng.random(6_000) < rng.random(200)[patient]
    half = rng.random(6_000) < 0.5
    gain = group_gain(pl.Series(patient[half]), label[half], pl.Series(patient[~half]), label[~half])
    assert gain > 0.2
    assert group_gain(pl.Series(["a"]), [True], pl.Series(["b"]), [True]) is None


ENCODED = {
    "plain": lambda s, n, y: s / n,
    "smoothed": lambda s, n, y: (s + 20 * 0.3) / (n + 20),
    "leave one out": lambda s, n, y: (s - y) / (n - 1),
}


@pytest.mark.parametrize("how", ENCODED)
@pytest.mark.parametrize("over", ["all", "train"])
def test_label_means_by_level_are_recognised_with_their_rows(rng, how, over):
    level = rng.integers(0, 40, 8_000)
    y = (rng.random(8_000) < rng.random(40)[level]).astype(float)
    rows = {"all": np.ones(8_000, bool), "train": np.arange(8_000) < 5_000}
    seen = rows[over]
    s, n = np.bincount(level[seen], y[seen], 40)[level], np.bincount(level[seen], minlength=40)[level]
    made = pl.Series("enc", ENCODED[how](s, n, y))
    found = target_encoding(made, pl.Series("city", level), y, rows)
    assert found is not None
    assert (found.over, found.levels, found.category) == (over, 40, "city")


def test_encodings_from_elsewhere_are_no_leak(rng):
    level = rng.integers(0, 40, 8_000)
    rate = rng.random(40)
    y = (rng.random(8_000) < rate[level]).astype(float)
    before = (rng.binomial(200, rate) / 200)[level]  # last year's rates
    rows = {"all": np.ones(8_000, bool), "train": np.arange(8_000) < 5_000}
    for name, values in {"true": rate[level], "before": before, "size": np.bincount(level)[level] * 1.0}.items():
        assert target_encoding(pl.Series(name, values), pl.Series("city", level), y, rows) is None
    fold = np.arange(8_000) % 5
    out_of_fold = np.empty(8_000)
    for k in range(5):
        other = fold != k
        means = np.bincount(level[other], y[other], 40) / np.bincount(level[other], minlength=40)
        out_of_fold[~other] = means[level[~other]]
    assert target_encoding(pl.Series("oof", out_of_fold), pl.Series("city", level), y, rows) is None


def fitted(values, train, **more):
    return fitted_on(pl.Series("x", values), train, {"the whole table": np.ones(len(values), bool)})


def test_preparation_with_the_whole_table_is_told_apart_from_train(rng):
    x = np.cumsum(rng.normal(size=N)) + rng.normal(size=N)  # drifts, as the world does
    train = np.arange(N) < 1_200
    for source, caught in ((np.ones(N, bool), True), (train, False)):
        z = (x - x[source].mean()) / x[source].std()
        unit = (x - x[source].min()) / (x[source].max() - x[source].min())
        holes = rng.random(N) < 0.05
        filled = np.where(holes, x[source & ~holes].mean(), x)
        found = [fitted(values, train) for values in (z, unit, filled)]
        assert [made is not None for made in found] == [caught] * 3
    assert [
        fitted(values, train).how
        for values in (
            (x - x.mean()) / x.std(ddof=1),
            (x - x.min()) / np.ptp(x),
        )
    ] == ["standardised", "scaled to 0 and 1"]


def test_honest_columns_are_not_called_prepared(rng):
    train = np.arange(N) < 1_200
    rates = rng.binomial(9, 0.5, N) / 9
    rates[train & ((rates == 0) | (rates == 1))] = 0.5
    for values in (rng.normal(size=N), rng.random(N), rates, rng.integers(-1, 2, N) * 1.0, np.zeros(N)):
        assert fitted(values, train) is None


def test_near_copies_are_found_among_continuous_rows(rng):
    known = pl.DataFrame(rng.normal(size=(3_000, 12)), schema=[f"x{i}" for i in range(12)])
    fresh = pl.DataFrame(rng.normal(size=(1_000, 12)), schema=known.columns)
    assert near_duplicates(known, fresh).found == 0
    copies = known[:40] + pl.DataFrame(rng.normal(scale=1e-4, size=(40, 12)), schema=known.columns)
    found = near_duplicates(known, pl.concat([fresh, copies]))
    assert found.suspicious
    assert found.found >= 38
    assert all(row >= 1_000 for row in found.examples)


def test_tables_without_rows_or_with_other_columns(rng):
    frame = pl.DataFrame({"a": [1.0, None], "b": ["x", None]})
    assert near_duplicates(frame, frame[:0]).rows == 0
    assert near_duplicates(frame, frame).found == 2
    with pytest.raises(InputError, match="same columns"):
        near_duplicates(frame, frame.rename({"a": "c"}))
