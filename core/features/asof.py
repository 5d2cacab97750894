"""Looking a view's values up as of an instant: one row in, one row out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from core.features.views import features_of, values_by_time
from core.kernel.durations import span
from core.kernel.errors import InputError, Problem
from core.project.schema import FeatureView


def max_age_s(view: FeatureView) -> float | None:
    """Age in seconds beyond which a value counts as null, offline and online alike."""
    return span(view.tolerance).total_seconds() if view.tolerance else None


def joined_views(
    views: Mapping[str, FeatureView], tables: Mapping[str, Path], rows: pl.DataFrame, at: str
) -> pl.DataFrame:
    """The features of several views for each row, view by view. See :func:`look_up`."""
    found = [
        look_up(rows, values_by_time(name, view, tables[view.table]), name, view, at) for name, view in views.items()
    ]
    return pl.concat(found, how="horizontal") if found else pl.DataFrame()


def look_up(
    rows: pl.DataFrame, values: pl.DataFrame | pl.LazyFrame, name: str, view: FeatureView, at: str
) -> pl.DataFrame:
    """The view's features for each row, as of the time in column ``at`` (UTC).

    Args:
        rows: n rows with the view's entity columns and ``at``. Rows in order of ``at`` are not sorted again.
        values: what :func:`core.features.views.view_values` or ``values_by_time`` gives.

    Returns:
        n rows in the same order with the view's features only; null where nothing was known, where
        the entity is null, or where the value is older than the tolerance.

    Raises:
        InputError: when the view asks for a join that looks ahead.
    """
    if view.join != "backward":
        raise InputError(
            f"View {name!r} asks for a {view.join} join, which reads values from after the prediction",
            where=f"features.views.{name}.join",
            remedy="Use join: backward",
        )
    left = rows.select(*view.entity, pl.col(at).alias("_at"))
    in_order = left["_at"].is_sorted()
    if not in_order:
        left = left.with_row_index("_row").sort("_at", maintain_order=True)
    right = values if isinstance(values, pl.LazyFrame) else values.lazy().sort("valid_from", maintain_order=True)
    _require_alike(left.schema, right.collect_schema(), name, view)
    joined = left.lazy().join_asof(
        right, left_on="_at", right_on="valid_from", by=view.entity, coalesce=False, check_sortedness=False
    )
    known = pl.all_horizontal(pl.col(view.entity).is_not_null())
    if view.tolerance:
        known = known & (pl.col("_at") - pl.col("valid_from") <= span(view.tolerance))
    features = [pl.when(known).then(pl.col(feature)).alias(feature) for feature in features_of(view)]
    if in_order:
        return joined.select(features).collect()
    return joined.sort("_row").select(features).collect()


def _require_alike(left: pl.Schema, right: pl.Schema, name: str, view: FeatureView) -> None:
    """Entities are looked up by equal values of one type."""
    problems = [
        Problem(
            f"{column!r} is {left[column]} among the events and {right[column]} in {view.table!r}",
            where=f"features.views.{name}.entity",
            remedy="Cast one of them in a table under tables:, or in the source's types",
        )
        for column in view.entity
        if left[column] != right[column]
    ]
    if problems:
        raise InputError(f"View {name!r} cannot be looked up by its entity", problems=problems)
