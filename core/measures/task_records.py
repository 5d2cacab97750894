"""Records of quality for labels of several classes and for labels that are numbers. Cheap to import."""

from __future__ import annotations

from pydantic import Field

from core.kernel.records import Record
from core.measures.records import Estimate, Histogram, PairedTest, ReliabilityBin


class ClassQuality(Record):
    """One class against all others. ``auc`` is null when the class, or every other one, is absent."""

    name: str
    rows: int
    precision: float
    recall: float
    f1: float
    auc: Estimate | None = None
    ece: float


class TopLabel(Record):
    """Calibration of the called class: is it right as often as its probability says (Guo 2017)?"""

    bins: list[ReliabilityBin]
    ece: float
    classwise_ece: float = Field(description="Mean over the classes of each class's own calibration error")


class ClassMatrix(Record):
    """Confusion of k classes: ``counts[i][j]`` rows of class i were called class j (sums of weights, if any)."""

    classes: list[str]
    counts: list[list[float]]


class ClassDecision(Record):
    """Calling the class of least expected cost; ``costs`` and ``counts`` are by true and called class.

    Costs are the mean of a row. ``saving`` is what calling the most probable class costs more, ``constant`` the
    class that is cheapest when all rows are called alike.
    """

    classes: list[str]
    costs: list[list[float]]
    counts: list[list[float]]
    changed: int = Field(description="Rows that are called another class than the most probable one")
    cost: float
    cost_most_probable: float
    saving: PairedTest
    constant: str
    cost_constant: float


class ResidualBin(Record):
    """Rows of neighbouring predictions: means, and how the residuals (label minus prediction) spread."""

    rows: int
    prediction: float
    label: float
    residual: float
    low: float = Field(description="10 % quantile of the residuals")
    high: float = Field(description="90 % quantile of the residuals")


class Residuals(Record):
    """How label minus prediction is spread; ``normal`` pairs quantiles with those of a normal of the same spread."""

    mean: float
    std: float
    skew: float
    quantiles: dict[str, float]
    histogram: Histogram
    bins: list[ResidualBin]
    normal: list[tuple[float, float]]
    heteroscedasticity: float = Field(description="Rank correlation of the prediction with the size of the residual")


class LossSlice(Record):
    """Mean loss where ``features`` take ``values``, against all other rows; ``figure`` is what people read.

    The loss is log loss for classes and squared error for numbers; the figure is accuracy or the mean
    absolute error. ``difference`` fields are slice minus rest.
    """

    features: list[str]
    values: list[str]
    rows: int
    share: float
    adequate: bool
    loss: float
    low: float
    high: float
    difference: float | None
    figure: float
    figure_difference: float | None
    p: float | None = None
    q: float | None = None
    significant: bool = False

    @property
    def name(self) -> str:
        """``carrier=OO · origin=EWR``."""
        return " · ".join(f"{feature}={value}" for feature, value in zip(self.features, self.values, strict=True))
