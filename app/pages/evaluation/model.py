"""What the evaluation page asks, and a report's parts as tables."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then


class EvaluationModel(PageModel):
    """Evaluations and one report with its gates."""

    questions = ("evaluations", "evaluation")

    def evaluations(self, then: Then) -> None:
        """All evaluations, newest first."""
        self.ask("evaluations", then)

    def evaluation(self, name: str, then: Then) -> None:
        """One report."""
        self.ask("evaluation", then, id=name)


def estimate(value: Any) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of an estimate that is a number or a record."""
    if isinstance(value, dict):
        return value.get("value"), value.get("low"), value.get("high")
    return (float(value), None, None) if isinstance(value, int | float) else (None, None, None)


def gates_frame(gates: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a gate, the failed first."""
    rows = [
        {
            "state": "passed" if g["passed"] else "blocked" if g.get("severity") == "block" else "warned",
            "rule": str(g["rule"]),
            "fact": str(g["fact"]),
            "asked": f"{g['op']} {g['expected']}",
            "observed": str(g["observed"]),
            "why": str(g.get("why") or ""),
        }
        for g in gates
    ]
    rows.sort(key=lambda one: ("blocked", "warned", "passed").index(str(one["state"])))
    return pl.DataFrame(rows, schema=dict.fromkeys(("state", "rule", "fact", "asked", "observed", "why"), pl.String))


def slices_frame(slices: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a slice, the worst first; a slice that is too small says so."""
    rows = []
    for one in slices:
        value, low, high = estimate(one.get("auc"))
        names = zip(one.get("features") or [], one.get("values") or [], strict=False)
        worse = one.get("auc_significant") and (one.get("auc_difference") or 0) < 0
        rows.append(
            {
                "state": "too small" if not one.get("adequate", True) else "worse" if worse else "ok",
                "slice": " · ".join(f"{feature} = {text}" for feature, text in names),
                "rows": one.get("rows"),
                "base_rate": one.get("positive_rate"),
                "roc_auc": value,
                "low": low,
                "high": high,
                "difference": one.get("auc_difference"),
                "error_rate": one.get("error_rate"),
            }
        )
    schema = {
        "state": pl.String,
        "slice": pl.String,
        "rows": pl.Int64,
        "base_rate": pl.Float64,
        "roc_auc": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "difference": pl.Float64,
        "error_rate": pl.Float64,
    }
    return pl.DataFrame(rows, schema=schema, strict=False).sort("difference", nulls_last=True, maintain_order=True)


def groups_frame(fairness: dict[str, Any] | None) -> pl.DataFrame:
    """One row a group of the fairness comparison."""
    fields = ("rows", "base_rate", "selection_rate", "tpr", "fpr")
    rows = [
        {"group": str(g["group"]), **{name: g.get(name) for name in fields}}
        for g in (fairness or {}).get("groups") or []
    ]
    return pl.DataFrame(rows, schema={"group": pl.String, **dict.fromkeys(fields, pl.Float64)}, strict=False)


def metrics_frame(metrics: dict[str, Any]) -> pl.DataFrame:
    """One row a metric with its interval."""
    rows = []
    for name, value in metrics.items():
        middle, low, high = estimate(value)
        rows.append({"metric": name.replace("_", " "), "value": middle, "low": low, "high": high})
    return pl.DataFrame(rows, schema={"metric": pl.String, "value": pl.Float64, "low": pl.Float64, "high": pl.Float64})


def months_frame(stability: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a calendar month of the split."""
    rows = []
    for one in stability:
        value, low, high = estimate(one.get("auc"))
        rows.append(
            {
                "month": str(one["month"]),
                "rows": one.get("rows"),
                "base_rate": one.get("base_rate"),
                "roc_auc": value,
                "low": low,
                "high": high,
                "brier": one.get("brier"),
                "ece": one.get("ece"),
            }
        )
    names = ("base_rate", "roc_auc", "low", "high", "brier", "ece")
    schema = {"month": pl.String, "rows": pl.Int64, **dict.fromkeys(names, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, strict=False)


def comparison_text(champion: dict[str, Any] | None) -> str:
    """The verdict against the champion in words, with each paired test."""
    if not champion:
        return "There is no champion to compare with."
    lines = [
        f"{str(champion.get('verdict')).capitalize()}: {champion.get('reason')}",
        f"{champion.get('rows')} rows scored by both.",
    ]
    for name, test in (champion.get("tests") or {}).items():
        lines.append(
            f"{name.replace('_', ' ')}: {test['difference']:+.4f} (95 % interval {test['low']:+.4f} to "
            f"{test['high']:+.4f}, p {test['p_value']:.2g})"
        )
    return "\n".join(lines)
