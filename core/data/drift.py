"""Schema drift of a source: which columns came, went, changed their type or only their name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path

import polars as pl

from core.data.records import Former, Renamed, Retyped, SchemaDrift
from core.data.writing import columns_of
from core.kernel.errors import InputError, Problem

_SAMPLE = 10_000
_SURE = 0.8  # contents this much alike are one column, whatever it is called
_LIKELY = 0.5  # with a name that is alike as well


def schema_drift(former: Mapping[str, str], before: Path | None, now: pl.LazyFrame) -> SchemaDrift:
    """Columns of ``now``, already in the types of a snapshot, against those of the snapshot before.

    A column that went is paired with one that came if they have one type and look alike: by the
    overlap of their values (1 minus the total variation distance for texts and truths, 1 minus the
    Kolmogorov-Smirnov distance for numbers and times, over the first 10,000 rows) and by their names.
    """
    after = {column.name: column.type for column in columns_of(now.collect_schema())}
    gone = [name for name in former if name not in after]
    came = [name for name in after if name not in former]
    renamed = _renamed(former, after, gone, came, before, now) if gone and came else []
    old, new = {item.before for item in renamed}, {item.after for item in renamed}
    return SchemaDrift(
        new=[name for name in came if name not in new],
        missing=[name for name in gone if name not in old],
        retyped=[
            Retyped(name=name, before=kind, after=after[name])
            for name, kind in former.items()
            if name in after and after[name] != kind
        ],
        renamed=renamed,
    )


def _renamed(
    former: Mapping[str, str],
    after: Mapping[str, str],
    gone: list[str],
    came: list[str],
    before: Path | None,
    now: pl.LazyFrame,
) -> list[Renamed]:
    left = _sample(pl.scan_parquet(before), gone) if before is not None else None
    right = _sample(now, came)
    scores = []
    for old in gone:
        for new in came:
            if former[old] != after[new]:
                continue
            content = _alike(left[old], right[new]) if left is not None else 0.0
            name = SequenceMatcher(None, old.lower(), new.lower()).ratio()
            if content >= _SURE or name >= _SURE or (content >= _LIKELY and name >= _LIKELY):
                scores.append((max(content, name), old, new))
    found: list[Renamed] = []
    for score, old, new in sorted(scores, key=lambda item: (-item[0], gone.index(item[1]), came.index(item[2]))):
        if all(old != item.before and new != item.after for item in found):
            found.append(Renamed(before=old, after=new, alike=round(score, 4)))
    return found


def _sample(frame: pl.LazyFrame, names: list[str]) -> pl.DataFrame:
    there = set(frame.collect_schema().names())
    return frame.select(name for name in names if name in there).head(_SAMPLE).collect()


def _alike(left: pl.Series, right: pl.Series) -> float:
    a, b = left.drop_nulls(), right.drop_nulls()
    if not a.len() or not b.len():
        return 0.0
    if a.dtype in (pl.String, pl.Boolean):
        return 1.0 - _total_variation(a, b)
    return 1.0 - _kolmogorov_smirnov(a.cast(pl.Float64), b.cast(pl.Float64))


def _total_variation(a: pl.Series, b: pl.Series) -> float:
    shares = [
        one.alias("value").to_frame().group_by("value").agg((pl.len() / one.len()).alias(name))
        for one, name in ((a, "a"), (b, "b"))
    ]
    both = shares[0].join(shares[1], on="value", how="full", coalesce=True).fill_null(0.0)
    return float((both["a"] - both["b"]).abs().sum()) / 2


def _kolmogorov_smirnov(a: pl.Series, b: pl.Series) -> float:
    points = pl.concat([a, b]).unique().sort()
    low, high = a.sort(), b.sort()
    left = low.search_sorted(points, side="right") / a.len()
    right = high.search_sorted(points, side="right") / b.len()
    return float((left - right).abs().max() or 0.0)  # type: ignore[arg-type]


def require_needed(name: str, drift: SchemaDrift, needed: Collection[str], former: Former) -> None:
    """Refuse a source that lost columns that the project uses: one error, with what each may be called now.

    Raises:
        InputError: naming all of them, and the rest of the drift.
    """
    now = {item.before: item for item in drift.renamed}
    lost = [column for column in former.columns if column in needed and (column in now or column in drift.missing)]
    if not lost:
        return
    others = [line for line in drift.lines() if not line.startswith(("renamed", "missing"))]
    raise InputError(
        f"The source {name} has drifted: it lost {len(lost)} of the columns that the project needs",
        where=name,
        detail="; ".join(others),
        problems=[_lost(name, column, now.get(column), drift) for column in lost],
        remedy="Give the columns their names again at the source, or write the new names into plimsoll.yaml.",
    )


def _lost(name: str, column: str, renamed: Renamed | None, drift: SchemaDrift) -> Problem:
    if renamed is not None:
        hint = f"Renamed to {renamed.after!r}? ({renamed.alike:.0%} alike)"
    else:
        near = get_close_matches(column, drift.new, n=1, cutoff=0.6)
        hint = f"Renamed to {near[0]!r}?" if near else ""
    return Problem(f"the column {column!r} is missing", where=name, remedy=hint)
