"""How the tables of the evaluation page look."""

from __future__ import annotations

from app.tables import format as fmt
from app.tables.columns import Column

GATES = {"state": "Outcome", "rule": "Rule", "fact": "Fact", "asked": "Asked", "observed": "Observed", "why": "Why"}
SLICES = [
    Column("state", "State", kind="badge"),
    Column("slice", "Slice"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("base_rate", "Base rate", fmt.share, "number"),
    Column("roc_auc", "ROC-AUC", fmt.score, "number"),
    Column("interval", "95 % interval"),
    Column("difference", "To the rest", fmt.signed, "number"),
    Column("error_rate", "Error rate", fmt.share, "number"),
    Column("error", "To the rest", fmt.signed, "number"),
    Column("harm", "Loss added", fmt.one, "number"),
]
LOSS_SLICES = [
    Column("state", "State", kind="badge"),
    Column("slice", "Slice"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("loss", "Mean loss", fmt.number, "number"),
    Column("interval", "95 % interval"),
    Column("difference", "To the rest", fmt.signed, "number"),
    Column("figure", "Accuracy or error", fmt.number, "number"),
    Column("apart", "To the rest", fmt.signed, "number"),
    Column("q", "q", fmt.probability, "number"),
]
FOUND = [
    Column("slice", "Found slice"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("share", "Of all", fmt.share, "number"),
    Column("ratio", "Loss to all rows", fmt.number, "number"),
    Column("difference", "Loss to the rest", fmt.signed, "number"),
    Column("beyond", "Beyond expected", fmt.signed, "number"),
    Column("score", "Score", fmt.number, "number"),
    Column("p", "p", fmt.probability, "number"),
]
GROUPS = [
    Column("group", "Group"),
    Column("rows", "Rows", fmt.number, "number"),
    *(
        Column(name, title, fmt.share, "number")
        for name, title in (
            ("base_rate", "Base rate"),
            ("selection_rate", "Selection rate"),
            ("tpr", "True positive rate"),
            ("fpr", "False positive rate"),
            ("mean_score", "Mean score"),
        )
    ),
    Column("calibration_gap", "Score to rate", fmt.signed, "number"),
    Column("ece", "ECE", fmt.score, "number"),
]
METRICS = [
    Column("metric", "Metric"),
    Column("value", "Value", fmt.number, "number"),
    Column("interval", "95 % interval"),
    Column("method", "Interval by"),
]
TESTS = [
    Column("metric", "Metric"),
    Column("this", "This", fmt.number, "number"),
    Column("champion", "Champion", fmt.number, "number"),
    Column("difference", "Difference", fmt.signed, "number"),
    Column("interval", "95 % interval"),
    Column("p", "p", fmt.probability, "number"),
    Column("method", "Test"),
]
MONTHS = [
    Column("month", "Month"),
    Column("rows", "Rows", fmt.number, "number"),
    Column("base_rate", "Base rate", fmt.share, "number"),
    *(
        Column(n, t, fmt.score, "number")
        for n, t in (("roc_auc", "ROC-AUC"), ("low", "Low"), ("high", "High"), ("brier", "Brier"), ("ece", "ECE"))
    ),
]
RECALIBRATION = [
    Column("map", "Map of the scores"),
    Column("ece", "ECE", fmt.score, "number"),
    Column("ece_debiased", "Without chance", fmt.score, "number"),
    Column("brier", "Brier", fmt.score, "number"),
    Column("log_loss", "Log loss", fmt.score, "number"),
]
CLASSES = [
    Column("class", "Class"),
    Column("rows", "Rows", fmt.number, "number"),
    *(
        Column(n, t, fmt.score, "number")
        for n, t in (
            ("precision", "Precision"),
            ("recall", "Recall"),
            ("f1", "F1"),
            ("roc_auc", "ROC-AUC"),
            ("ece", "ECE"),
        )
    ),
]
