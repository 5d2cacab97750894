"""Explanations of a model's answers. Cheap to import: the window reads them without a frame library."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record

METHODS = {
    "trees": "exact Shapley values of the packaged trees",
    "additive": "exact Shapley values of an additive model",
    "sampled": "Shapley values estimated over random orders of the features",
}


class FeatureEffect(Record):
    """How much one feature moves the answer: the mean size of its Shapley values over the explained rows."""

    feature: str
    mean_abs: float
    mean_abs_error: float = Field(description="Standard error of that mean over the rows")
    direction: float = Field(description="Rank correlation of a number's value with its Shapley value; 0 otherwise")


class RowExplanation(Record):
    """One row's answer, from the base to the margin, feature by feature in the order of ``Explanation.features``."""

    key: str
    label: str | None
    prediction: float
    loss: float
    output: str = Field(default="", description="Which class's margin is explained, where there are several")
    base: float
    margin: float
    contributions: list[float]
    values: list[str]


class Dependence(Record):
    """Mean answer with one feature set to each value of ``grid`` (partial dependence), and single rows' own lines."""

    feature: str
    kind: Literal["number", "category"]
    grid: list[float | str]
    mean: list[float]
    rows: list[list[float]] = Field(description="One line for each of a few rows (individual conditional expectation)")
    at: list[float] = Field(default_factory=list, description="Deciles of the number among the rows")


class Explanation(Record):
    """Why the model answers as it does, from the graph that is packaged.

    Shapley values are interventional, against rows of the train period, on ``scale``. ``largest_gap``
    is the worst difference between a row's answer and the base plus its values; ``largest_error``
    the largest standard error of a value, 0 for exact methods.
    """

    method: Literal["trees", "additive", "sampled"]
    scale: Literal["log-odds", "probability", "label"]
    outputs: list[str] = Field(default_factory=list, description="Classes, where there are several")
    features: list[str]
    base: list[float]
    rows: int
    background_rows: int
    largest_gap: float
    largest_error: float
    effects: list[FeatureEffect]
    explained: list[RowExplanation]
    dependence: list[Dependence]
