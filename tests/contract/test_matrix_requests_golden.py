"""One definition of features for one row and for many; requests; golden rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contract import requests
from core.contract.checks import run_checks
from core.contract.golden import check_golden, golden_rows
from core.contract.matrix import Transformer, assemble, request_features, to_matrix
from core.contract.requests import RequestValidator, validate_rows
from core.contract.schema import Check, Contract, Feature, Field_, GoldenRow
from core.kernel.errors import InputError


def feature(name: str, kind: Any, expression: str | None = None, levels: tuple[str, ...] = ()) -> Feature:
    origin: Any = "view" if expression is None else "request"
    return Feature(name=name, kind=kind, origin=origin, expression=expression, levels=list(levels))


CONTRACT = Contract(
    model="delay",
    version="1",
    fields=[
        Field_(name="carrier", type="text", nullable=True),
        Field_(name="distance", type="float", nullable=True),
        Field_(name="stops", type="int", nullable=True),
        Field_(name="night", type="bool", nullable=True),
        Field_(name="at", type="time"),
    ],
    key=["carrier", "at"],
    time_field="at",
    features=[
        feature("carrier", "category", "carrier", ("AA", "B6", "UA")),
        feature("distance", "number", "distance"),
        feature("stops", "category", "stops", ("0", "1")),
        feature("night", "category", "night", ("false", "true")),
        feature("hour", "number", "EXTRACT(hour FROM at)"),
        feature("known", "number", "COALESCE(distance, 0)"),
        feature("far", "category", "CASE WHEN distance > 1000 THEN 'far' ELSE 'near' END", ("far", "near")),
        feature("temp", "number"),
        feature("engine", "category", None, ("jet",)),
    ],
    checks=[
        Check(kind="between", columns=["distance"], min=0, max=5000),
        Check(kind="in_set", columns=["carrier"], values=["AA", "B6", "UA"]),
        Check(kind="not_null", columns=["carrier"], mostly=0.5),
        Check(kind="expression", expression="stops >= 0", severity="warn"),
        Check(kind="matches", columns=["carrier"], pattern="[A-Z0-9]{2}"),
    ],
    personal=["carrier"],
)
START = datetime(2013, 1, 1, tzinfo=UTC)


def frame_of(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    names = ["carrier", "distance", "stops", "night", "at", "temp", "engine"]
    kinds = [pl.String, pl.Float64, pl.Int64, pl.Boolean, pl.Datetime("us", "UTC"), pl.Float64, pl.String]
    return pl.DataFrame(rows, schema=dict(zip(names, kinds, strict=True)), orient="row")


ROWS = st.tuples(
    st.sampled_from(["AA", "B6", "ZZ", "", None]),
    st.one_of(st.none(), st.floats(-1e300, 1e300)),
    st.one_of(st.none(), st.integers(-(2**62), 2**62), st.integers(0, 2)),
    st.sampled_from([True, False, None]),
    st.integers(0, 10**8).map(lambda seconds: START + timedelta(seconds=seconds)),
    st.one_of(st.none(), st.floats(allow_nan=True)),
    st.sampled_from(["jet", "prop", None]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, min_size=9, max_size=20))
def test_one_row_and_many_rows_give_the_same_bits(rows: list[tuple[Any, ...]]) -> None:
    frame = frame_of(rows)
    transformer = Transformer(CONTRACT)
    many = transformer.matrix(frame)
    single = np.vstack([transformer.matrix(frame[i : i + 1]) for i in range(frame.height)])
    assembled = np.vstack([to_matrix(CONTRACT, assemble(CONTRACT, frame[i : i + 1])) for i in range(frame.height)])
    assert many.dtype == np.float32
    assert many.flags.c_contiguous
    np.testing.assert_array_equal(many, single)
    np.testing.assert_array_equal(many, assembled)


def test_codes_and_nulls() -> None:
    frame = frame_of(
        [("B6", None, 1, True, START + timedelta(hours=7), None, "prop"), (None, 1500.0, 5, None, START, 3.0, "jet")]
    )
    matrix = to_matrix(CONTRACT, assemble(CONTRACT, frame))
    nan = np.nan
    np.testing.assert_array_equal(
        matrix, np.array([[1, nan, 1, 1, 7, 0, 1, nan, 1], [3, 1500, 2, 2, 0, 1500, 0, 3, 0]], np.float32)
    )


def test_an_absent_view_feature_is_null_and_request_features_are_apart() -> None:
    frame = frame_of([("B6", 1.0, 1, True, START, 1.0, "jet")]).drop("temp", "engine")
    raw = assemble(CONTRACT, frame)
    assert raw.columns == [f.name for f in CONTRACT.features]
    assert raw.row(0)[-2:] == (None, None)
    assert request_features(CONTRACT, frame).columns == raw.columns[:-2]
    np.testing.assert_array_equal(to_matrix(CONTRACT, raw), Transformer(CONTRACT).matrix(frame))


@pytest.mark.parametrize(
    "expression",
    ["AVG(distance)", "distance - AVG(distance)", "LAG(distance) OVER (ORDER BY at)", "lost + 1", "distance +"],
)
def test_features_that_look_at_other_rows_or_do_not_parse_are_refused(expression: str) -> None:
    bad = CONTRACT.model_copy(update={"features": [feature("x", "number", expression)]})
    with pytest.raises(InputError, match="feature x"):
        Transformer(bad)


def test_a_feature_of_the_wrong_type_is_refused_by_name() -> None:
    bad = CONTRACT.model_copy(update={"features": [feature("x", "number", "carrier")]})
    with pytest.raises(InputError, match="feature x"):
        assemble(bad, frame_of([("B6", 1.0, 1, True, START, 1.0, "jet")]))


def row(**changes: Any) -> dict[str, Any]:
    good = {"carrier": "AA", "distance": 3, "stops": 1.0, "night": False, "at": "2013-01-01T05:00:00-05:00"}
    return {name: value for name, value in (good | changes).items() if value != "absent"}


def test_a_good_request_is_decoded_to_utc() -> None:
    frame, report = validate_rows(CONTRACT, [row()])
    assert report.passed
    assert len(report.results) == len(CONTRACT.checks)
    assert frame.row(0) == ("AA", 3.0, 1, False, datetime(2013, 1, 1, 10, tzinfo=UTC))


@pytest.mark.parametrize(
    ("changes", "name", "observed"),
    [
        ({"carrier": 5}, "type(carrier)", "not text"),
        ({"distance": "3"}, "type(distance)", "not a number"),
        ({"distance": True}, "type(distance)", "not a number"),
        ({"distance": float("inf")}, "type(distance)", "not finite"),
        ({"distance": 10**400}, "type(distance)", "too large"),
        ({"stops": 1.5}, "type(stops)", "not a whole number"),
        ({"stops": True}, "type(stops)", "not a whole number"),
        ({"stops": 2**63}, "type(stops)", "too large for 64 bits"),
        ({"night": 1}, "type(night)", "not true or false"),
        ({"at": "yesterday"}, "type(at)", "not an ISO 8601 time"),
        ({"at": "2013-01-01T05:00:00"}, "type(at)", "a time without offset; write Z for UTC"),
        ({"at": None}, "not_null(at)", "null"),
        ({"at": "absent"}, "columns(at)", "missing field"),
        ({"distanse": 1}, "columns(distanse)", "unknown field"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], name: str, observed: str) -> None:
    _, report = validate_rows(CONTRACT, [row(), row(**changes)])
    assert not report.passed
    failed = [result for result in report.results if not result.passed]
    assert [(result.name, result.observed) for result in failed] == [(name, observed)]
    assert failed[0].examples[0].row == 1


def test_all_problems_come_at_once_and_personal_values_stay_hidden() -> None:
    _, report = validate_rows(CONTRACT, [row(carrier="Jane Doe", distance=-1, at=3, extra=1)])
    names = {result.name for result in report.results if not result.passed}
    assert names == {"type(at)", "columns(extra)", "between(distance)", "in_set(carrier)", "matches(carrier)"}
    assert "Jane" not in report.model_dump_json()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.builds(
            lambda c, d, s: row(carrier=c, distance=d, stops=s),
            st.sampled_from(["AA", "B6", "ZZ", "aa", None]),
            st.sampled_from([None, 0, -1, 5000, 5000.1]),
            st.sampled_from([None, 0, -1, 3]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_the_short_way_of_requests_agrees_with_the_checks(rows: list[dict[str, Any]]) -> None:
    frame, report = validate_rows(CONTRACT, rows)
    full = run_checks(frame, CONTRACT.checks, table="t")
    assert [(r.name, r.passed, r.failed) for r in report.results] == [
        (r.name, r.passed, r.failed) for r in full.results
    ]


@pytest.mark.parametrize("count", [1, 50])
def test_checks_that_the_fields_settle_leave_requests_quick(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contract that also asks for its columns and their types must not be judged anew for each request."""
    fields = [field.name for field in CONTRACT.fields]
    settled = [Check(kind="columns", columns=fields), Check(kind="type", columns=["distance"], type="float")]
    validator = RequestValidator(CONTRACT.model_copy(update={"checks": [*settled, *CONTRACT.checks]}))
    frame, report = validator.validate([row()] * count)
    wanted = run_checks(frame, validator.contract.checks, table="flights", key=CONTRACT.key).results
    assert [(r.name, r.passed, r.expected) for r in report.results] == [(r.name, r.passed, r.expected) for r in wanted]
    assert [r.observed for r in report.results[:2]] == [r.observed for r in wanted[:2]]

    def asked(*_: Any, **__: Any) -> None:
        raise AssertionError("the checks were asked one by one")

    monkeypatch.setattr(requests, "run_checks", asked)
    assert validator.validate([row()] * count)[1].passed


def test_no_rows_is_a_valid_request() -> None:
    frame, report = RequestValidator(CONTRACT).validate([])
    assert (frame.height, report.rows) == (0, 0)


def predict(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.nan_to_num(matrix.astype(np.float64)).sum(axis=1) / 3000))


def golden() -> list[GoldenRow]:
    rng = np.random.default_rng(3)
    rows = [
        (
            rng.choice(["AA", "B6", "UA"]) if i % 50 else "XX",
            float(rng.uniform(0, 3000)) if i % 70 else None,
            int(rng.integers(0, 2)),
            bool(rng.integers(0, 2)),
            START + timedelta(hours=i),
            float(rng.normal()) if i % 90 else None,
            "jet",
        )
        for i in range(400)
    ]
    frame = frame_of([tuple(str(v) if isinstance(v, np.str_) else v for v in r) for r in rows])
    matrix = Transformer(CONTRACT).matrix(frame)
    rows_ = golden_rows(CONTRACT, frame, matrix, predict(matrix), 20, seed=1)
    assert rows_ == golden_rows(CONTRACT, frame, matrix, predict(matrix), 20, seed=1)
    return [GoldenRow.model_validate_json(item.model_dump_json()) for item in rows_]


def test_golden_rows_cover_outputs_nulls_and_unknown_levels() -> None:
    rows = golden()
    assert len(rows) == 20
    assert any(item.fields["distance"] is None for item in rows)
    assert any(item.fields["carrier"] == "XX" for item in rows)
    outputs = [item.output for item in rows]
    assert min(outputs) < 0.55
    assert max(outputs) > 0.8
    assert check_golden(CONTRACT, rows, predict) == []


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("known", {"expression": "COALESCE(distance, 1)"}),
        ("distance", {"expression": "COALESCE(distance, 0)"}),
        ("carrier", {"levels": ["B6", "AA", "UA"]}),
        ("carrier", {"levels": ["AA", "B6", "WN", "UA"]}),
        ("hour", {"expression": "EXTRACT(hour FROM at) + 1"}),
    ],
)
def test_a_changed_default_null_rule_or_level_is_named(name: str, changed: dict[str, Any]) -> None:
    features = [f.model_copy(update=changed) if f.name == name else f for f in CONTRACT.features]
    problems = check_golden(CONTRACT.model_copy(update={"features": features}), golden(), predict)
    named = {p.what.split(" is ")[0] for p in problems if p.what.startswith("feature")}
    assert named == {f"feature {name}"}
    assert all(p.expected and p.where.startswith("golden row") for p in problems)


def test_a_model_that_answers_otherwise_is_caught() -> None:
    problems = check_golden(CONTRACT, golden(), lambda matrix: predict(matrix) + 2e-5)
    assert len(problems) == 20
    assert check_golden(CONTRACT, golden(), lambda matrix: predict(matrix) + 5e-6) == []
    assert check_golden(CONTRACT, golden(), lambda matrix: predict(matrix)[:3])
    assert len(check_golden(CONTRACT, golden(), lambda matrix: predict(matrix) * np.nan)) == 20
    assert check_golden(CONTRACT, [], predict)
