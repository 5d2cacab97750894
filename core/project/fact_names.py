"""The facts that a gate may name: what evaluation, checks, leak tests, conversion, serving and features record.

A gate never passes on a fact that is not there, so that a wrong name stops every model. It is therefore said
when the project is read, with the nearest right one. A report of another kind of label than two classes may
hold more than is listed here: such a name is wrong only where it comes very near to a known one.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal, NamedTuple

Kind = Literal["a number", "text", "true or false"]
NUMBER: Kind = "a number"
TEXT: Kind = "text"
TRUTH: Kind = "true or false"


class FactName(NamedTuple):
    """One fact: its dotted name, what it is, and what it says."""

    name: str
    kind: Kind
    about: str


_BINARY = "roc_auc average_precision brier log_loss accuracy precision recall f1 expected_cost".split()  # noqa: SIM905
_CLASSES = ["balanced_accuracy", "macro_f1", "weighted_f1", "top_3_accuracy"]
_NUMBERS = ["rmse", "mae", "bias", "pinball", "r2", "mape", "median_error"]
METRICS = [*_BINARY, *_CLASSES, *_NUMBERS]
_TESTED = ["roc_auc", "average_precision", "brier", "log_loss"]
_FAIR = {
    "demographic_parity_difference": "largest difference of the share of alarms between groups",
    "demographic_parity_ratio": "least over greatest share of alarms",
    "selection_rate_difference": "the same as demographic_parity_difference",
    "selection_rate_ratio": "the same as demographic_parity_ratio; four fifths is a common bound",
    "equalised_odds_difference": "largest difference of true and false alarm rates between groups",
    "equal_opportunity_difference": "largest difference of the share of true cases that are found",
    "accuracy_difference": "largest difference of accuracy between groups",
    "calibration_difference": "largest difference of mean score and share of true cases within a group",
}
_PLAIN: list[tuple[str, Kind, str]] = [
    ("rows", NUMBER, "judged rows of the test period"),
    ("positives", NUMBER, "true cases among them"),
    ("base_rate", NUMBER, "share of true cases"),
    ("unlabelled_share", NUMBER, "share of rows without a label"),
    ("unseen_share", NUMBER, "of several classes: share of rows whose class the model does not know"),
    ("metrics.worst_recall.value", NUMBER, "of several classes: least share of a class that is found"),
    ("threshold", NUMBER, "decision threshold"),
    *((f"confusion.{part}", NUMBER, "count in the confusion table") for part in ("tp", "fp", "fn", "tn")),
    ("calibration.ece", NUMBER, "expected calibration error in equal bins"),
    ("calibration.ece_debiased", NUMBER, "the same without the bias of small bins"),
    ("calibration.mce", NUMBER, "calibration error of the worst bin"),
    ("calibration.brier", NUMBER, "Brier score"),
    ("calibration.reliability", NUMBER, "reliability term of the Brier score"),
    ("calibration.resolution", NUMBER, "resolution term of the Brier score"),
    ("calibration.uncertainty", NUMBER, "uncertainty term of the Brier score"),
    ("recalibration.best", TEXT, "map of the scores that fits best"),
    ("recalibration.best_ece", NUMBER, "calibration error after it"),
    ("recalibration.log_loss_gain", NUMBER, "what it would gain in log loss"),
    ("slices.count", NUMBER, "slices that were looked at"),
    ("slices.adequate", NUMBER, "slices of enough rows"),
    ("slices.significantly_worse", NUMBER, "slices that are worse beyond chance, corrected for their number"),
    ("slices.worst_auc", NUMBER, "least ROC-AUC of a slice of enough rows"),
    ("slices.worst_auc_low", NUMBER, "lower end of its interval"),
    ("slices.worst_auc_name", TEXT, "which slice that is"),
    ("slices.worst_auc_gap", NUMBER, "how far the worst slice is behind the rest"),
    ("slices.worst_significant_auc_gap", NUMBER, "the same among slices that are worse beyond chance"),
    ("slices.worst_error_rate", NUMBER, "greatest error rate of a slice"),
    ("slices.worst_error_gap", NUMBER, "how far above the rest it is"),
    ("slices.worst_log_loss_gap", NUMBER, "greatest excess of log loss over the rest"),
    ("slices.discovered", NUMBER, "bad slices that were found by search"),
    ("slices.looked_at", NUMBER, "slices that the search looked at"),
    ("slices.discovered_worst_ratio", NUMBER, "error of the worst found slice over that of all rows"),
    ("slices.discovered_worst_gap", NUMBER, "and the difference"),
    ("slices.discovered_worst_name", TEXT, "which slice that is"),
    ("fairness.groups", NUMBER, "groups of enough rows"),
    *((f"fairness.{name}", NUMBER, about) for name, about in _FAIR.items()),
    *(
        (f"fairness.{name}.{end}", NUMBER, f"{end} end of the interval of {name}")
        for name in _FAIR
        for end in ("low", "high")
    ),
    ("stability.months", NUMBER, "months of enough rows"),
    ("stability.worst_auc", NUMBER, "least ROC-AUC of a month"),
    ("stability.auc_range", NUMBER, "greatest less least ROC-AUC of a month"),
    ("stability.worst_ece", NUMBER, "greatest calibration error of a month"),
    ("seeds.count", NUMBER, "seeds that were trained"),
    ("seeds.range", NUMBER, "greatest less least of the primary metric over seeds"),
    ("seeds.worst", NUMBER, "worst value of the primary metric over seeds"),
    ("calibration.classwise_ece", NUMBER, "of several classes: calibration error over all classes"),
    ("decision.cost", NUMBER, "of several classes: mean cost when called by least expected cost"),
    ("decision.cost_most_probable", NUMBER, "of several classes: mean cost of calling the most probable class"),
    ("decision.saving", NUMBER, "of several classes: the second less the first"),
    ("decision.saving_low", NUMBER, "lower end of its 95 % interval"),
    ("residuals.mean", NUMBER, "of numbers: mean of true less predicted"),
    ("residuals.std", NUMBER, "of numbers: their standard deviation"),
    ("residuals.skew", NUMBER, "of numbers: their skewness"),
    ("residuals.heteroscedasticity", NUMBER, "of numbers: rank correlation of their size with the prediction"),
    ("slices.worst_loss", NUMBER, "of classes or numbers: greatest loss of a slice of enough rows"),
    ("slices.worst_loss_gap", NUMBER, "how far the worst slice is above the rest"),
    ("slices.worst_loss_name", TEXT, "which slice that is"),
    ("fairness.mae_difference", NUMBER, "of numbers: largest difference of the absolute error between groups"),
    ("fairness.loss_difference", NUMBER, "of classes or numbers: largest difference of the loss between groups"),
    *(
        (f"stability.{name}_{end}", NUMBER, f"of classes or numbers: {end} of {name} over months")
        for name in METRICS
        for end in ("range", "lowest", "highest")
    ),
    ("champion.present", TRUTH, "there is a model in production"),
    ("champion.verdict", TEXT, "better, same, worse, not comparable, or none without a champion"),
    ("champion.rows", NUMBER, "rows that both scored"),
    ("validation.passed", TRUTH, "no check of severity fail failed on a table that the model reads"),
    ("validation.failed", NUMBER, "such checks that failed"),
    ("validation.warned", NUMBER, "checks of severity warn that failed on these tables"),
    ("leakage.passed", TRUTH, "no leak test caught anything"),
    ("leakage.caught", NUMBER, "leak tests that caught something"),
    ("onnx.parity_max", NUMBER, "greatest difference between the trained and the packaged model"),
    ("onnx.parity_rows", NUMBER, "rows on which they were compared"),
    ("inference.p50_us", NUMBER, "median microseconds of the packaged model for one row"),
    ("inference.p99_us", NUMBER, "99 of 100 rows take less"),
    ("inference.request_p50_us", NUMBER, "median microseconds from the fields of one request to its answer"),
    ("inference.request_p99_us", NUMBER, "99 of 100 requests take less"),
    ("inference.rows_per_s", NUMBER, "rows per second of a batch"),
    ("inference.bytes", NUMBER, "size of the packaged model"),
    ("inference.cost_per_million", NUMBER, "cost of a million single answers, by policy.cost_per_cpu_hour"),
    ("explanation.method", TEXT, "how the answers are explained"),
    ("explanation.top_feature", TEXT, "feature with the greatest mean effect"),
    ("explanation.top_share", NUMBER, "its share of all effects"),
    ("explanation.largest_gap", NUMBER, "greatest difference between an answer and its explanation's sum"),
    ("schema.compatible", TRUTH, "every request that was right before is right for this model, and reads its answer"),
    ("schema.baseline", TEXT, "what it is held to: declared, the champion by version, or none"),
    ("schema.removed", NUMBER, "fields that callers send and the model no longer takes"),
    ("schema.retyped", NUMBER, "fields that changed their type"),
    ("schema.newly_required", NUMBER, "fields that callers do not send, or may send empty, and the model needs"),
    ("schema.answer_changed", NUMBER, "differences of the answer: task, name or classes"),
    ("features.freshness.worst_ratio", NUMBER, "age over target of the stalest online view"),
    ("features.freshness.stale", NUMBER, "online views that are older than their target"),
    ("features.parity.differing", NUMBER, "differences that the newest parity report found"),
    ("features.parity.passed", TRUTH, "the newest parity report found none"),
]


def _all() -> Iterator[FactName]:
    for metric in METRICS:
        yield FactName(f"metrics.{metric}.value", NUMBER, f"{metric} on the test period")
        yield FactName(f"metrics.{metric}.low", NUMBER, f"lower end of the 95 % interval of {metric}")
        yield FactName(f"metrics.{metric}.high", NUMBER, f"upper end of the 95 % interval of {metric}")
    for item in _PLAIN:
        yield FactName(*item)
    for metric in dict.fromkeys([*_TESTED, *METRICS]):
        for part in ("difference", "low", "high", "p_value"):
            yield FactName(f"champion.{metric}.{part}", NUMBER, f"{metric} less the champion's, paired: {part}")


FACTS: dict[str, FactName] = {fact.name: fact for fact in _all()}
FAMILIES = sorted({name.partition(".")[0] for name in FACTS if "." in name})


def is_known(name: str, task: str = "binary") -> bool:
    """Whether a fact of that name can be recorded for a label of that kind."""
    family, _, rest = name.partition(".")
    return name in FACTS or (task != "binary" and family in FAMILIES and bool(rest) and not _near(name, 0.9))


def nearest_fact(name: str) -> str:
    """The known fact that a wrong name comes closest to; empty when none does."""
    return next(iter(_near(name, 0.6)), "")


def _near(name: str, cutoff: float) -> list[str]:
    return get_close_matches(name, FACTS, n=1, cutoff=cutoff)
