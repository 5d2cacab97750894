"""Columns of the monitoring page's tables."""

from __future__ import annotations

from app.pages.monitoring.model import bar_length
from app.tables import format as fmt
from app.tables.columns import Column

ALARM = 0.1  # the smallest effect that the drift report calls an alarm

DRIFT = [
    Column("state", "State", kind="badge"),
    Column("column", "Column"),
    Column("effect", "Effect, logarithmic", fmt.score, "bar", 280, bar_length, bar_length(ALARM)),
    Column("statistic", "Statistic", fmt.score, "number"),
    Column("p", "p", fmt.probability, "number"),
    Column("psi", "PSI", fmt.score, "number"),
    Column("reason", "Why"),
]
SLOS = [
    Column("state", "State", kind="badge"),
    Column("name", "Objective"),
    Column("indicator", "Measured by"),
    Column("objective", "Asked", fmt.number, "number"),
    Column("observed", "Observed", fmt.number, "number"),
    Column("budget_left", "Budget left", fmt.share, "bar", 220, lambda left: left),
    Column("good", "Good requests"),
]
WINDOWS = [
    Column("window", "Window starts"),
    Column("n", "Requests", fmt.number, "number"),
    Column("labels", "Outcomes", fmt.number, "number"),
    Column("label_rate", "Base rate", fmt.share, "number"),
    Column("mean_probability", "Mean score", fmt.share, "number"),
    Column("positive_share", "Warned", fmt.share, "number"),
    Column("auc", "ROC-AUC", fmt.score, "number"),
    Column("auc_low", "Low", fmt.score, "number"),
    Column("auc_high", "High", fmt.score, "number"),
    Column("brier", "Brier", fmt.score, "number"),
    Column("p99_ms", "p99", fmt.milliseconds, "number"),
    Column("drifted", "Drifted", fmt.number, "number"),
]
DECISIONS = [
    Column("action", "Decided", kind="badge"),
    Column("on", "Because of"),
    Column("reason", "Reason"),
    Column("as_of", "As of (UTC)", fmt.when, "time"),
    Column("at", "Recorded (UTC)", fmt.when, "time"),
]
INCIDENTS = [
    Column("state", "State", kind="badge"),
    Column("title", "Incident"),
    Column("severity", "Severity", kind="badge"),
    Column("breaches", "Breaches", fmt.number, "number"),
    Column("opened_at", "Opened (UTC)", fmt.when, "time"),
]
ALERTS = [
    Column("severity", "Severity", kind="badge"),
    Column("headline", "What"),
    Column("count", "Times", fmt.number, "number"),
    Column("at", "Last (UTC)", fmt.when, "time"),
]
