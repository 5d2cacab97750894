"""Building a training set: one row for each event, every feature as it was known at the prediction."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, time
from pathlib import Path

import polars as pl

from core.contract.tasks import Task
from core.features.asof import look_up
from core.features.availability import availability_problems
from core.features.expressions import as_utc, columns_read, computed, expression
from core.features.records import SPLITS, FeatureFill, SplitCount, TrainingSetResult
from core.features.static_leaks import request_reads, static_leaks
from core.features.views import features_of, values_by_time
from core.kernel.digests import digest_file
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import Project, Split

ROW_GROUP = 65_536
RESERVED = ("split", "label", "label_known_at", "prediction_time", "event_time")
WEIGHT = "weight"  # reserved too, in a project that weighs its rows
LABELS: dict[Task, pl.DataType] = {"binary": pl.Int8(), "multiclass": pl.String(), "regression": pl.Float64()}


def build_training_set(project: Project, tables: dict[str, Path], out: Path, progress: Progress) -> TrainingSetResult:
    """Write the training set as one Parquet file and say what is in it.

    Columns: ``split``, ``label`` (0 or 1, a text, or a number; null where unknown),
    ``label_known_at``, ``prediction_time``, ``event_time``, ``weight`` where rows are weighed, the
    request's raw fields, then all features (text categories as text). Rows in equal rows out; they are
    sorted by prediction time and key, so equal input gives equal bytes.

    Args:
        tables: a Parquet file for each source and table that events and views name.

    Raises:
        InputError: when the project leaks (each leak a problem), or does not fit the tables.
    """
    parts = out.with_name(f".{out.name}.parts")
    shutil.rmtree(parts, ignore_errors=True)  # of a build that was killed, perhaps over other tables
    parts.mkdir(parents=True)
    try:
        sides = _write_sides(project, tables, parts, progress)
        progress.check()
        _join_sides(project, sides, out)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    result = _summary(project, out)
    progress.step(1, 1, f"{result.rows:,} rows written")
    return result


def _write_sides(project: Project, tables: dict[str, Path], parts: Path, progress: Progress) -> list[Path]:
    """One file of the requests and one for each view, row by row beside each other.

    Only the requests' entities and times stay in memory, and one view at a time.
    """
    events = read_events(project, tables, columns_needed(project))
    refuse_leaks(project, events)
    frame = labelled_requests(project, events)
    del events
    with computed("features.request"):
        frame = frame.with_columns(request_features(project, frame))
    sides = [_side(frame, parts / "requests.parquet")]
    entities = [column for view in project.features.views.values() for column in view.entity]
    asked = frame.select("prediction_time", *dict.fromkeys(entities))
    del frame
    for done, (name, view) in enumerate(project.features.views.items()):
        progress.check()
        progress.step(done, len(project.features.views) + 1, f"Feature view {name}")
        with computed(f"features.views.{name}"):
            values = values_by_time(name, view, tables[view.table])
            sides.append(_side(look_up(asked, values, name, view, "prediction_time"), parts / f"{name}.parquet"))
    return sides


def _side(frame: pl.DataFrame, file: Path) -> Path:
    frame.write_parquet(file, compression="lz4", row_group_size=ROW_GROUP)
    return file


def _join_sides(project: Project, sides: list[Path], out: Path) -> None:
    """Stream the sides into one file, whole or not at all."""
    part = out.with_name(out.name + ".part")
    whole = pl.concat([pl.scan_parquet(side) for side in sides], how="horizontal")
    chosen = whole.select(*reserved(project), *raw_fields(project), *_new_features(project))
    chosen.sink_parquet(part, compression="zstd", compression_level=3, row_group_size=ROW_GROUP, maintain_order=True)
    part.replace(out)


def columns_needed(project: Project) -> list[str]:
    """The columns of the events table that requests, labels and the checks of availability read."""
    events = project.events
    needed = [*events.key, events.time, events.prediction_time, project.label.known_at]
    needed += [column for column, _ in request_reads(project)]
    needed += columns_read(project.label.expression, "label.expression")
    needed += columns_read(project.training.weight, "training.weight") if project.training.weight else []
    needed += [known for known in events.available.values() if known != "always"]
    return list(dict.fromkeys(needed))


def read_events(project: Project, tables: dict[str, Path], columns: list[str] | None = None) -> pl.DataFrame:
    """The events table (some ``columns`` of it, or all), sorted by prediction time and key.

    Raises:
        InputError: when tables or columns are missing, names collide, or a prediction time is null.
    """
    _require_tables(project, tables)
    lazy = pl.scan_parquet(tables[project.events.table])
    have = lazy.collect_schema().names()
    problems = [
        Problem(f"Table {project.events.table!r} has no column {column!r}", where="events")
        for column in columns_needed(project)
        if column not in have
    ]
    if problems:
        raise InputError("The project does not fit its events table", problems=problems)
    lazy = lazy if columns is None else lazy.select(columns)
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


def reserved(project: Project) -> tuple[str, ...]:
    """The columns of a training set that are neither a field nor a feature."""
    return (*RESERVED, WEIGHT) if project.training.weight else RESERVED


def raw_fields(project: Project) -> list[str]:
    """The event columns that a request carries: key, what features read, and entities."""
    names = [*project.events.key, *(column for column, _ in request_reads(project))]
    return [name for name in dict.fromkeys(names) if name not in RESERVED]


def labelled_requests(project: Project, events: pl.DataFrame) -> pl.DataFrame:
    """Events with the reserved columns and the raw fields.

    Raises:
        InputError: when a name is taken, or a label or weight is not what the task needs.
    """
    known = as_utc(project.label.known_at)
    label = expression(project.label.expression, "label.expression").cast(LABELS[project.label.task])
    label = label.fill_nan(None) if project.label.task == "regression" else label
    if project.training.weight and WEIGHT in (*raw_fields(project), *feature_names(project)):
        raise InputError(f"The name {WEIGHT!r} is taken by the weight of the rows", where="training.weight")
    with computed("label.expression"):
        frame = events.select(
            label.alias("label"),
            known.alias("label_known_at"),
            as_utc(project.events.prediction_time).alias("prediction_time"),
            as_utc(project.events.time).alias("event_time"),
            *raw_fields(project),
        )
    with computed("training.weight"):
        frame = frame.with_columns(_weight(project, events))
    check_labels(project, frame)
    return frame.with_columns(split_column(project.split).alias("split"))


def _weight(project: Project, events: pl.DataFrame) -> list[pl.Series]:
    if not project.training.weight:
        return []
    weight = expression(project.training.weight, "training.weight").cast(pl.Float64).alias(WEIGHT)
    return [events.select(weight)[WEIGHT]]


def check_labels(project: Project, frame: pl.DataFrame) -> None:
    """Labels are 0 and 1, texts or finite numbers, and weights finite and not negative.

    Raises:
        InputError: with how many rows are not so.
    """
    wrong = {
        "binary": ~pl.col("label").is_in([0, 1]),
        "multiclass": pl.col("label").str.len_chars() == 0,
        "regression": pl.col("label").is_infinite(),
    }[project.label.task]
    problems = []
    if count := frame.filter(pl.col("label").is_not_null() & wrong).height:
        expected = {"binary": "0 and 1 (or task: multiclass, task: regression)", "multiclass": "a text"}
        problems.append(
            Problem(
                f"{count:,} labels do not fit a {project.label.task} task",
                "label.expression",
                expected.get(project.label.task, "a finite number"),
            )
        )
    if project.training.weight:
        weight = pl.col(WEIGHT)
        bad = frame.filter(~(weight.is_finite() & (weight >= 0)).fill_null(value=False)).height
        if bad:
            problems.append(Problem(f"{bad:,} rows have no weight of 0 or more", "training.weight", "a number each"))
    if problems:
        raise InputError("Labels or weights cannot be used", problems=problems)


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


def _summary(project: Project, out: Path) -> TrainingSetResult:
    features = feature_names(project)
    written = pl.scan_parquet(out)
    nulls = written.select(pl.col(features).null_count()).collect().row(0)
    frame = written.select("split", "label", "prediction_time").collect()
    return TrainingSetResult(
        rows=frame.height,
        digest=digest_file(out),
        columns=written.collect_schema().names(),
        fields=raw_fields(project),
        features=features,
        splits=split_counts(frame),
        purged=labelled_by_period(project, frame),
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
        rate = labels.mean() if labels.dtype == pl.Int8 else None
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
