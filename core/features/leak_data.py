"""What the leak tests look at: the training set, its features, and beside it the outcomes and groups of each row."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import polars as pl

from core.features.build import feature_names
from core.features.static_leaks import outcome_columns
from core.measures.classification import Bools, Floats
from core.project.schema import Project

LATER = ("validate", "test")
MOST_TARGETS = 20
TOLD = ("train", *LATER)


@dataclass(frozen=True)
class LeakData:
    """One row for each row of ``frame``, which has at least ``split``, ``label`` and ``features``.

    ``outcomes`` are the columns from which the label is made, ``groups`` those that must not be split,
    ``accepted`` the features that a person vouches for.
    """

    frame: pl.DataFrame
    features: list[str]
    outcomes: pl.DataFrame = field(default_factory=pl.DataFrame)
    groups: pl.DataFrame = field(default_factory=pl.DataFrame)
    accepted: dict[str, str] = field(default_factory=dict)

    @cached_property
    def label(self) -> Floats:
        """The label as floats, NaN where unknown; classes as their place in the order of names."""
        label = self.frame["label"]
        if label.dtype == pl.String:
            label = label.rank("dense")
        return label.cast(pl.Float64).fill_null(float("nan")).to_numpy()

    @cached_property
    def targets(self) -> list[Floats]:
        """What a mean can be taken of: the label, or of several classes whether it is each of the commonest."""
        label = self.frame["label"]
        if label.dtype != pl.String:
            return [self.label]
        common = label.drop_nulls().value_counts(sort=True, name="n")["label"].head(MOST_TARGETS).sort()
        return [(label == name).cast(pl.Float64).fill_null(float("nan")).to_numpy() for name in common]

    def rows(self, *splits: str) -> Bools:
        """Where the split is one of these."""
        out: Bools = self.frame["split"].is_in(list(splits)).to_numpy()
        return out

    @cached_property
    def wholes(self) -> dict[str, Bools]:
        """Sets of rows that somebody may have computed statistics over, the largest first, each once."""
        everything = np.ones(self.frame.height, dtype=np.bool_)
        known = np.isfinite(self.label)
        named = {
            "the whole table": everything,
            "all labelled rows": known,
            "all periods": ~self.rows("none"),
            "train, validation and test": self.rows(*TOLD),
            "train and validation": self.rows("train", "validate"),
        }
        out: dict[str, Bools] = {}
        for name, rows in named.items():
            if rows.any() and not any((rows == other).all() for other in out.values()):
                out[name] = rows
        return out


def leak_data(project: Project, frame: pl.DataFrame, events: pl.DataFrame) -> LeakData:
    """The training set of a project beside the columns of its events that it does not carry."""
    key = project.events.key
    beside = list(dict.fromkeys([*outcome_columns(project), *project.split.groups]))
    if frame.height == events.height and frame.select(key).equals(events.select(key)):
        rows = events.select(beside)
    else:
        rows = frame.select(key).join(
            events.select(*key, *[name for name in beside if name not in key]).unique(key),
            on=key,
            how="left",
            maintain_order="left",
        )
    return LeakData(
        frame=frame,
        features=[name for name in feature_names(project) if name in frame.columns],
        outcomes=rows.select(outcome_columns(project)),
        groups=rows.select(project.split.groups),
        accepted=project.leakage.accepted,
    )
