"""What the online store must hold: the same view values, cut by time instead of joined.

Replaying :func:`updates_between` hour by hour on top of :func:`state_at` and looking an entity up gives
exactly the values of the training set, because both read :func:`core.features.views.view_values`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

import polars as pl

from core.features.views import features_of, view_values
from core.kernel.errors import InputError, Problem
from core.project.schema import FeatureView, Project
from core.serving.online_records import Row

PLAIN = (pl.Boolean, pl.String)


def write_view_values(
    project: Project, tables: dict[str, Path], folder: Path, names: Iterable[str] | None = None
) -> dict[str, Path]:
    """Write the values of views (all, or those of ``names``) once; the functions below read them."""
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for name in project.features.views if names is None else names:
        view = project.features.views[name]
        out[name] = folder / f"{name}.parquet"
        part = out[name].with_suffix(".part")
        values = view_values(name, view, tables[view.table]).sort("valid_from", *view.entity)
        values.collect().write_parquet(part, compression="zstd", compression_level=3)
        part.replace(out[name])
    return out


def updates_between(values: dict[str, Path], since: datetime, until: datetime) -> dict[str, pl.DataFrame]:
    """Rows (``valid_from``, entity, features) that become valid in [since, until), by view, in time order."""
    inside = pl.col("valid_from").is_between(since, until, closed="left")
    return {name: pl.scan_parquet(path).filter(inside).collect() for name, path in values.items()}


def newest_at(view: FeatureView, values: Path | pl.LazyFrame, at: datetime) -> pl.DataFrame:
    """The newest row of every entity of one view with ``valid_from <= at``, sorted by entity."""
    lazy = pl.scan_parquet(values) if isinstance(values, Path) else values
    newest = lazy.filter(pl.col("valid_from") <= at).unique(view.entity, keep="last", maintain_order=True)
    return newest.sort(view.entity).collect()


def state_at(project: Project, values: dict[str, Path], at: datetime) -> dict[str, pl.DataFrame]:
    """The newest row of every entity with ``valid_from <= at``, by view."""
    return {name: newest_at(view, values[name], at) for name, view in project.features.views.items()}


def online_updates(
    project: Project, tables: dict[str, Path], since: datetime, until: datetime
) -> dict[str, pl.DataFrame]:
    """Rows that become valid in [since, until), computed from the tables."""
    inside = pl.col("valid_from").is_between(since, until, closed="left")
    return {
        name: view_values(name, view, tables[view.table]).filter(inside).sort("valid_from", *view.entity).collect()
        for name, view in project.features.views.items()
    }


def online_state(project: Project, tables: dict[str, Path], at: datetime) -> dict[str, pl.DataFrame]:
    """The newest row of every entity with ``valid_from <= at``, computed from the tables."""
    views = project.features.views.items()
    return {name: newest_at(view, view_values(name, view, tables[view.table]), at) for name, view in views}


def store_rows(name: str, view: FeatureView, frame: pl.DataFrame) -> Iterator[Row]:
    """Rows (``valid_from``, entity, features) in the form that an online store takes.

    Raises:
        InputError: for columns that are neither numbers, text nor booleans, each by name.
    """
    features = features_of(view)
    _require_plain(name, frame.select(*view.entity, *features))
    times = frame.select(pl.col("valid_from").dt.epoch("us").cast(pl.Float64) / 1e6).to_series()
    keys = zip(*(_cells(frame[column]) for column in view.entity), strict=True)
    cells = zip(*(_cells(frame[column]) for column in features), strict=True)
    for at, key, values in zip(times, keys, cells, strict=True):
        yield at, key, dict(zip(features, values, strict=True))


def _cells(column: pl.Series) -> list[bool | int | float | str | None]:
    return (column if column.dtype.is_numeric() or column.dtype in PLAIN else column.cast(pl.String)).to_list()


def _require_plain(name: str, frame: pl.DataFrame) -> None:
    problems = [
        Problem(
            f"{column!r} is {kind}", where=f"features.views.{name}", expected="a number, text or a boolean",
            remedy="Cast it in the view's expression",
        )
        for column, kind in frame.schema.items()
        if not (kind.is_integer() or kind.is_float() or kind in (*PLAIN, pl.Categorical, pl.Enum))
    ]  # fmt: skip
    if problems:
        raise InputError(f"View {name!r} cannot be kept in an online store", problems=problems)
