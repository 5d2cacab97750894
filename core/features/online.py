"""What the online store must hold: the same view values, cut by time instead of joined.

Replaying :func:`online_updates` hour by hour and looking an entity up gives exactly the values of
the training set, because both read :func:`core.features.views.view_values`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from core.features.views import view_values
from core.project.schema import Project


def write_view_values(project: Project, tables: dict[str, Path], folder: Path) -> dict[str, Path]:
    """Write the values of every view once; :func:`updates_between` and :func:`state_at` read them."""
    folder.mkdir(parents=True, exist_ok=True)
    out = {}
    for name, view in project.features.views.items():
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


def state_at(project: Project, values: dict[str, Path], at: datetime) -> dict[str, pl.DataFrame]:
    """The newest row of every entity with ``valid_from <= at``, by view."""
    return {
        name: pl.scan_parquet(values[name])
        .filter(pl.col("valid_from") <= at)
        .unique(view.entity, keep="last", maintain_order=True)
        .sort(view.entity)
        .collect()
        for name, view in project.features.views.items()
    }


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
    return {
        name: view_values(name, view, tables[view.table])
        .filter(pl.col("valid_from") <= at)
        .unique(view.entity, keep="last", maintain_order=True)
        .collect()
        for name, view in project.features.views.items()
    }
