"""Slices that were found: every figure by brute force, a planted one, and silence without any."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from core.kernel.errors import InputError
from core.measures.slice_discovery import ALPHA, NULL, Coded, _Search, coded, discover_slices


def table(rng, n=20_000):
    return pl.DataFrame(
        {
            "carrier": rng.choice(["AA", "B6", "OO", "UA", "VX"], n, p=[0.4, 0.3, 0.001, 0.289, 0.01]),
            "origin": rng.choice(["EWR", "JFK", "LGA"], n),
            "distance": rng.gamma(2, 500, n),
            "hour": rng.integers(5, 23, n),
            "tail": [f"N{i}" for i in range(n)],
            "ok": rng.random(n) < 0.5,
        }
    ).with_columns(distance=pl.when(pl.int_range(pl.len()) % 40 == 0).then(None).otherwise("distance"))


@pytest.fixture(scope="module")
def skewed():
    rng = np.random.default_rng(3)
    return table(rng), rng.gamma(0.4, 1.0, 20_000)


def test_rows_errors_and_scores_equal_bare_group_bys(skewed):
    frame, error = skewed
    columns = [made for name in frame.columns if (made := coded(frame[name], 150))]
    assert [column.feature for column in columns] == ["carrier", "origin", "distance", "hour", "ok"]
    search = _Search(columns, error, ALPHA, 150)
    keys, rows, totals = search.counted()
    found = {tuple(key): (n, total) for key, n, total in zip(keys.tolist(), rows, totals, strict=True)}
    plain = pl.DataFrame({str(i): column.codes for i, column in enumerate(columns)}).with_columns(e=error)
    wanted = {}
    sums = (pl.len().alias("n"), pl.col("e").sum().alias("total"))
    pairs = [(i, i) for i in range(5)] + list(itertools.combinations(range(5), 2))
    for i, j in pairs:
        for row in plain.group_by([str(i), str(j)] if i != j else [str(i)]).agg(sums).iter_rows():
            *codes, n, total = row
            if n >= 150 and 0 not in codes:
                wanted[(i, codes[0], j if i != j else -1, codes[1] if i != j else -1)] = (n, total)
    assert set(found) == set(wanted)
    for key, (n, total) in wanted.items():
        assert found[key] == pytest.approx((n, total))
    n, total = next(iter(wanted.values()))
    score = ALPHA * (total / n / error.mean() - 1) - (1 - ALPHA) * (error.size / n - 1)
    assert search.scores(np.array([n]), np.array([total])) == pytest.approx(score)


def test_scores_equal_those_of_the_sliceline_package():
    """Its 0.3.0 on 4,000 rows of 5 coded columns, run in an environment of its own: the 12 best slices."""
    peer = np.load(Path(__file__).parent / "expected" / "sliceline.npz")
    names = [[str(v) for v in range(1, column.max() + 1)] for column in peer["codes"].T]
    columns = [Coded(str(i), column, names[i]) for i, column in enumerate(peer["codes"].T)]
    search = _Search(columns, peer["error"], float(peer["alpha"]), int(peer["min_rows"]))
    keys, rows, totals = search.counted()
    scores = search.scores(rows, totals)
    best = np.argsort(-scores, kind="stable")[: len(peer["scores"])]
    assert scores[best] == pytest.approx(peer["scores"], abs=1e-9)
    assert rows[best].tolist() == peer["sizes"].tolist()
    for key, theirs in zip(keys[best].tolist(), peer["slices"].tolist(), strict=True):
        ours = [0] * 5
        for column, code in ((key[0], key[1]), (key[2], key[3])):
            if column >= 0:
                ours[column] = code
        assert ours == theirs


def test_what_is_rare_or_like_a_key_is_no_slice(skewed):
    frame, _ = skewed
    assert coded(frame["tail"], 150) is None
    assert coded(frame["carrier"], 150).names == ["AA", "B6", "UA", "VX"]
    assert coded(frame["distance"], 150).names[-1] == NULL
    assert coded(pl.Series("x", [None, None]), 1) is None


def test_the_p_value_is_that_of_a_random_subset(skewed):
    """Skewed errors, slices of 200 rows: a normal's tail calls nearly twice too many at 0.002."""
    _, error = skewed
    search, rng = _Search([], error, ALPHA, 150), np.random.default_rng(4)
    totals = np.array([error[rng.choice(error.size, 200, replace=False)].sum() for _ in range(6_000)])
    p = search.p_values(np.full(totals.size, 200.0), totals)
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.012)
    assert np.mean(p < 0.002) == pytest.approx(0.002, abs=0.001)


def test_silence_without_a_bad_slice():
    rng, alarms = np.random.default_rng(9), 0
    for _ in range(40):
        made = discover_slices(table(rng, 4_000), rng.gamma(0.4, 1.0, 4_000), loss="loss", min_rows=100)
        assert made.looked_at > 60
        alarms += bool(made.slices)
    assert alarms <= 5  # 5 % of 40 is 2


@pytest.mark.parametrize("planted", [("carrier", "B6"), ("carrier", "B6", "hour", "7")])
def test_a_planted_slice_is_told_once_and_alone(skewed, planted):
    frame, error = skewed
    mask = np.ones(frame.height, dtype=bool)
    for name, value in zip(planted[::2], planted[1::2], strict=True):
        mask &= (frame[name].cast(pl.String) == value).to_numpy()
    worse = np.where(mask, error * 3, error)
    made = discover_slices(frame, worse, loss="loss", expected=np.full(error.size, error.mean()), min_rows=150)
    (found,) = made.slices
    assert (tuple(found.features), tuple(found.values)) == (planted[::2], planted[1::2])
    assert found.rows == mask.sum()
    assert found.error == pytest.approx(worse[mask].mean())
    assert found.difference == pytest.approx(worse[mask].mean() - worse[~mask].mean())
    assert found.beyond_expected == pytest.approx(worse[mask].mean() - error.mean())
    assert found.p_corrected < 0.001


def test_bad_input_and_nothing_to_find(skewed):
    frame, error = skewed
    for bad in (error[:5], -error, np.where(error > 3, np.nan, error)):
        with pytest.raises(InputError):
            discover_slices(frame, bad, loss="loss")
    assert discover_slices(frame, np.zeros(frame.height), loss="loss").slices == []
    assert discover_slices(frame.select("tail"), error, loss="loss").looked_at == 0
