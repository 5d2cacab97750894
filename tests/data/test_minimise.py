"""Minimisation: raw values never reach the snapshot, joins still work, groups are measured."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from core.data.minimise import OTHER, Guard, earlier, hash_key, hashed_value, minimised, subject_key, without
from core.data.sources import ingest
from core.kernel.errors import InputError
from core.kernel.progress import Silent
from core.measures.anonymity import k_anonymity
from core.project.privacy import Minimise, RowRetention
from core.project.schema import Source

from .people import people

SECRET = bytes(range(32))
RULES = {
    "contact": "drop",
    "reach": "hash",
    "line": {"how": "mask", "keep": 2},
    "ssn": "mask",
    "age": {"how": "generalise", "band": 10},
    "born_on": {"how": "generalise", "to": "year"},
    "postcode": {"how": "generalise", "prefix": 3},
    "plan": {"how": "generalise", "parents": {"basic": "paid"}},
}


def source(**more: object) -> Source:
    types = {"postcode": "text", "payment": "text", "born_on": "date"}
    return Source.read({"path": "people.csv", "types": types, "privacy": RULES, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("people")
    people().write_csv(made / "people.csv")
    return made


def stored(folder: Path, guard: Guard) -> pl.DataFrame:
    out = folder / "out.parquet"
    ingest("people", source(), folder, out, Silent(), guard=guard)
    return pl.read_parquet(out)


def test_every_rule_does_what_it_says(folder: Path) -> None:
    frame = stored(folder, Guard("people", source().privacy_rules("ingest"), {}, SECRET))
    raw = people()
    assert "contact" not in frame.columns
    key = hash_key(SECRET, Minimise(how="hash"), "people")
    assert frame["reach"].to_list() == [hashed_value(value, key) for value in raw["reach"]]
    assert set(frame["ssn"]) == {"999-99-9999"}
    assert frame["line"][0].endswith(raw["line"][0][-2:])
    assert frame["line"][0].startswith("+99 99 99999")
    assert frame["age"].to_list() == [value // 10 * 10 for value in raw["age"]]
    assert frame["born_on"].to_list() == [value.replace(month=1, day=1) for value in raw["born_on"]]
    assert frame["postcode"].str.len_chars().unique().to_list() == [3]
    assert set(frame["plan"]) == {"paid", OTHER}
    assert frame["spent"].to_list() == raw["spent"].to_list()


def test_no_raw_value_is_in_any_byte_of_the_folder(folder: Path, tmp_path: Path) -> None:
    """Also not in the scratch that a compressed source needs, nor in statistics of the Parquet file."""
    frame = stored(folder, Guard("people", source().privacy_rules("ingest"), {}, SECRET))
    raw = people()
    for column in ("reach", "ssn", "line"):
        kept = {str(value) for name in frame.columns for value in frame[name].cast(pl.String)}
        assert not kept & set(raw[column])
    data = (folder / "out.parquet").read_bytes()
    assert b"@example.org" not in data
    assert sorted(file.name for file in folder.iterdir()) == ["out.parquet", "people.csv"]


def test_a_join_works_within_the_workspace_and_not_outside() -> None:
    left = pl.DataFrame({"id": [1, 2, 3], "a": [1, 1, 1]}).lazy()
    right = pl.DataFrame({"id": ["2", "3", "4"], "b": [7, 8, 9]}).lazy()
    rule = {"id": Minimise(how="hash")}
    one, two = minimised(left, rule, SECRET, "x"), minimised(right, rule, SECRET, "y")
    assert one.join(two, on="id").select("a", "b").collect()["b"].to_list() == [7, 8]
    other = minimised(right, rule, bytes(32), "y")
    assert one.join(other, on="id").collect().is_empty()
    apart = {"id": Minimise(how="hash", salt="table")}
    joined = minimised(left, apart, SECRET, "x").join(minimised(right, apart, SECRET, "y"), on="id")
    assert joined.collect().is_empty()


def test_nulls_stay_nulls_and_masks_hide_more_than_half() -> None:
    frame = pl.DataFrame({"t": ["Ärger-42 Straße", "ab", None, ""]}).lazy()
    masked = minimised(frame, {"t": Minimise(how="mask", keep=2)}, None).collect()["t"].to_list()
    assert masked == ["Xxxxx-99 Xxxxße", "xx", None, ""]
    hashed = minimised(frame, {"t": Minimise(how="hash")}, SECRET).collect()["t"].to_list()
    assert hashed[2] is None
    assert len(set(hashed)) == 4


def test_a_rule_that_does_not_fit_is_refused_with_all_problems() -> None:
    frame = pl.DataFrame({"t": ["a"], "n": [1]}).lazy()
    rules = {
        "t": Minimise(how="generalise", band=10),
        "n": Minimise(how="generalise", to="year"),
        "x": Minimise(how="drop"),
    }
    with pytest.raises(InputError) as caught:
        minimised(frame, rules, None, "t")
    assert len(caught.value.problems) == 3
    with pytest.raises(ValidationError, match="exactly one"):
        Minimise(how="generalise", band=5, prefix=2)


def test_an_erased_subject_stays_out_whatever_the_column_is_stored_as(folder: Path) -> None:
    gone = people()["reach"][7]
    digest = hashed_value(gone, subject_key(SECRET))
    plain = stored(folder, Guard("people", {}, {"reach": [digest]}, SECRET))
    hashed = stored(folder, Guard("people", source().privacy_rules("ingest"), {"reach": [digest]}, SECRET))
    assert plain.height == hashed.height == people().height - 1
    assert gone not in set(plain["reach"])
    assert people()["customer_id"][7] not in set(hashed["customer_id"])
    frame = pl.DataFrame({"reach": [None, gone]}).lazy()
    assert without(frame, {"reach": [digest]}, SECRET).collect()["reach"].to_list() == [None]


def test_an_error_of_typing_tells_no_value_of_a_personal_column(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("ssn,home_phone\n123-45-6789,030 1234567\n")
    stated = Source.read({"path": "people.csv", "types": {"ssn": "int", "home_phone": "int"}})
    with pytest.raises(InputError) as caught:
        ingest("people", stated, tmp_path, tmp_path / "out.parquet", Silent())
    assert "6789" not in str(caught.value)
    assert "1234567" not in str(caught.value)
    assert "a personal value" in str(caught.value)


def test_groups_are_measured_as_by_hand() -> None:
    frame = people()
    found = k_anonymity(frame.lazy(), ["age", "gender"])
    sizes = frame.group_by("age", "gender").len()["len"]
    assert (found.k, found.groups, found.unique) == (sizes.min(), len(sizes), (sizes == 1).sum())
    assert found.below == sizes.filter(sizes < 5).sum()
    wide = minimised(frame.lazy(), {"age": Minimise(how="generalise", band=25)}, None)
    assert k_anonymity(wide, ["age", "gender"]).below < found.below
    assert k_anonymity(frame.lazy(), []).k == frame.height


def test_rows_expire_by_their_time() -> None:
    frame = pl.DataFrame({"at": [datetime(2024, 1, 1), datetime(2025, 6, 1), None]})
    before = RowRetention(by="at", keep="365d").before(datetime(2025, 7, 1, tzinfo=UTC))
    for typed in (frame, frame.with_columns(pl.col("at").dt.replace_time_zone("UTC"))):
        assert typed.select(earlier("at", before, typed.schema)).to_series().to_list() == [True, False, False]
    with pytest.raises(InputError, match="not a time column"):
        earlier("no", before, frame.schema)
