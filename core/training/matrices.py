"""The training set as matrices, through the contract's own transformation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.kernel.errors import InputError

Matrix = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Columns:
    """Where numbers and categories sit in the matrix; ``sizes`` counts each category's codes, unknown included."""

    numbers: list[int]
    categories: list[int]
    sizes: list[int]

    @property
    def offsets(self) -> list[int]:
        """Where each category's codes begin when all of them share one table."""
        return [sum(self.sizes[:i]) for i in range(len(self.sizes))]


@dataclass(frozen=True)
class TrainingData:
    """Labelled rows of train and validation, in the order of time: x float32 [n, d], y 0/1 [n]."""

    columns: Columns
    x: Matrix
    y: Labels
    x_validate: Matrix
    y_validate: Labels


def columns_of(contract: Contract) -> Columns:
    """The layout of a contract's matrix."""
    kinds = [(i, feature) for i, feature in enumerate(contract.features)]
    return Columns(
        numbers=[i for i, feature in kinds if feature.kind == "number"],
        categories=[i for i, feature in kinds if feature.kind == "category"],
        sizes=[len(feature.levels) + 1 for _, feature in kinds if feature.kind == "category"],
    )


def training_data(frame: pl.DataFrame, contract: Contract) -> TrainingData:
    """Matrices of the labelled train and validation rows.

    Raises:
        InputError: when one of the two splits lacks rows of either class.
    """
    parts = []
    for split in ("train", "validate"):
        rows = frame.filter((pl.col("split") == split) & pl.col("label").is_not_null())
        labels = rows["label"].cast(pl.Int8).to_numpy()
        if not (labels.any() and not labels.all()):
            raise InputError(
                f"The {split} split needs labelled rows of both classes; it has {labels.size:,} labelled rows",
                where=f"split.{split}",
                remedy="Check the period and the label's expression",
            )
        parts.append((transformer_of(contract).matrix(rows), labels))
    (x, y), (x_validate, y_validate) = parts
    return TrainingData(columns_of(contract), x, y, x_validate, y_validate)


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
