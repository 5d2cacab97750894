"""Reading a predictions file and refusing what cannot be judged, all problems at once."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from core.kernel.errors import InputError, Problem, SystemFault

NEEDED = ("key", "split", "prediction_time", "label", "probability")


def read_predictions(path: Path, features: list[str]) -> pl.DataFrame:
    """The file as a frame of ``key`` text, ``split``, ``prediction_time`` UTC, ``label`` bool,
    ``probability`` float and ``features``; rows without a label keep a null there.

    Raises:
        InputError: for absent columns, repeated keys, or probabilities that are null or outside [0, 1].
        SystemFault: when the file cannot be read.
    """
    frame = _typed(read_columns(path, [*NEEDED, *features]))
    _refuse(frame, path.name)
    return frame


def read_scores(path: Path) -> pl.DataFrame:
    """Only ``key`` text and ``probability`` float of a predictions file, one row a key; null scores left out."""
    frame = read_columns(path, ["key", "probability"])
    typed = frame.select(pl.col("key").cast(pl.String), pl.col("probability").cast(pl.Float64).fill_nan(None))
    return typed.drop_nulls().unique("key", keep="first", maintain_order=True)


def read_columns(path: Path, columns: list[str]) -> pl.DataFrame:
    """The named columns of a predictions file.

    Raises:
        InputError: naming every column that is absent.
        SystemFault: when the file cannot be read.
    """
    try:
        scan = pl.scan_parquet(path)
        names = scan.collect_schema().names()
        wanted = list(dict.fromkeys(columns))
        problems = [Problem(what=f"column {name!r} is absent", where=path.name) for name in wanted if name not in names]
        if problems:
            raise InputError("The predictions lack columns", where=path.name, problems=problems)
        return scan.select(wanted).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise SystemFault("Cannot read the predictions", detail=str(error), where=path.name) from error


def _typed(frame: pl.DataFrame) -> pl.DataFrame:
    time = frame.schema["prediction_time"]
    if time == pl.String:
        moment = pl.col("prediction_time").str.to_datetime(time_unit="us", time_zone="UTC", strict=False)
    else:
        moment = pl.col("prediction_time").cast(pl.Datetime("us", "UTC"))
    label = pl.col("label")
    if frame.schema["label"].is_float():
        label = label.fill_nan(None)
    return frame.with_columns(
        pl.col("key").cast(pl.String),
        moment,
        label.cast(pl.Float64).alias("label"),
        pl.col("probability").cast(pl.Float64),
    )


def _refuse(frame: pl.DataFrame, where: str) -> None:
    """Raise when a row cannot be judged honestly."""
    score, label = pl.col("probability"), pl.col("label")
    wrong = frame.select(
        ((score.is_null()) | score.is_nan() | ~score.is_between(0.0, 1.0)).fill_null(True).sum().alias("probability"),
        (label.is_not_null() & ~label.is_in([0.0, 1.0])).sum().alias("label"),
        pl.struct("split", "key").is_duplicated().sum().alias("key"),
        pl.col("prediction_time").is_null().sum().alias("prediction_time"),
    ).row(0, named=True)
    words = {
        "probability": "is null or outside 0 to 1",
        "label": "is neither 0, 1 nor null",
        "key": "occurs more than once in its split",
        "prediction_time": "is null or not a time",
    }
    problems = [
        Problem(what=f"{name} {words[name]} in {count:,} rows", where=f"{where} column {name}")
        for name, count in wrong.items()
        if count
    ]
    if problems:
        raise InputError("The predictions cannot be judged", where=where, problems=problems)


def labelled(frame: pl.DataFrame, split: str, where: str) -> tuple[pl.DataFrame, int]:
    """The rows of one split that have a label, and how many have none.

    Raises:
        InputError: when the split is absent or its labels are of one class.
    """
    part = frame.filter(pl.col("split") == split)
    known = part.filter(pl.col("label").is_not_null()).with_columns(pl.col("label").cast(pl.Boolean))
    positives = int(known["label"].sum() or 0)
    if positives in (0, known.height):
        splits = ", ".join(sorted(str(name) for name in frame["split"].unique()))
        raise InputError(
            f"The {split} split has {known.height:,} labelled rows and {positives:,} positives",
            detail=f"The file holds the splits: {splits or 'none'}.",
            where=where,
            remedy="Both classes are needed to judge a model.",
        )
    return known, part.height - known.height
