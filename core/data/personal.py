"""Which columns may hold personal data: proposals with a reason and a confidence, for a person to decide.

Two witnesses are heard, the column's name and a sample of its values. What names one person (an
e-mail address, an IBAN) is proposed wherever it is found; what only helps to single somebody out (a
postcode, coordinates, a nearly unique number) only in a table that is about people, since airports
have coordinates too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import polars as pl
from pydantic import Field

from core.data.personal_content import free_text, kind_of_values, mentions
from core.data.personal_words import ONLY_ABOUT_PEOPLE, about_people, class_of, kind_of_name
from core.kernel.records import Record

SAMPLE = 10_000
_PIECES = 20
_NEARLY_UNIQUE = 0.9
_LEAST_ROWS = 50


class PersonalFinding(Record):
    """A proposal for one column. ``confidence`` in (0, 1]: how sure, not a probability."""

    column: str
    kind: str
    sort: Literal["direct", "quasi", "sensitive"]
    confidence: float
    reason: str


class PersonalReport(Record):
    """All proposals for one table, and how far its rows hide in groups (see ``core.measures.anonymity``)."""

    table: str
    rows: int
    sampled: int
    findings: list[PersonalFinding] = Field(default_factory=list)
    anonymity: dict[str, object] | None = None

    def columns(self) -> list[str]:
        """Names of the proposed columns."""
        return [finding.column for finding in self.findings]


def propose_personal(frame: pl.LazyFrame, table: str) -> PersonalReport:
    """Look at names and at up to 10,000 rows spread over ``frame``; the same rows give the same answer."""
    rows, sample = spread_sample(frame)
    found = [finding for name in sample.columns if (finding := _look(name, sample[name], table)) is not None]
    people = about_people(table) or any(_speaks_of_people(finding) for finding in found)
    kept = [finding for finding in found if people or finding.kind not in ONLY_ABOUT_PEOPLE]
    if people:
        known = {finding.column for finding in kept}
        kept += [more for name in sample.columns if name not in known and (more := _beside(name, sample[name]))]
    order = {name: number for number, name in enumerate(sample.columns)}
    kept.sort(key=lambda finding: order[finding.column])
    return PersonalReport(table=table, rows=rows, sampled=sample.height, findings=kept)


def suspected_by_name(column: str) -> bool:
    """Whether the name alone announces personal data: before anything is known, its values are not told."""
    return kind_of_name(column) is not None


def spread_sample(frame: pl.LazyFrame, size: int = SAMPLE) -> tuple[int, pl.DataFrame]:
    """All rows, or slices spread evenly over a longer frame: few row groups are read."""
    rows = int(frame.select(pl.len()).collect().item())
    if rows <= size:
        return rows, frame.collect()
    length, step = size // _PIECES, rows // _PIECES
    return rows, pl.concat(pl.collect_all([frame.slice(number * step, length) for number in range(_PIECES)]))


def _speaks_of_people(finding: PersonalFinding) -> bool:
    """Whether a column with that finding makes its table one about people."""
    return finding.kind not in ONLY_ABOUT_PEOPLE and finding.kind != "free_text"


def _look(name: str, values: pl.Series, table: str) -> PersonalFinding | None:
    named = kind_of_name(name)
    seen = _by_values(values)
    if seen is not None:
        kind, share, reason = seen
        sure = min(0.99, 0.7 + 0.2 * share + (0.09 if named == kind else 0.0))
        return _finding(name, kind, sure, f"{reason} ({share:.0%} of the sample)")
    if named is not None and _plausible(named, values):
        return _finding(name, named, 0.6, f"the column's name says {named.replace('_', ' ')}")
    if name.lower() in ("name", "names") and about_people(table):
        return _finding(name, "person_name", 0.6, f"it is the name in a table of {table}")
    return None


def _by_values(values: pl.Series) -> tuple[str, float, str] | None:
    if values.dtype.is_integer():
        values = values.drop_nulls()
        long = len(values) > 0 and float(str(values.min())) > 10**12
        seen = kind_of_values(values.cast(pl.String)) if long else None
        return seen if seen and seen[0] == "card" else None
    if values.dtype != pl.String:
        return None
    text = values.drop_nulls().str.strip_chars()
    text = text.filter(text.str.len_bytes() > 0)
    seen = kind_of_values(text)
    if seen is not None:
        kind, share, reason = seen
        return ("national_id" if kind.startswith("national_id") else kind), share, reason
    if count := mentions(text):
        return "free_text", count / len(text), "texts mention e-mail addresses or phone numbers"
    return None


def _plausible(kind: str, values: pl.Series) -> bool:
    """Whether the values may be of the kind that the name says: an age lies below 130, an e-mail is no number."""
    known = values.drop_nulls()
    if known.is_empty():
        return True
    number = known.dtype.is_numeric()
    if kind == "age":
        low, high = (float(str(known.min())), float(str(known.max()))) if number else (0.0, 0.0)
        return low >= 0 and high <= 130
    if kind == "coordinates":
        return number and float(str(known.abs().max())) <= 180
    if kind in ("email", "person_name", "ip", "address"):
        return known.dtype == pl.String
    return known.dtype != pl.Boolean or kind in ("health", "family", "belief", "sex")


def _beside(name: str, values: pl.Series) -> PersonalFinding | None:
    """In a table about people: free text, and what is nearly unique."""
    known = values.drop_nulls()
    if len(known) < _LEAST_ROWS:
        return None
    if known.dtype == pl.String and free_text(known):
        return _finding(name, "free_text", 0.5, "free text in a table about people may say anything of them")
    share = known.n_unique() / len(known)
    if share >= _NEARLY_UNIQUE and (known.dtype == pl.String or known.dtype.is_integer()):
        return _finding(name, "unique", 0.5, f"{share:.0%} of the values are unique: one value singles a person out")
    return None


def _finding(column: str, kind: str, confidence: float, reason: str) -> PersonalFinding:
    sort = "quasi" if kind == "free_text" else class_of(kind)
    return PersonalFinding.read(
        {"column": column, "kind": kind, "sort": sort, "confidence": round(confidence, 2), "reason": reason}
    )


def quasi_identifiers(findings: Sequence[PersonalFinding]) -> list[str]:
    """The columns that together may single somebody out; what names one person directly is not among them."""
    return [finding.column for finding in findings if finding.sort == "quasi" and finding.kind not in _NOT_GROUPED]


_NOT_GROUPED = ("free_text", "unique")
