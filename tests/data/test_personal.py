"""Detection of personal data: found with its reason where it is, silent where there is none."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from core.data.paths import resolve_path
from core.data.personal import propose_personal, quasi_identifiers, spread_sample
from core.data.personal_content import iban, luhn

from .people import people

EXPECTED = {  # column of the made-up people: kind, and whether the values alone give it away
    "customer_id": ("account", False),
    "contact": ("person_name", True),
    "reach": ("email", True),
    "line": ("phone", True),
    "account": ("iban", True),
    "payment": ("card", True),
    "source": ("ip", True),
    "born_on": ("birth", False),
    "birth_date": ("birth", False),
    "postcode": ("postcode", False),
    "ssn": ("national_id", True),
    "lat": ("coordinates", False),
    "lon": ("coordinates", False),
    "age": ("age", False),
    "gender": ("sex", False),
    "notes": ("free_text", False),
}


def packaged(name: str) -> pl.LazyFrame:
    return pl.scan_csv(resolve_path(name, Path()), null_values=["NA"], infer_schema_length=None)


def test_each_kind_is_proposed_with_a_reason_and_a_confidence() -> None:
    report = propose_personal(people().lazy(), "accounts")
    found = {finding.column: finding for finding in report.findings}
    assert {name: finding.kind for name, finding in found.items()} == {n: kind for n, (kind, _) in EXPECTED.items()}
    for name, (_, by_values) in EXPECTED.items():
        assert (found[name].confidence > 0.75) == by_values, found[name]
    assert "check digits" in found["account"].reason
    assert "Luhn" in found["payment"].reason
    assert quasi_identifiers(report.findings) == ["born_on", "birth_date", "postcode", "lat", "lon", "age", "gender"]


def test_content_speaks_where_names_do_not() -> None:
    frame = people()
    plain = frame.rename({name: f"c{number}" for number, name in enumerate(frame.columns)})
    kinds = {finding.kind for finding in propose_personal(plain.lazy(), "t").findings}
    assert {"person_name", "email", "phone", "iban", "card", "ip", "national_id"} <= kinds


def test_wrong_checksums_are_no_cards_and_no_ibans() -> None:
    frame = people().select(
        a=pl.col("payment").str.head(15) + "0",
        b=pl.lit("DE00") + pl.col("account").str.slice(4),
    )
    kinds = {finding.kind for finding in propose_personal(frame.lazy(), "t").findings}
    assert not kinds & {"card", "iban"}
    assert luhn("4111 1111 1111 1111")
    assert not luhn("4111 1111 1111 1112")
    assert iban("GB82 WEST 1234 5698 7654 32")
    assert not iban("GB83 WEST 1234 5698 7654 32")


def test_wages_are_about_people() -> None:
    found = {f.column: f for f in propose_personal(packaged("package:ISLP/data/Wage.csv"), "wage").findings}
    assert found["race"].sort == "sensitive"
    assert found["race"].kind == "origin"
    assert found["age"].sort == "quasi"
    assert {"maritl", "education", "health", "wage"} <= set(found)
    assert "year" not in found


@pytest.mark.parametrize("table", ["flights", "weather", "planes", "airports", "airlines"])
def test_flights_are_not_people(snapshots: dict[str, Path], table: str) -> None:
    """Tail numbers, flight numbers, names of airlines and coordinates of airports belong to nobody."""
    assert propose_personal(pl.scan_parquet(snapshots[table]), table).findings == []


@pytest.mark.parametrize("name", ["ISLP/data/Bikeshare.csv", "ISLP/data/Caravan.csv", "ISLP/data/Smarket.csv"])
def test_other_tables_without_people_stay_silent(name: str) -> None:
    assert propose_personal(packaged(f"package:{name}"), "t").findings == []


def test_a_long_table_is_sampled_all_along(tmp_path: Path) -> None:
    file = tmp_path / "long.parquet"
    late = pl.DataFrame({"n": range(60_000)}).with_columns(
        reach=pl.when(pl.col("n") < 3_000).then(None).otherwise(pl.format("a{}@example.org", "n"))
    )
    late.write_parquet(file, row_group_size=5_000)
    rows, sample = spread_sample(pl.scan_parquet(file))
    assert rows == 60_000
    assert sample.height == 10_000
    assert "email" in {finding.kind for finding in propose_personal(pl.scan_parquet(file), "t").findings}


def test_an_empty_table_and_empty_columns_are_looked_at() -> None:
    frame = pl.DataFrame({"email": [], "x": []}, schema={"email": pl.String, "x": pl.Int64})
    assert propose_personal(frame.lazy(), "t").columns() == ["email"]
    nulls = pl.DataFrame({"a": [None, None], "age": [None, None]}, schema={"a": pl.String, "age": pl.Int64})
    assert propose_personal(nulls.lazy(), "t").columns() == ["age"]
