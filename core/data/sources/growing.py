"""A table that grows: the rows it has, and after them those that came since, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from core.contract.rules import type_class
from core.data.drift import require_needed, schema_drift
from core.data.minimise import Guard
from core.data.records import ColumnType, Former, Ingested, IngestResult, SchemaDrift
from core.data.sources.raw import Raw
from core.data.sources.types import column_types, grown_types, refuse_misfits, require_stated
from core.data.typing_text import typed
from core.data.writing import described, sink, whole_file
from core.kernel.digests import digest_file, digest_json
from core.kernel.errors import InputError
from core.kernel.progress import Progress
from core.project.schema import Source

POLARS: Mapping[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
}
PAGES = "pages"
_TURN = "\x1fturn"
_ROW = "\x1frow"


@dataclass(frozen=True)
class Task:
    """What is to be ingested, from where it goes on, and where to."""

    name: str
    source: Source
    project_dir: Path
    out: Path
    progress: Progress
    former: Former | None
    before: Path | None
    needed: frozenset[str]
    secret: str
    guard: Guard | None = None

    def guarded(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Typed rows as they may be written: without erased subjects, with columns minimised."""
        return self.guard(frame) if self.guard else frame

    @property
    def removes(self) -> bool:
        """Whether the guard may leave rows out."""
        return self.guard is not None and self.guard.removes

    def unchanged_columns(self, base: Former) -> Former:
        """The table before without the columns that are minimised: their stored type says nothing of what comes."""
        rules = self.guard.rules if self.guard else {}
        kept = {name: kind for name, kind in base.columns.items() if name not in rules}
        return base.model_copy(update={"columns": kept})

    @property
    def base(self) -> Former | None:
        """What the new rows are added to: the snapshot before, if it is of this very definition."""
        same = self.former is not None and self.former.definition == self.source.definition()
        return self.former if same and self.before is not None else None

    @property
    def pages(self) -> Path:
        """Where fetched rows wait; what lies there after a kill is used again."""
        folder = self.out.with_name(PAGES)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def written(
    task: Task,
    result: IngestResult,
    drift: SchemaDrift,
    *,
    new: int,
    updated: int = 0,
    watermark: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Ingested:
    """The record of a file that was just written."""
    return Ingested(
        **result.model_dump(),
        rows_new=new,
        rows_updated=updated,
        watermark=dict(watermark or {}),
        definition=task.source.definition(),
        drift=drift,
        notes=list(notes),
    )


def unchanged(task: Task, former: Former, notes: Sequence[str] = ()) -> Ingested:
    """Nothing came: the snapshot before is this one."""
    return Ingested(
        table=task.name,
        rows=former.rows,
        columns=[ColumnType(name=name, type=kind) for name, kind in former.columns.items()],
        source_digest=former.source_digest,
        schema_digest="",
        size=0,
        unchanged=True,
        rows_new=0,
        watermark=former.watermark,
        definition=former.definition,
        notes=list(notes),
    )


def grow(task: Task, raw: Raw, watermark: Mapping[str, Any], *, edge: str = "", notes: Sequence[str] = ()) -> Ingested:
    """Write the table before and, after its rows, the new ones.

    ``edge`` is a column by which the new rows were asked for from the greatest value on that the
    table had: those of them that it has already are left out, each as often as it has them.

    Raises:
        InputError: for drift that the table cannot take, for columns the project needs and lost, for no row at all.
    """
    base, source = task.base, task.source
    types = column_types(raw, source, task.name, task.progress)
    if base is not None:
        types = grown_types(raw, types, task.unchanged_columns(base), source, task.name)
    schema = raw.frame.collect_schema()
    came = task.guarded(raw.frame.select(typed(column, schema[column], types[column]) for column in schema))
    types |= {name: type_class(dtype) for name, dtype in came.collect_schema().items()}
    drift = SchemaDrift()
    if task.former is not None:
        drift = schema_drift(task.former.columns, task.before, came)
        require_needed(task.name, drift, task.needed, task.former)
    require_stated(source, raw.frame.collect_schema(), task.name)
    refuse_misfits(raw, source)
    if base is None:
        return _write(task, None, _newest(came, source), drift, watermark, notes)
    old = pl.scan_parquet(task.before).with_columns(pl.col(name).cast(POLARS[types[name]]) for name in base.columns)  # type: ignore[arg-type]
    if edge:
        came = without_known(came, old, edge)
    return _write(task, old, _newest(came, source), drift, watermark, notes)


def replace(task: Task, raw: Raw) -> Ingested:
    """Write the new rows as the whole table; the same rows as before are the snapshot before."""
    source = task.source
    types = column_types(raw, source, task.name, task.progress)
    schema = raw.frame.collect_schema()
    frame = task.guarded(raw.frame.select(typed(column, schema[column], types[column]) for column in schema))
    drift = SchemaDrift()
    if task.former is not None:
        drift = schema_drift(task.former.columns, task.before, frame)
        require_needed(task.name, drift, task.needed, task.former)
    require_stated(source, schema, task.name)
    refuse_misfits(raw, source)
    with whole_file(task.out) as part:
        sink(frame, part, task.progress)
    result = described(task.name, task.out, digest_file(task.out))
    if not result.rows:
        task.out.unlink()
        raise InputError(f"The source {task.name} has no rows", where=task.name)
    if task.base is not None and task.base.source_digest == result.source_digest:
        return unchanged(task, task.base)
    return written(task, result, drift, new=result.rows)


def without_known(came: pl.LazyFrame, old: pl.LazyFrame, edge: str) -> pl.LazyFrame:
    """``came`` without the rows at its edge that ``old`` has, in ``came``'s order; of equal rows as many as it has."""
    last = old.select(pl.col(edge).max()).collect().item()
    if last is None:
        return came
    columns = [name for name in came.collect_schema().names() if name in old.collect_schema()]
    known = old.filter(pl.col(edge) == last).select(columns).collect()
    first = came.filter(pl.col(edge) == last).collect()
    turn = pl.int_range(pl.len()).over(columns).alias(_TURN)
    alike = pl.concat([known, first.select(columns)], how="vertical_relaxed")  # a page without values has no type
    left, right = alike.tail(first.height).with_columns(turn), alike.head(known.height).with_columns(turn)
    have = pl.Series(range(first.height), dtype=pl.UInt32)
    if known.height:
        rest = left.with_row_index(_ROW).join(right, on=[*columns, _TURN], how="anti", nulls_equal=True)
        have = rest[_ROW].sort()
    return pl.concat([first[have].lazy(), came.filter(pl.col(edge) > last)])


def _newest(came: pl.LazyFrame, source: Source) -> pl.LazyFrame:
    """Of several new rows with one key the last, where rows are updated by key."""
    if source.on_conflict == "append" or not source.key:
        return came
    return came.unique(subset=source.key, keep="last", maintain_order=True)


def _write(
    task: Task,
    old: pl.LazyFrame | None,
    came: pl.LazyFrame,
    drift: SchemaDrift,
    watermark: Mapping[str, Any],
    notes: Sequence[str],
) -> Ingested:
    new, updated = int(came.select(pl.len()).collect().item()), 0
    if new == 0:
        if task.base is None:
            raise InputError(f"The source {task.name} has no rows yet", where=task.name)
        return unchanged(task, task.base, notes)
    whole = came
    if old is not None and task.base is not None:
        if task.source.on_conflict == "update" and task.source.key:
            keys = came.select(task.source.key).unique()
            old = old.join(keys, on=task.source.key, how="anti", nulls_equal=True, maintain_order="left")
            updated = task.base.rows - int(old.select(pl.len()).collect().item())
        whole = pl.concat([old, came], how="diagonal")
    task.progress.step(3, 5, f"writing {task.name}")
    with whole_file(task.out) as part:
        sink(whole, part, task.progress)
    mark = dict(watermark)
    result = described(task.name, task.out, digest_json({"definition": task.source.definition(), "watermark": mark}))
    task.progress.step(5, 5, f"{new - updated:,} new rows")
    return written(task, result, drift, new=new - updated, updated=updated, watermark=mark, notes=notes)
