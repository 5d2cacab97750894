"""Checks that only the rows themselves suggest: keys of several columns, order, patterns, references, relations.

Every guess is tried on the whole table before it is proposed, so that the table it came from passes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from core.contract.expressions import parse_expression, roots
from core.contract.rules import type_class
from core.contract.schema import Check
from core.data.propose import Proposal, from_profile
from core.kernel.errors import InputError
from core.measures.records import ColumnProfile, TableProfile

_ENOUGH_ROWS = 200  # fewer rows hold too many things by accident
_SAMPLE = 20_000  # rows on which most guesses die
_MOST_KEY_COLUMNS = 8
_MOST_PAIRS = 400
_MOST_SHAPES = 4
_MOSTLY = 0.95
_RECENT = timedelta(days=7)


class Other(NamedTuple):
    """Another table of the project, with its profile."""

    frame: pl.LazyFrame
    profile: TableProfile


def propose(frame: pl.LazyFrame, profile: TableProfile, others: Mapping[str, Other], now: datetime) -> list[Proposal]:
    """All checks that the profile and the rows of a table suggest; the table passes every one."""
    found = from_profile(profile)
    if profile.rows < _ENOUGH_ROWS:
        return found
    found += [*_keys(frame, profile, found), *_order(frame, profile), *_fresh(frame, profile, now)]
    return [*found, *_patterns(frame, profile), *_relations(frame, profile), *_references(frame, profile, others)]


def _keys(frame: pl.LazyFrame, profile: TableProfile, found: list[Proposal]) -> list[Proposal]:
    """The first and smallest combination of complete columns that no two rows share."""
    if any(proposal.check.kind == "unique" for proposal in found):
        return []
    able = [
        column for column in profile.columns if column.nulls == 0 and (column.distinct or 0) > 1 and _countable(column)
    ]
    able = sorted(able, key=lambda column: (column.kind == "number", -(column.distinct or 0)))[:_MOST_KEY_COLUMNS]
    for size in (1, 2, 3):
        for columns in itertools.combinations(able, size):
            names = [column.name for column in columns]
            rows = 1
            for column in columns:
                rows *= column.distinct or 1
            if rows >= profile.rows and _distinct(frame, names, profile.rows):
                return [Proposal(Check(kind="unique", columns=names), "no two rows share them today")]
    return []


def _countable(column: ColumnProfile) -> bool:
    return column.kind in ("text", "time") or "Int" in column.type


def _distinct(frame: pl.LazyFrame, names: list[str], rows: int) -> bool:
    for part, size in ((frame.head(_SAMPLE), min(rows, _SAMPLE)), (frame, rows)):
        if int(part.select(pl.struct(names).n_unique()).collect(engine="streaming").item()) < size:
            return False
    return True


def _order(frame: pl.LazyFrame, profile: TableProfile) -> list[Proposal]:
    times = [column.name for column in profile.columns if column.kind == "time" and (column.distinct or 0) > 1]
    if not times:
        return []
    falls = [(pl.col(name) < pl.col(name).forward_fill().shift(1)).any().alias(name) for name in times]
    row = frame.select(falls).collect(engine="streaming").row(0, named=True)
    return [
        Proposal(Check(kind="monotonic", columns=[name], severity="warn"), "the rows are in this order today")
        for name, falling in row.items()
        if not falling
    ]


def _fresh(frame: pl.LazyFrame, profile: TableProfile, now: datetime) -> list[Proposal]:
    """Only for a table that is fresh: an old one would fail at once."""
    names = [column.name for column in profile.columns if column.type.startswith("Datetime")]
    out = []
    for name, newest in (frame.select(pl.col(names).max()).collect().row(0, named=True) if names else {}).items():
        age = now - (newest if newest.tzinfo else newest.replace(tzinfo=now.tzinfo)) if newest else None
        if age is not None and timedelta(0) <= age <= _RECENT:
            hours = max(24, int(2 * age.total_seconds() // 3600) + 1)
            check = Check(kind="fresh", columns=[name], max_age=f"{hours}h", severity="warn")
            out.append(Proposal(check, f"the newest is {age.total_seconds() / 3600:.0f} hours old today"))
    return out


def _patterns(frame: pl.LazyFrame, profile: TableProfile) -> list[Proposal]:
    """Codes: texts of few shapes, where a shape is what is left when letters and digits are all alike."""
    out = []
    for column in profile.columns:
        known = column.rows - column.nulls
        if column.kind != "text" or (column.distinct or 0) < 20 or known < _ENOUGH_ROWS:
            continue
        text = pl.col(column.name).cast(pl.String)
        shape = text.str.replace_all("[A-Z]", "A").str.replace_all("[a-z]", "a").str.replace_all("[0-9]", "9")
        distinct = frame.select(shape.alias("s")).drop_nulls().unique().head(_MOST_SHAPES + 1)
        shapes = sorted(distinct.collect(engine="streaming")["s"].to_list())
        if len(shapes) <= _MOST_SHAPES and all(0 < len(one) <= 40 for one in shapes):
            pattern = "|".join(_regex(one) for one in shapes)
            check = Check(kind="matches", columns=[column.name], pattern=pattern, severity="warn")
            out.append(Proposal(check, f"{len(shapes)} shape{'s' * (len(shapes) > 1)} of text today"))
    return out


def _regex(shape: str) -> str:
    classes = {"A": "[A-Z]", "a": "[a-z]", "9": "[0-9]"}
    runs = ((char, len(list(run))) for char, run in itertools.groupby(shape))
    return "".join(classes.get(char, re.escape(char)) + (f"{{{n}}}" if n > 1 else "") for char, n in runs)


def _relations(frame: pl.LazyFrame, profile: TableProfile) -> list[Proposal]:
    """``a <= b`` and ``a + b = c`` that hold for every row, though ranges overlap."""
    sums = _sums(frame, profile)
    pairs = [pair for pair in itertools.permutations(profile.columns, 2) if _comparable(*pair)][:_MOST_PAIRS]
    tests = {f"{a.name} <= {b.name}": (a.name, b.name) for a, b in pairs}
    for part in (frame.head(_SAMPLE), frame):
        if not tests:
            return sums
        broken = part.select((pl.col(a) > pl.col(b)).any().alias(text) for text, (a, b) in tests.items())
        row = broken.collect(engine="streaming").row(0, named=True)
        tests = {text: pair for text, pair in tests.items() if row[text] is False}
    known = frame.select(
        pl.all_horizontal(pl.col(list(pair)).is_not_null()).sum().alias(text) for text, pair in tests.items()
    )
    seen = known.collect(engine="streaming").row(0, named=True)
    return sums + [
        Proposal(Check(kind="compare", columns=[a, b], operator="<="), "holds for every row today")
        for text, (a, b) in tests.items()
        if seen[text] >= _ENOUGH_ROWS
    ]


def _comparable(a: ColumnProfile, b: ColumnProfile) -> bool:
    """Alike in type, many-valued, and so placed that the order of two values is no matter of course."""
    if a.kind != b.kind or a.type != b.type or min(a.distinct or 0, b.distinct or 0) < 20:
        return False
    if a.kind == "time":
        return True
    if a.kind != "number" or not all(isinstance(end, float) for end in (a.min, a.max, b.min, b.max)):
        return False
    return a.quantiles.get("p95", 0.0) > b.quantiles.get("p05", 0.0) and a.max <= b.max and a.min <= b.min  # type: ignore[operator]


def _sums(frame: pl.LazyFrame, profile: TableProfile) -> list[Proposal]:
    able = [column for column in profile.columns if "Int" in column.type and column.name.isidentifier()]
    numbers = [column for column in able if (column.distinct or 0) >= 20 and column.nulls == 0][:12]
    tests = {
        f"{a.name} + {b.name} = {c.name}": pl.col(a.name) + pl.col(b.name) == pl.col(c.name)
        for a, b in itertools.combinations(numbers, 2)
        for c in numbers
        if c.name not in (a.name, b.name)
    }
    for part in (frame.head(_SAMPLE), frame):
        if not tests:
            return []
        row = part.select(test.all().alias(text) for text, test in tests.items()).collect(engine="streaming")
        tests = {text: test for text, test in tests.items() if row[text].item()}
    return [Proposal(Check(kind="expression", expression=_quoted(text)), "holds for every row today") for text in tests]


def _quoted(text: str) -> str:
    """Names in quotes where SQL would read them otherwise."""
    names = [word for word in text.split(" ") if word not in ("+", "=")]
    return text if _reads(text, names) else '"{}" + "{}" = "{}"'.format(*names)


def _reads(text: str, names: list[str]) -> bool:
    """Whether SQL sees just these names in a text; a word of its own, such as order, it does not."""
    try:
        return set(roots(parse_expression(text, who="A sum"))) == set(names)
    except InputError:
        return False


def _references(frame: pl.LazyFrame, profile: TableProfile, others: Mapping[str, Other]) -> list[Proposal]:
    """Columns whose values are (nearly) all keys of another table."""
    out = []
    schema = frame.collect_schema()
    for (name, other), column in itertools.product(sorted(others.items()), profile.columns):
        if column.kind not in ("text", "number") or (column.distinct or 0) < 2:
            continue
        for their in other.profile.columns:
            if not _may_refer(column, their, other.profile.rows) or type_class(schema[column.name]) == "float":
                continue
            known = (
                other.frame.select(pl.col(their.name).cast(schema[column.name]).alias(column.name))
                .drop_nulls()
                .unique()
            )
            values = frame.select(column.name).drop_nulls()
            total = column.rows - column.nulls
            share = 1 - int(values.join(known, on=column.name, how="anti").select(pl.len()).collect().item()) / total
            settings = {"kind": "references", "columns": [column.name], "table": name, "column": their.name}
            if share == 1.0:
                out.append(Proposal(Check.read(settings), f"every value is a {name}.{their.name} today"))
            elif share >= _MOSTLY:
                check = Check.read({**settings, "mostly": int((2 * share - 1) * 1000) / 1000, "severity": "warn"})
                out.append(Proposal(check, f"{share:.2%} of the values are a {name}.{their.name} today"))
    return out


def _may_refer(ours: ColumnProfile, theirs: ColumnProfile, rows: int) -> bool:
    """Their column is a key of the same type, and it is no accident: whole numbers must have the same name."""
    is_key = theirs.nulls == 0 and theirs.distinct == rows and (ours.distinct or 0) <= 2 * rows
    same = ours.name == theirs.name
    return is_key and ours.kind == theirs.kind and (same or (ours.kind == "text" and (ours.distinct or 0) >= 3))
