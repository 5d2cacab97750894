"""The training set as matrices, through the contract's own transformation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.contract.tasks import Task
from core.kernel.errors import InputError

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
WEIGHT = "weight"


@dataclass(frozen=True)
class Columns:
    """Where numbers and categories sit in the matrix; ``sizes`` counts each category's codes, unknown included."""

    numbers: list[int]
    categories: list[int]
    sizes: list[int]
    names: list[str] = field(default_factory=list)

    @property
    def offsets(self) -> list[int]:
        """Where each category's codes begin when all of them share one table."""
        return [sum(self.sizes[:i]) for i in range(len(self.sizes))]


@dataclass(frozen=True)
class TrainingData:
    """Labelled rows of train and validation, in the order of time: x float32 [n, d].

    ``y`` [n] is 0 or 1 (int8), the place of the class in ``classes`` (int64), or a number (float64).
    ``weight`` [n] says how much each train row counts; none when all count alike.
    """

    columns: Columns
    x: Matrix
    y: Labels
    x_validate: Matrix
    y_validate: Labels
    task: Task = "binary"
    classes: list[str] = field(default_factory=list)
    weight: Floats | None = None
    unseen: dict[str, int] = field(default_factory=dict)

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for one row."""
        return len(self.classes) if self.task == "multiclass" else 1


def columns_of(contract: Contract) -> Columns:
    """The layout of a contract's matrix."""
    kinds = [(i, feature) for i, feature in enumerate(contract.features)]
    return Columns(
        numbers=[i for i, feature in kinds if feature.kind == "number"],
        categories=[i for i, feature in kinds if feature.kind == "category"],
        sizes=[len(feature.levels) + 1 for _, feature in kinds if feature.kind == "category"],
        names=[feature.name for feature in contract.features],
    )


def training_data(frame: pl.DataFrame, contract: Contract) -> TrainingData:
    """Matrices of the labelled train and validation rows.

    Validation rows of a class that train does not have are left out and counted in ``unseen``: no
    model can name them.

    Raises:
        InputError: when one of the two splits has too few labelled rows for the task.
    """
    train = frame.filter((pl.col("split") == "train") & pl.col("label").is_not_null())
    later = frame.filter((pl.col("split") == "validate") & pl.col("label").is_not_null())
    unseen: dict[str, int] = {}
    if contract.task == "multiclass":
        strange = later.filter(~pl.col("label").is_in(contract.classes))
        unseen = dict(strange["label"].value_counts(name="n").sort("label").iter_rows())
        later = later.filter(pl.col("label").is_in(contract.classes))
    y, y_validate = (_labels(rows, split, contract) for rows, split in ((train, "train"), (later, "validate")))
    matrix = transformer_of(contract).matrix
    return TrainingData(
        columns=columns_of(contract),
        x=matrix(train),
        y=y,
        x_validate=matrix(later),
        y_validate=y_validate,
        task=contract.task,
        classes=contract.classes,
        weight=_weights(train, contract),
        unseen=unseen,
    )


def codes_of(label: pl.Series, classes: list[str]) -> npt.NDArray[np.int64]:
    """The place of each label among the classes; -1 for another one."""
    codes = label.cast(pl.Enum(classes), strict=False).to_physical().cast(pl.Int64)
    return codes.fill_null(-1).to_numpy(writable=True)


def _labels(rows: pl.DataFrame, split: str, contract: Contract) -> Labels:
    """The labels of one split in the form of the task."""
    label = rows["label"]
    make: dict[Task, Callable[[], Labels]] = {
        "binary": lambda: label.cast(pl.Int8).to_numpy(),
        "multiclass": lambda: codes_of(label.cast(pl.String), contract.classes),
        "regression": lambda: label.cast(pl.Float64).to_numpy(),
    }
    values = make[contract.task]()
    needed = {"binary": "rows of both classes", "multiclass": "rows of two classes", "regression": "numbers that vary"}
    enough = len(np.unique(values)) >= 2 or (split == "validate" and contract.task == "multiclass" and values.size)
    if not enough:
        raise InputError(
            f"The {split} split needs labelled {needed[contract.task]}; it has {values.size:,} labelled rows",
            where=f"split.{split}",
            remedy="Check the period and the label's expression",
        )
    return values


def _weights(train: pl.DataFrame, contract: Contract) -> Floats | None:
    """The column of weights, unless a field or feature has that name: then rows are not weighed."""
    taken = {*(field.name for field in contract.fields), *(feature.name for feature in contract.features)}
    if WEIGHT not in train.columns or WEIGHT in taken:
        return None
    weight = train[WEIGHT].cast(pl.Float64).to_numpy()
    if not weight.sum() > 0:
        raise InputError("No train row has a weight above 0", where="training.weight")
    return weight


def read_training_set(path: Path) -> pl.DataFrame:
    """The training set's rows.

    Raises:
        InputError: when the file is not a training set.
    """
    frame = pl.read_parquet(path)
    missing = [name for name in ("split", "label", "prediction_time") if name not in frame.columns]
    if missing:
        raise InputError(f"{path.name} is not a training set: it has no {', '.join(missing)}")
    return frame
