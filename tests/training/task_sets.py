"""Real tables for each kind of task, as training sets with their contracts: hourly bike hire (ISLP) and wine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from core.contract.schema import Contract, Feature, Field_
from core.contract.tasks import Task, output_of

SPLITS = {"train": 0.6, "validate": 0.75, "test": 1.01}
FLOATS = ("temp", "hum", "windspeed")
CATEGORIES = ["weathersit", "mnth"]
NUMBERS = ["hr", "temp", "hum", "windspeed", "workingday"]


def bikeshare() -> pl.DataFrame:
    """The table as its package has it."""
    spec = find_spec("ISLP")
    assert spec is not None
    assert spec.submodule_search_locations
    return pl.read_csv(Path(spec.submodule_search_locations[0]) / "data" / "Bikeshare.csv")


def hours() -> pl.DataFrame:
    """Every third hour of 2011 with its time, and when its hire was known."""
    begun = pl.datetime(2011, 1, 1, time_zone="UTC") + pl.duration(days=pl.col("day") - 1, hours=pl.col("hr"))
    frame = bikeshare().with_columns(begun.alias("at"), pl.format("h{}", pl.int_range(pl.len())).alias("id"))
    frame = frame.with_columns((pl.col("at") + pl.duration(hours=1)).alias("known")).gather_every(3)
    return frame.select("id", "at", "known", "weathersit", "hr", "temp", "hum", "workingday", "bikers")


def bikes() -> pl.DataFrame:
    """3,000 hours of hire in 2011, shuffled over the year so that small splits see all seasons."""
    frame = bikeshare()
    frame = frame.filter(pl.col("weathersit") != "heavy rain/snow").sample(3_000, shuffle=True, seed=3)
    share = pl.int_range(pl.len()) / pl.len()
    split = pl.when(share < SPLITS["train"]).then(pl.lit("train"))
    split = split.when(share < SPLITS["validate"]).then(pl.lit("validate")).otherwise(pl.lit("test"))
    begun = datetime(2011, 1, 1, tzinfo=UTC)
    return frame.with_columns(
        split.alias("split"),
        (pl.lit(begun) + pl.int_range(pl.len()) * timedelta(hours=1)).cast(pl.Datetime("us", "UTC"))
        .alias("prediction_time"),
        pl.format("h{}", pl.int_range(pl.len())).alias("hour_id"),
        pl.when(pl.int_range(pl.len()) % 23 == 0).then(None).otherwise(pl.col("hum")).alias("hum"),
    )  # fmt: skip


LABELS: dict[Task, pl.Expr] = {
    "binary": (pl.col("bikers") > 140).cast(pl.Int8),
    "multiclass": pl.when(pl.col("bikers") > 250).then(pl.lit("busy")).when(pl.col("bikers") > 80)
    .then(pl.lit("usual")).otherwise(pl.lit("calm")),
    "regression": pl.col("bikers").cast(pl.Float64),
}  # fmt: skip


def training_set(task: Task, folder: Path) -> tuple[Path, Contract]:
    """A training set of one kind of task, and its contract."""
    frame = bikes().with_columns(LABELS[task].alias("label"))
    kept = ["split", "label", "prediction_time", "hour_id", *CATEGORIES, *NUMBERS]
    path = folder / f"{task}.parquet"
    frame.select(kept).write_parquet(path)
    train = frame.filter(pl.col("split") == "train")
    levels = {name: train[name].unique().sort().to_list() for name in CATEGORIES}
    features = [
        Feature(name=name, kind="category", origin="request", expression=name, levels=levels[name])
        for name in CATEGORIES
    ] + [Feature(name=name, kind="number", origin="request", expression=name) for name in NUMBERS]
    fields = [Field_(name="hour_id", type="text"), Field_(name="prediction_time", type="time")]
    fields += [Field_(name=name, type="text") for name in CATEGORIES]
    fields += [Field_(name=name, type="float" if name in FLOATS else "int", nullable=name == "hum") for name in NUMBERS]
    contract = Contract(
        model="bikes",
        version="1",
        fields=fields,
        key=["hour_id"],
        time_field="prediction_time",
        features=features,
        checks=[],
        task=task,
        classes=train["label"].unique().sort().to_list() if task == "multiclass" else [],
        output=output_of(task),
    )
    return path, contract
