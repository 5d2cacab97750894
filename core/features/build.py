"""Building a training set: one row for each event, every feature as it was known at the prediction."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl

from core.features.asof import look_up
from core.features.availability import availability_problems
from core.features.expressions import as_utc, columns_read, computed, expression
from core.features.records import SPLITS, FeatureFill, SplitCount, TrainingSetResult
from core.features.static_leaks import request_reads, static_leaks
from core.features.views import features_of, view_values
from core.kernel.digests import digest_file
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import Project, Split

RESERVED = ("split", "label", "label_known_at", "prediction_time", "event_time")


def build_training_set(project: Project, tables: dict[str, Path], out: Path, progress: Progress) -> TrainingSetResult:
    """Write the training set as one Parquet file and say what is in it.

    Columns: ``split``, ``label`` (0, 1 or null), ``label_known_at``, ``prediction_time``,
    ``event_time``, the request's raw fields, then all features (text categories as text). Rows in
    equal rows out; they are sorted by prediction time and key, so equal input gives equal bytes.

    Args:
        tables: a Parquet file for each source and table that events and views name.

    Raises:
        InputError: when the project leaks (each leak a problem), or does not fit the tables.
    """
    events = read_events(project, tables)
    refuse_leaks(project, events)
    frame = labelled_requests(project, events)
    with computed("features.request"):
        frame = frame.with_columns(request_features(project, frame))
    for done, (name, view) in enumerate(project.features.views.items()):
        progress.check()
        progress.step(done, len(project.features.views) + 1, f"Feature view {name}")
        with computed(f"features.views.{name}"):
            values = view_values(name, view, tables[view.table]).collect()
            frame = frame.hstack(look_up(frame, values, name, view, "prediction_time"))
    frame = frame.select(*RESERVED, *raw_fields(project), *_new_features(project))
    _write(frame, out)
    progress.step(1, 1, f"{frame.height:,} rows written")
    return _summary(project, frame, out)


def read_events(project: Project, tables: dict[str, Path]) -> pl.DataFrame:
    """The events table, sorted by prediction time and key.

    Raises:
        InputError: when tables or columns are missing, names collide, or a prediction time is null.
    """
    _require_tables(project, tables)
    lazy = pl.scan_parquet(tables[project.events.table])
    have = lazy.collect_schema().names()
    needed = [*project.events.key, project.events.time, project.events.prediction_time, project.label.known_at]
    needed += [column for column, _ in request_reads(project)]
    needed += columns_read(project.label.expression, "label.expression")
    needed += [known for known in project.events.available.values() if known != "always"]
    problems = [
        Problem(f"Table {project.events.table!r} has no column {column!r}", where="events")
        for column in dict.fromkeys(needed)
        if column not in have
    ]
    if problems:
        raise InputError("The project does not fit its events table", problems=problems)
    events = lazy.sort(project.events.prediction_time, *project.events.key, maintain_order=True).collect()
    missing = events[project.events.prediction_time].null_count()
    if missing:
        raise InputError(f"{missing:,} events have no prediction time", where="events.prediction_time")
    return events


def refuse_leaks(project: Project, events: pl.DataFrame) -> None:
    """Stop before a leak gets into a file.

    Raises:
        InputError: with one problem for each leak, rows counted.
    """
    problems = list(dict.fromkeys([*static_leaks(project), *availability_problems(project, events)]))
    if problems:
        raise InputError(
            f"The features leak in {len(problems)} place{'s' if len(problems) > 1 else ''}",
            remedy="Each problem says how it can be repaired",
            problems=problems,
        )


def raw_fields(project: Project) -> list[str]:
    """The event columns that a request carries: key, what features read, and entities."""
    names = [*project.events.key, *(column for column, _ in request_reads(project))]
    return [name for name in dict.fromkeys(names) if name not in RESERVED]


def labelled_requests(project: Project, events: pl.DataFrame) -> pl.DataFrame:
    """Events with the reserved columns and the raw fields."""
    known = as_utc(project.label.known_at)
    label = expression(project.label.expression, "label.expression").cast(pl.Int8)
    with computed("label.expression"):
        frame = events.select(
            label.alias("label"),
            known.alias("label_known_at"),
            as_utc(project.events.prediction_time).alias("prediction_time"),
            as_utc(project.events.time).alias("event_time"),
            *raw_fields(project),
        )
    return frame.with_columns(split_column(project.split).alias("split"))


def split_column(split: Split) -> pl.Expr:
    """The split's name by prediction time; days begin at midnight UTC.

    A train or validation row whose label became known only after its period is purged (``none``):
    on the day the next period began, nobody could have learned from it (Lopez de Prado 2018, ch. 7).
    """
    periods: dict[str, tuple[date, date] | None] = {
        "train": split.train,
        "validate": split.validate_,
        "test": split.test,
        "production": split.production,
    }
    out = pl.lit("none")
    for name, period in periods.items():
        if period is not None:
            inside = pl.col("prediction_time").is_between(_midnight(period[0]), _midnight(period[1]), closed="left")
            if name in ("train", "validate"):
                late = pl.col("label").is_not_null() & (pl.col("label_known_at") >= _midnight(period[1]))
                inside = inside & ~late.fill_null(value=False)
            out = pl.when(inside).then(pl.lit(name)).otherwise(out)
    return out


def request_features(project: Project, frame: pl.DataFrame) -> list[pl.Expr]:
    """Expressions of the request features that are not themselves a raw field.

    Raises:
        InputError: when a feature has a raw field's name but is something else.
    """
    out, problems = [], []
    for name, feature in project.features.request.items():
        where = f"features.request.{name}"
        if name in frame.columns:
            if feature.expression.strip() != name or (feature.kind == "category") != (frame[name].dtype == pl.String):
                problems.append(Problem(f"Feature {name!r} has the name of a field but is not that field", where=where))
            continue
        kind = pl.String if feature.kind == "category" else pl.Float64
        out.append(expression(feature.expression, where).cast(kind).alias(name))
    taken = [*frame.columns, *project.features.request]
    for view_name, view in project.features.views.items():
        for name in features_of(view):
            if name in taken:
                problems.append(Problem(f"The name {name!r} is taken", where=f"features.views.{view_name}"))
            taken.append(name)
    if problems:
        raise InputError("Feature names collide", problems=problems)
    return out


def feature_names(project: Project) -> list[str]:
    """All features in the order of the contract: request first, then view by view."""
    return [
        *project.features.request,
        *(name for view in project.features.views.values() for name in features_of(view)),
    ]


def _new_features(project: Project) -> list[str]:
    raw = set(raw_fields(project))
    return [name for name in feature_names(project) if name not in raw]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _require_tables(project: Project, tables: dict[str, Path]) -> None:
    wanted = {project.events.table: "events.table"}
    wanted |= {view.table: f"features.views.{name}.table" for name, view in project.features.views.items()}
    problems = [
        Problem(f"There is no table {name!r}", where=where) for name, where in wanted.items() if name not in tables
    ]
    if problems:
        raise InputError("Tables are missing", problems=problems)


def _write(frame: pl.DataFrame, out: Path) -> None:
    part = out.with_name(out.name + ".part")
    frame.write_parquet(part, compression="zstd", compression_level=3, row_group_size=65_536)
    part.replace(out)


def _summary(project: Project, frame: pl.DataFrame, out: Path) -> TrainingSetResult:
    features = feature_names(project)
    nulls = frame.select(pl.col(features).null_count()).row(0)
    whole = labelled_by_period(project, frame)
    return TrainingSetResult(
        rows=frame.height,
        digest=digest_file(out),
        columns=frame.columns,
        fields=raw_fields(project),
        features=features,
        splits=split_counts(frame),
        purged=whole,
        fill=[
            FeatureFill(name=name, nulls=count, share=count / max(frame.height, 1))
            for name, count in zip(features, nulls, strict=True)
        ],
    )


def labelled_by_period(project: Project, frame: pl.DataFrame) -> int:
    """Rows inside the train or validation period that are in no split because their label came too late."""
    split = project.split
    inside = [
        pl.col("prediction_time").is_between(_midnight(start), _midnight(end), closed="left")
        for start, end in (split.train, split.validate_)
    ]
    return frame.filter(pl.any_horizontal(inside) & (pl.col("split") == "none")).height


def split_counts(frame: pl.DataFrame) -> list[SplitCount]:
    """Rows, labels and base rate of each split, in the order of time."""
    out = []
    for name in SPLITS:
        labels = frame.filter(pl.col("split") == name)["label"]
        rate = labels.cast(pl.Float64).mean()
        out.append(
            SplitCount(
                split=name,
                rows=labels.len(),
                labelled=labels.len() - labels.null_count(),
                unlabelled=labels.null_count(),
                positive_rate=rate if isinstance(rate, float) else None,
            )
        )
    return out
