"""Records of the statistics. Cheap to import: no frame and no array library."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record


class Estimate(Record):
    """A number with its interval (95 % unless ``confidence`` says otherwise) and how that was made."""

    value: float
    low: float | None = None
    high: float | None = None
    method: str = ""
    confidence: float = 0.95


class Moments(Record):
    """Count, mean and sum of squared deviations: what merges exactly (Chan, Golub and LeVeque 1983)."""

    count: int
    mean: float
    m2: float

    @property
    def variance(self) -> float:
        """Sample variance (divisor ``count - 1``); 0 for fewer than two values."""
        return self.m2 / (self.count - 1) if self.count > 1 else 0.0


class Histogram(Record):
    """``len(counts)`` bins of equal width; ``edges`` has one more. The last bin is closed on both sides."""

    edges: list[float]
    counts: list[int]


class TopValue(Record):
    """A value, as text, and how often it occurs."""

    value: str
    count: int


class TextFacts(Record):
    """What texts look like. Lengths are in characters; counts are of rows that are not null.

    ``blank`` is white space only, ``empty`` included; ``numbers``, ``dates`` and ``emails`` look like such.
    """

    min_length: int
    max_length: int
    mean_length: float
    empty: int = 0
    blank: int = 0
    numbers: int = 0
    dates: int = 0
    emails: int = 0


class ColumnProfile(Record):
    """What a column holds. For ``time`` columns numbers are seconds since 1970 and min/max are UTC text.

    ``duration`` is in seconds, ``clock`` (a time of day) in seconds since midnight. A ``list`` is described
    by its lengths, with ``elements`` for what stands inside. ``nan`` counts floating values that are not
    finite (``infinite`` says how many of those are infinite); they are left out of every number here.

    What was counted exactly has an error of 0. Else ``distinct_error`` is relative (95 % of estimates are
    within it), ``quantile_error`` and ``histogram_error`` are shares of the values and hold always, and
    each of the ``top`` counts may be short by up to ``top_error``.
    """

    name: str
    type: str
    kind: Literal["number", "text", "bool", "time", "duration", "clock", "list", "other"]
    rows: int
    nulls: int
    nan: int = 0
    infinite: int = 0
    distinct: int | None = None
    distinct_exact: bool = True
    distinct_error: float = 0.0
    min: float | str | None = None
    max: float | str | None = None
    total: float | None = Field(default=None, description="Sum of the numbers, or how many are true")
    moments: Moments | None = None
    mean: float | None = None
    std: float | None = None
    quantiles: dict[str, float] = Field(default_factory=dict, description="p01 p05 p25 p50 p75 p95 p99, linear")
    quantile_error: float = 0.0
    histogram: Histogram | None = None
    histogram_error: float = 0.0
    top: list[TopValue] = Field(default_factory=list, description="Most frequent values, most frequent first")
    top_error: int = 0
    text: TextFacts | None = None
    elements: ColumnProfile | None = None
    personal: bool = Field(default=False, description="Values are withheld: no extremes of text, no top values")

    @property
    def null_share(self) -> float:
        """Nulls over rows, 0 for an empty table."""
        return self.nulls / self.rows if self.rows else 0.0


class TableProfile(Record):
    """All columns of one table."""

    table: str
    rows: int
    columns: list[ColumnProfile]

    def column(self, name: str) -> ColumnProfile:
        """The profile of one column; KeyError when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


class Confusion(Record):
    """Counts at one threshold: a row is called positive when its score is at least ``threshold``."""

    threshold: float
    tp: int
    fp: int
    fn: int
    tn: int
    cost: float = Field(default=0.0, description="Mean cost of a row at the stated cost of errors")


class CurvePoint(Record):
    """One point of a curve with the threshold that gives it (none at the ends)."""

    x: float
    y: float
    threshold: float | None = None


class Curves(Record):
    """ROC (x false, y true positive rate), PR (x recall, y precision) and gain (x share of rows called, y share of
    positives among them), at most 200 points each. Lift is gain's y over x.
    """

    roc: list[CurvePoint]
    pr: list[CurvePoint]
    gain: list[CurvePoint] = Field(default_factory=list)


class PairedTest(Record):
    """A paired difference (first minus second) with its interval and two-sided p-value."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float
    method: str


class ReliabilityBin(Record):
    """Rows of neighbouring scores: mean score, observed share of positives and its 95 % Wilson interval."""

    rows: int
    score: float
    observed: float
    low: float
    high: float


class Calibration(Record):
    """Reliability curve, expected and maximal calibration error, and Murphy's (1973) parts of the Brier score.

    ``brier = reliability - resolution + uncertainty + within_bins``. ``ece_debiased`` is the ECE less
    what chance alone adds to it (null in reports made before it was known).
    """

    bins: list[ReliabilityBin]
    ece: float
    ece_debiased: float | None = None
    mce: float
    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bins: float


class Recalibration(Record):
    """Calibration of the judged rows under one map of the scores (``none``: as they are)."""

    method: Literal["none", "isotonic", "platt", "temperature"]
    ece: float
    ece_debiased: float | None
    mce: float
    brier: float
    log_loss: float


class SliceResult(Record):
    """Quality on the rows where ``features`` take ``values``, against all other rows.

    ``difference`` fields are slice minus rest. Undefined figures (one class only) are null. The
    significance of ``auc`` and of ``error_rate`` is corrected over all tested slices
    (Benjamini and Hochberg 1995). A slice that is not ``adequate`` is too small and is not tested.
    """

    features: list[str]
    values: list[str]
    rows: int
    share: float
    adequate: bool
    positive_rate: float
    predicted_rate: float
    error_rate: float
    error_difference: float | None
    error_p: float | None = None
    error_q: float | None = None
    error_significant: bool = False
    log_loss: float
    log_loss_difference: float | None
    auc: Estimate | None = None
    auc_difference: float | None = None
    auc_p: float | None = None
    auc_q: float | None = None
    auc_significant: bool = False

    @property
    def name(self) -> str:
        """``carrier=OO · origin=EWR``."""
        return " · ".join(f"{feature}={value}" for feature, value in zip(self.features, self.values, strict=True))


class DiscoveredSlice(Record):
    """A slice that was found, not declared: how much more the model errs there than on all other rows.

    ``score`` is SliceLine's, ``ratio`` the slice's mean error over that of all rows, ``p_corrected``
    Holm's over all slices looked at. ``beyond_expected`` is the mean error less what the model's own
    probabilities expect: near 0 means that the rows are hard and the model knows it.
    """

    features: list[str]
    values: list[str]
    rows: int
    share: float
    error: float
    error_rest: float
    difference: float
    ratio: float
    score: float
    p_corrected: float
    beyond_expected: float | None = None

    @property
    def name(self) -> str:
        """``carrier=OO · hour=>= 18``."""
        return " · ".join(f"{feature}={value}" for feature, value in zip(self.features, self.values, strict=True))


class SliceDiscovery(Record):
    """What was searched, and the slices that stand out; none when nothing is beyond chance."""

    loss: str
    alpha: float
    min_rows: int
    significance: float
    rows: int
    mean_error: float
    features: list[str]
    looked_at: int = Field(description="Slices of enough rows that were tested")
    slices: list[DiscoveredSlice]


class GroupMetrics(Record):
    """One group of a fairness comparison; a rate with no row to count is null."""

    group: str
    rows: int
    counted: bool
    base_rate: float
    selection_rate: float
    tpr: float | None
    fpr: float | None
    accuracy: float
    mean_score: float
    calibration_gap: float = Field(description="Mean score minus base rate")
    ece: float


class FairPoint(Record):
    """Thresholds by group, and on the judged rows: the difference of the rate, mean cost of a row, accuracy."""

    name: str
    allowed: float | None = Field(
        default=None, description="Largest difference that was allowed where they were chosen"
    )
    difference: float
    cost: float
    accuracy: float
    thresholds: dict[str, float]


class FairTrade(Record):
    """What treating groups more alike would cost; ``today`` is the one threshold for all."""

    rate: Literal["selection_rate", "tpr"]
    today: FairPoint
    points: list[FairPoint]


class FairnessReport(Record):
    """Group rates and the differences that Fairlearn defines, over groups of at least ``min_rows`` rows."""

    feature: str
    threshold: float
    min_rows: int
    groups: list[GroupMetrics]
    demographic_parity_difference: float | None
    demographic_parity_ratio: float | None
    equalised_odds_difference: float | None
    equal_opportunity_difference: float | None
    accuracy_difference: float | None
    calibration_difference: float | None
    intervals: dict[str, Estimate] = Field(default_factory=dict)
    trades: list[FairTrade] = Field(default_factory=list, description="Mitigation by thresholds for each group")


class NumberReference(Record):
    """A number's reference: counts in cells ``(edge[i-1], edge[i]]`` plus one cell above the last edge."""

    kind: Literal["number"] = "number"
    name: str
    rows: int
    nulls: int
    edges: list[float]
    counts: list[int]
    deciles: list[float] = Field(description="Inner edges of the bins of the population stability index")
    decile_counts: list[int]
    moments: Moments


class CategoryReference(Record):
    """A category's reference: counts of its levels, most frequent first.

    A column of too many levels is ``hashed``: its levels are then the numbered buckets of a stable hash.
    """

    kind: Literal["category"] = "category"
    name: str
    rows: int
    nulls: int
    levels: list[str]
    counts: list[int]
    hashed: bool = False


class DriftReference(Record):
    """What a model was trained on, small enough to travel inside its package."""

    rows: int
    numbers: list[NumberReference]
    categories: list[CategoryReference]


class ColumnDrift(Record):
    """How one column of a window differs from the reference.

    ``p_value`` is of the two-sample test of values, ``null_p`` of the change in the share of nulls;
    the ``significant`` flags hold after Holm's correction over all tests of the report.
    ``verdict``: ``same``, ``shift`` (significant but smaller than the least effect) or ``alarm``.
    """

    name: str
    kind: Literal["number", "category"]
    rows: int
    statistic: float
    statistic_name: Literal["ks", "g"]
    p_value: float
    significant: bool
    effect: float
    psi: float
    mean_shift: float | None = Field(default=None, description="(window mean - reference mean) / reference std")
    total_variation: float | None = None
    unseen_share: float = 0.0
    null_share: float
    reference_null_share: float
    null_p: float
    null_effect: float
    null_significant: bool
    verdict: Literal["same", "shift", "alarm"]
    reason: str = ""


class DriftReport(Record):
    """All columns of one window. ``alarm`` when any column alarms."""

    rows: int
    reference_rows: int
    false_alarm: float
    min_effect: float
    seed: int
    columns: list[ColumnDrift]
    missing: list[str] = Field(default_factory=list, description="Columns of the reference that the window lacks")
    alarm: bool

    @property
    def alarmed(self) -> list[str]:
        """Names of the columns that alarm, largest effect first."""
        hit = [column for column in self.columns if column.verdict == "alarm"]
        return [column.name for column in sorted(hit, key=lambda c: -max(c.effect, c.null_effect))]


class BurnRate(Record):
    """How fast one window spends the error budget: 1 spends it exactly by the end of the objective's window."""

    window: str
    good: int
    total: int
    rate: float | None


class SloStatus(Record):
    """Attainment of an objective over its whole window. Without traffic everything is null and nothing failed."""

    objective: float
    good: int
    total: int
    attainment: float | None
    met: bool | None
    budget: float = Field(description="Bad events that the objective allows")
    budget_left: float | None = Field(description="Share of the budget that is unspent; negative when overspent")
    burn: list[BurnRate] = Field(default_factory=list)
    page: bool = False
    ticket: bool = False


class SingleFeature(Record):
    """How well one column alone ranks the label. ``auc`` is direction-free (at least 0.5)."""

    feature: str
    kind: Literal["number", "category"]
    rows: int
    auc: float
    null_share: float
    null_indicator_auc: float = Field(description="AUC of 'is null' alone, direction-free")


class LeakageSuspicion(Record):
    """Verdict on one column: suspicious when its AUC exceeds both the limit and the permutation null."""

    feature: str
    auc: float
    limit: float
    null_high: float = Field(description="99 % quantile of the AUC under permuted labels")
    p_value: float
    p_corrected: float = Field(default=1.0, description="Chance under shuffled labels, times the columns looked at")
    suspicious: bool
    reason: str = ""


class R2Suspicion(Record):
    """The same for labels that are numbers or several classes: ``r2`` is cross-fitted, from 0 to 1."""

    feature: str
    r2: float
    limit: float
    p_corrected: float
    suspicious: bool
    reason: str = ""
