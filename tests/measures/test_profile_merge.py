"""States that merge: parts put together are the whole, exactly where it is exact and within the bound elsewhere."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.kernel.errors import InputError
from core.measures import levels
from core.measures.profile import QUANTILES, profile_frame, profile_of, profile_state
from core.measures.profile_state import merge_tables, pack_state, unpack_state
from core.measures.rank_summary import merge_summaries, summarise

NAMES = ("flights", "Bikeshare", "Caravan", "Wage", "glucose", "shuttle")
EXACT = ("rows", "nulls", "nan", "infinite", "min", "max", "text")
COUNTED = ("distinct", "distinct_error", "quantile_error", "histogram", "top", "top_error")


def alike(merged, whole, *, counted: bool) -> None:
    """Everything that is exact is equal; with ``counted`` so are the figures that a sketch would bound."""
    assert merged.name == whole.name
    for name in EXACT + (COUNTED if counted else ()):
        assert getattr(merged, name) == getattr(whole, name), (whole.name, name)
    size = max([1.0, *(abs(end) for end in (whole.min, whole.max) if isinstance(end, float))])
    for name in ("total", "mean", "std"):
        made, true = getattr(merged, name), getattr(whole, name)
        assert (made is None) == (true is None)
        rounding = 1e-11 * size * (whole.rows if name == "total" else 1)  # of numbers that may cancel
        assert made is None or made == pytest.approx(true, rel=1e-9, abs=rounding), (whole.name, name)
    if counted:
        assert merged.quantiles == whole.quantiles
    if whole.elements is not None:
        alike(merged.elements, whole.elements, counted=counted)


def parts_of(frame: pl.DataFrame, cuts: list[int]) -> list:
    ends = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    return [profile_state(frame[a:b].lazy(), "t") for a, b in pairwise(ends)]


COLUMNS = {
    "whole": (pl.Int64, st.integers(-(2**62), 2**62)),
    "small": (pl.Int8, st.integers(-128, 127)),
    "large": (pl.UInt64, st.integers(0, 2**62)),
    "real": (pl.Float64, st.floats(-1e9, 1e9) | st.sampled_from([float("nan"), float("inf"), -0.0])),
    "text": (pl.String, st.text(max_size=3) | st.sampled_from(["12", "a@b.de", "2013-01-01", " "])),
    "flag": (pl.Boolean, st.booleans()),
    "day": (pl.Date, st.dates(date(1900, 1, 1), date(2100, 1, 1))),
    "instant": (pl.Datetime("us"), st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))),
    "clock": (pl.Time, st.times()),
    "length": (pl.Duration("us"), st.timedeltas(timedelta(-9), timedelta(9))),
    "many": (pl.List(pl.Int64), st.lists(st.integers(0, 9), max_size=3)),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()})


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, max_size=30), st.lists(st.integers(0, 30), max_size=3))
def test_parts_together_are_the_whole(rows, cuts):
    schema = {name: dtype for name, (dtype, _) in COLUMNS.items()}
    frame = pl.DataFrame(rows, schema=schema, orient="row") if rows else pl.DataFrame(schema=schema)
    merged = merge_tables([unpack_state(pack_state(part)) for part in parts_of(frame, cuts)])
    for column, whole in zip(profile_of(merged).columns, profile_frame(frame.lazy(), "t").columns, strict=True):
        alike(column, whole, counted=True)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(-50, 50) | st.integers(-(10**6), 10**6), min_size=1, max_size=200), min_size=1, max_size=40
    ),
    st.integers(8, 40),
)
def test_a_rank_summary_keeps_its_word(parts, size):
    """Every quantile of merged and thinned summaries is a value whose true rank is within the stated error."""
    made = []
    for part in parts:
        values, counts = np.unique(np.array(part), return_counts=True)
        made.append(summarise(values, counts, size))
    merged = merge_summaries(made).thinned(size)
    together = np.sort(np.concatenate([np.array(part) for part in parts]))
    shares = [0.0, 0.01, 0.25, 0.5, 0.9, 1.0]
    found, error = merged.quantiles(shares)
    for share, value in zip(shares, found, strict=True):
        first, last = np.searchsorted(together, value, "left"), np.searchsorted(together, value, "right") - 1
        assert value in together
        assert (
            max(0, first - share * (len(together) - 1), share * (len(together) - 1) - last)
            <= error * len(together) + 1e-6
        )
    edges = np.linspace(together[0], together[-1], 21).tolist()
    counts, wrong = merged.histogram(edges)
    true = np.diff([0, *np.searchsorted(together, edges[1:-1], "left"), len(together)])
    assert sum(counts) == len(together)
    assert np.abs(np.array(counts) - true).max() <= wrong * len(together) + 1e-6


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), min_size=1, max_size=80), min_size=2, max_size=6))
def test_sketched_parts_hold_their_bounds(parts):
    """With room for a handful of values only, top counts, quantiles and distinct values are as good as they say."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(levels, "MOST", 8)
        patch.setattr(levels, "FREQUENT", 4)
        frame = pl.DataFrame({"n": [n for part in parts for n in part]}).with_columns(t=pl.format("v{}", "n"))
        ends = np.cumsum([len(part) for part in parts]).tolist()[:-1]
        merged = profile_of(merge_tables([unpack_state(pack_state(part)) for part in parts_of(frame, ends)]))
    whole = profile_frame(frame.lazy(), "t")
    for name in ("n", "t"):
        made, true = merged.column(name), whole.column(name)
        alike(made, true, counted=False)
        assert abs(made.distinct - true.distinct) <= max(1, made.distinct_error * true.distinct)
        counts = dict(frame.group_by(pl.col(name).cast(pl.String)).len().iter_rows())
        for item in made.top:
            assert item.count <= counts[item.value] <= item.count + made.top_error
        if not made.distinct_exact:  # what is not listed is not more frequent than the bound
            assert all(counts[value] <= made.top_error for value in set(counts) - {t.value for t in made.top[:4]}) or (
                len(made.top) >= 4
            )


@pytest.mark.parametrize("name", NAMES)
def test_a_real_table_part_by_part_equals_the_whole(name, real_table):
    frame = real_table(name)
    rows = frame.height
    merged = merge_tables(parts_of(frame, [rows // 7, rows // 2]))
    assert merged.rows == rows
    for column, whole in zip(profile_of(merged).columns, profile_frame(frame.lazy(), "t").columns, strict=True):
        alike(column, whole, counted=whole.distinct <= levels.MOST)


@pytest.fixture(scope="module")
def wide():
    rng = np.random.default_rng(11)
    rows = 120_000
    skewed = (rng.zipf(1.2, rows) % 40_000).astype(np.int64)
    return pl.DataFrame({"x": rng.normal(size=rows), "n": skewed, "id": np.arange(rows)}).with_columns(
        key=pl.format("k{}", "id"), word=pl.format("w{}", "n")
    )


def test_many_values_are_exact_in_one_pass_and_bounded_after_a_merge(wide):
    whole = profile_frame(wide.lazy(), "t")
    for column in whole.columns:
        assert column.distinct_exact
        assert column.distinct == wide[column.name].n_unique()
        assert column.quantile_error == column.histogram_error == column.top_error == 0
    assert whole.column("x").quantiles["p75"] == pytest.approx(wide["x"].quantile(0.75, "linear"), abs=1e-12)
    merged = profile_of(merge_tables(parts_of(wide, [10_000, 50_000, 51_000, 90_000])))
    for column in merged.columns:
        alike(column, whole.column(column.name), counted=False)
        true = whole.column(column.name).distinct
        assert column.distinct_exact == (column.name in ("n", "word"))  # counted: no part of them had too many
        assert abs(column.distinct - true) <= column.distinct_error * true
    for name in ("x", "id"):
        column, ordered = merged.column(name), np.sort(wide[name].to_numpy())
        assert 0 < column.quantile_error < 0.005
        for key, value in column.quantiles.items():
            ranks = np.searchsorted(ordered, [value]), np.searchsorted(ordered, [value], "right") - 1
            miss = max(0, ranks[0][0] - QUANTILES[key] * 119_999, QUANTILES[key] * 119_999 - ranks[1][0])
            assert miss <= column.quantile_error * 120_000 + 1e-6
        gaps = np.array(column.histogram.counts) - np.array(whole.column(name).histogram.counts)
        assert np.abs(gaps).max() <= column.histogram_error * 120_000 + 1
    again = merge_tables([merge_tables(parts_of(wide[:60_000], [30_000])), *parts_of(wide[60_000:], [])])
    again = merge_tables([again, profile_state(wide[:0].lazy(), "t"), *parts_of(wide, [60_000])])
    word = profile_of(again).column("word")
    wide = pl.concat([wide, wide])
    counts = dict(wide.group_by("word").len().iter_rows())
    assert not word.distinct_exact
    assert len(word.top) == 10
    assert all(item.count <= counts[item.value] <= item.count + word.top_error for item in word.top)


def test_top_texts_among_many_equal_polars(wide):
    frame = wide.with_columns(twice=pl.format("d{}", pl.col("id") // 2), near=pl.format("n{}", pl.col("id").clip(3)))
    made = profile_frame(frame.lazy(), "t")
    for name in ("key", "word", "twice", "near"):
        counted = frame[name].value_counts().sort(["count", name], descending=[True, False]).head(10)
        assert [(item.value, item.count) for item in made.column(name).top] == list(counted.iter_rows()), name


def test_the_same_table_gives_the_same_bytes_and_a_chunked_one_the_same_figures(wide, monkeypatch):
    once, again = profile_state(wide.lazy(), "t"), profile_state(wide.lazy(), "t")
    assert pack_state(once) == pack_state(again)
    assert pack_state(unpack_state(pack_state(once))) == pack_state(once)
    monkeypatch.setattr("core.measures.profile.CELLS", 50_000)
    for column, whole in zip(profile_frame(wide.lazy(), "t").columns, profile_of(once).columns, strict=True):
        alike(column, whole, counted=False)


def test_what_does_not_fit_together_is_said():
    one = profile_state(pl.DataFrame({"a": [1], "b": ["x"]}).lazy(), "t")
    with pytest.raises(InputError) as lacking:
        merge_tables([one, profile_state(pl.DataFrame({"a": [1], "c": [2]}).lazy(), "t")])
    assert len(lacking.value.problems) == 2
    with pytest.raises(InputError, match="not of one kind"):
        merge_tables([one, profile_state(pl.DataFrame({"a": ["1"], "b": ["x"]}).lazy(), "t")])
    empty = profile_state(pl.DataFrame({"a": [None], "b": [None]}).lazy(), "t")
    assert profile_of(merge_tables([empty, one])).column("a").max == 1.0
    half = profile_state(pl.DataFrame({"a": [1.5], "b": ["y"]}).lazy(), "t")
    assert profile_of(merge_tables([one, half])).column("a").type == "Int64 | Float64"


@pytest.mark.parametrize("cut", [0, 5, 30, 60, -1])
def test_damaged_states_are_refused(cut):
    data = pack_state(profile_state(pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}).lazy(), "t"))
    with pytest.raises(InputError):
        unpack_state(data[:cut])
    with pytest.raises(InputError):
        unpack_state(data[:40] + bytes([data[40] ^ 255]) + data[41:])


def test_a_personal_column_keeps_no_value():
    frame = pl.DataFrame({"mail": ["ada@example.org", "bob@example.org", None], "age": [31, 42, 57]})
    state = profile_state(frame.lazy(), "t", personal=["mail", "age"])
    again = profile_of(merge_tables([unpack_state(pack_state(state)), state]))
    for made in (profile_of(state), again):
        mail = made.column("mail")
        assert (mail.personal, mail.min, mail.max, mail.top, mail.distinct) == (True, None, None, [], 2)
        assert mail.text.emails == mail.rows - mail.nulls
        assert made.column("age").top == []
        assert made.column("age").mean == pytest.approx(43.3333333333)
    assert b"ada" not in str(state).encode()


def test_clocks_lists_and_fields():
    frame = pl.DataFrame(
        {
            "at": [time(6, 30), time(18, 0), None],
            "took": [timedelta(minutes=1), timedelta(minutes=3), timedelta(0)],
            "tags": [["a", "b"], [], ["a"]],
            "place": [{"city": "Oslo", "at": {"x": 1.5}}, {"city": None, "at": {"x": 2.5}}, None],
            "pair": pl.Series([[1, 2], [3, 4], [5, 6]], dtype=pl.Array(pl.Int64, 2)),
            "cost": pl.Series(["1.50", "2.25", None]).cast(pl.Decimal(10, 2)),
            "raw": [b"a", None, b"c"],
        }
    )
    made = profile_frame(frame.lazy(), "t")
    at, took, tags = made.column("at"), made.column("took"), made.column("tags")
    assert (at.kind, at.min, at.mean) == ("clock", "06:30:00", 44_100.0)
    assert (took.kind, took.max, took.total) == ("duration", 180.0, 240.0)
    assert (tags.kind, tags.max, tags.elements.top[0].value, tags.elements.rows) == ("list", 2.0, "a", 3)
    assert (made.column("place.city").nulls, made.column("place.at.x").mean) == (2, 2.0)
    assert made.column("pair").elements.mean == 3.5
    assert made.column("cost").total == 3.75
    assert (made.column("raw").kind, made.column("raw").nulls) == ("other", 1)
