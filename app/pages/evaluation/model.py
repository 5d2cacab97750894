"""What the evaluation page asks, and a report's parts as tables."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then
from app.tables import format as fmt

WORDS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "mape": "MAPE",
    "roc_auc": "ROC-AUC",
    "brier": "Brier score",
    "f1": "F1",
    "expected_cost": "Expected cost a row",
}


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
    """One row a slice, the most harmful first: the log loss that the slice adds over the rest, times its rows.

    A slice is ``worse`` when its AUC or its error rate is worse than the rest's beyond chance (corrected
    over all slices); one that is too small to be tested says so and stands last.
    """
    rows = []
    for one in slices:
        value, low, high = estimate(one.get("auc"))
        names = zip(one.get("features") or [], one.get("values") or [], strict=False)
        rows.append(
            {
                "state": _slice_state(one),
                "slice": " · ".join(f"{feature} {text}" for feature, text in names),
                "rows": one.get("rows"),
                "base_rate": one.get("positive_rate"),
                "roc_auc": value,
                "interval": fmt.between(low, high),
                "difference": one.get("auc_difference"),
                "error_rate": one.get("error_rate"),
                "error": one.get("error_difference"),
                "harm": (one.get("log_loss_difference") or 0.0) * (one.get("rows") or 0),
            }
        )
    numbers = dict.fromkeys(("difference", "error_rate", "error", "harm"), pl.Float64)
    schema = {"state": pl.String, "slice": pl.String, "rows": pl.Int64, "base_rate": pl.Float64, "roc_auc": pl.Float64}
    frame = pl.DataFrame(rows, schema=schema | {"interval": pl.String} | numbers, strict=False)
    place = pl.col("state").replace_strict({"worse": 0, "same": 1, "too small": 2}, return_dtype=pl.Int8)
    return frame.sort(place, -pl.col("harm"), nulls_last=True, maintain_order=True)


def _slice_state(one: dict[str, Any]) -> str:
    if not one.get("adequate", True):
        return "too small"
    ranks_worse = one.get("auc_significant") and (one.get("auc_difference") or 0) < 0
    errs_more = one.get("error_significant") and (one.get("error_difference") or 0) > 0
    return "worse" if ranks_worse or errs_more else "same"


def groups_frame(fairness: dict[str, Any] | None) -> pl.DataFrame:
    """One row a group of the fairness comparison."""
    fields = ("rows", "base_rate", "selection_rate", "tpr", "fpr", "mean_score", "calibration_gap", "ece")
    rows = [
        {"group": str(g["group"]), **{name: g.get(name) for name in fields}}
        for g in (fairness or {}).get("groups") or []
    ]
    return pl.DataFrame(rows, schema={"group": pl.String, **dict.fromkeys(fields, pl.Float64)}, strict=False)


def metrics_frame(metrics: dict[str, Any]) -> pl.DataFrame:
    """One row a metric with its interval and how that was made."""
    rows = []
    for name, value in metrics.items():
        middle, low, high = estimate(value)
        how = str(value.get("method") or "") if isinstance(value, dict) else ""
        title = WORDS.get(name, name.replace("_", " ").capitalize())
        rows.append({"metric": title, "value": middle, "interval": fmt.between(low, high), "method": how})
    names = {"metric": pl.String, "value": pl.Float64, "interval": pl.String, "method": pl.String}
    return pl.DataFrame(rows, schema=names)


def fairness_pairs(fairness: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The largest differences between groups, in words."""
    if not fairness:
        return [("Groups", "the project names no feature to compare groups by")]
    names = (
        ("demographic_parity_difference", "Selection rate apart"),
        ("equal_opportunity_difference", "True positive rate apart"),
        ("equalised_odds_difference", "Equalised odds apart"),
        ("calibration_difference", "Calibration apart"),
        ("demographic_parity_ratio", "Selection rate ratio"),
        ("accuracy_difference", "Accuracy apart"),
    )
    return [(title, fmt.score(fairness.get(name))) for name, title in names]


def tests_frame(champion: dict[str, Any] | None) -> pl.DataFrame:
    """One row a paired test against the champion."""
    rows = [
        {
            "metric": WORDS.get(name, name.replace("_", " ").capitalize()),
            "this": test.get("first"),
            "champion": test.get("second"),
            "difference": test.get("difference"),
            "interval": f"{fmt.signed(test.get('low'))} to {fmt.signed(test.get('high'))}",
            "p": test.get("p_value"),
            "method": test.get("method"),
        }
        for name, test in ((champion or {}).get("tests") or {}).items()
    ]
    numbers = dict.fromkeys(("this", "champion", "difference"), pl.Float64)
    schema = {"metric": pl.String, **numbers, "interval": pl.String, "p": pl.Float64, "method": pl.String}
    return pl.DataFrame(rows, schema=schema, strict=False)


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
    """The verdict against the champion in words."""
    if not champion:
        return "There was no champion to compare with."
    verdict = str(champion.get("verdict")).capitalize()
    return f"{verdict} on {fmt.number(champion.get('rows'))} rows scored by both: {champion.get('reason')}"


def found_frame(discovered: dict[str, Any] | None) -> pl.DataFrame:
    """One row a slice that was found, the best scored first."""
    rows = [
        {
            "slice": " · ".join(f"{f} {v}" for f, v in zip(one["features"], one["values"], strict=True)),
            "rows": one["rows"],
            "share": one["share"],
            "ratio": one["ratio"],
            "difference": one["difference"],
            "beyond": one.get("beyond_expected"),
            "score": one["score"],
            "p": one["p_corrected"],
        }
        for one in (discovered or {}).get("slices") or []
    ]
    numbers = dict.fromkeys(("share", "ratio", "difference", "beyond", "score", "p"), pl.Float64)
    return pl.DataFrame(rows, schema={"slice": pl.String, "rows": pl.Int64, **numbers}, strict=False)


def loss_slices_frame(slices: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a slice of a label that is no yes or no, the worst first."""
    rows = [
        {
            "state": "too small"
            if not s["adequate"]
            else "worse"
            if s["significant"] and (s["difference"] or 0) > 0
            else "same",
            "slice": " · ".join(f"{f} {v}" for f, v in zip(s["features"], s["values"], strict=True)),
            "rows": s["rows"],
            "loss": s["loss"],
            "interval": fmt.between(s["low"], s["high"]),
            "difference": s["difference"],
            "figure": s["figure"],
            "apart": s["figure_difference"],
            "q": s["q"],
        }
        for s in sorted(slices, key=lambda s: (not s["adequate"], -s["loss"]))
    ]
    numbers = dict.fromkeys(("difference", "figure", "apart", "q"), pl.Float64)
    schema = {"state": pl.String, "slice": pl.String, "rows": pl.Int64, "loss": pl.Float64, "interval": pl.String}
    return pl.DataFrame(rows, schema=schema | numbers, strict=False)


def task_months_frame(stability: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a calendar month with the figures of its task."""
    rows = [{"month": one["month"], "rows": one["rows"], **one["figures"]} for one in stability]
    return pl.DataFrame(rows) if rows else pl.DataFrame(schema={"month": pl.String})


HEADLINES = {
    "binary": ("roc_auc", "brier"),
    "multiclass": ("accuracy", "log_loss"),
    "regression": ("rmse", "mae"),
}


def headline(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and note of the three key figures of a report."""
    metrics, task = report.get("metrics") or {}, report.get("task") or "binary"
    out = []
    for name in HEADLINES[task]:
        middle, low, high = estimate(metrics.get(name))
        out.append((WORDS.get(name, name.replace("_", " ").capitalize()), fmt.number(middle), fmt.interval(low, high)))
    if task == "regression":
        middle, low, high = estimate(metrics.get("bias"))
        return [*out, ("Mean residual", fmt.signed(middle), fmt.interval(low, high))]
    calibration = report.get("calibration") or {}
    if task == "multiclass":
        return [*out, ("Calibration error", fmt.score(calibration.get("ece")), "of the called class")]
    ece, _low, _high = estimate(calibration.get("ece", metrics.get("ece")))
    debiased = calibration.get("ece_debiased")
    note = f"{fmt.score(debiased)} without chance, " if debiased is not None else ""
    return [
        *out,
        ("Calibration error", fmt.score(ece), f"{note}largest in one bin {fmt.score(calibration.get('mce'))}"),
    ]
