"""A report's reasons, errors, trades and other kinds of label, as tables and charts."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from app.plots.series import Chart, Series, band, bar_chart, histogram, line, points, reliability

SHOWN = 10
METHODS = {
    "trees": "Exact Shapley values of the packaged trees",
    "additive": "Exact Shapley values of an additive model",
    "sampled": "Shapley values estimated over random orders of the features",
}


def explanation_words(found: dict[str, Any] | None) -> str:
    """How the reasons were made, and how exact they are."""
    if not found:
        return "This evaluation was made before reasons were recorded. Evaluate again to see them."
    words = f"{METHODS[found['method']]}, {found['rows']} rows against {found['background_rows']} of the train period"
    words += f", in {found['scale']}."
    if found["largest_error"]:
        return f"{words} A value's standard error is at most {found['largest_error']:.3f}."
    return f"{words} Base and values sum to the answer within {found['largest_gap']:.0e}."


def effects_frame(found: dict[str, Any] | None) -> pl.DataFrame:
    """One row a feature, the strongest first."""
    rows = [
        {"feature": e["feature"], "size": e["mean_abs"], "error": e["mean_abs_error"], "direction": e["direction"]}
        for e in (found or {}).get("effects") or []
    ]
    names = dict.fromkeys(("size", "error", "direction"), pl.Float64)
    return pl.DataFrame(rows, schema={"feature": pl.String, **names}, strict=False)


def row_name(one: dict[str, Any]) -> str:
    """A row that can be explained, as it is listed."""
    return f"{one['key']}   label {one['label']}   predicted {one['prediction']:.4g}   loss {one['loss']:.3g}"


def waterfall(found: dict[str, Any], one: dict[str, Any]) -> Chart:
    """From the base to the row's answer: the largest steps one by one, the others as one."""
    order = sorted(range(len(one["contributions"])), key=lambda j: -abs(one["contributions"][j]))
    names = [f"{found['features'][j]}={one['values'][j]}" for j in order[:SHOWN]]
    steps = [one["contributions"][j] for j in order[:SHOWN]]
    if len(order) > SHOWN:
        names.append(f"{len(order) - SHOWN} others")
        steps.append(sum(one["contributions"][j] for j in order[SHOWN:]))
    ends = np.concatenate([[one["base"]], one["base"] + np.cumsum(steps)]) if steps else np.array([one["base"]])
    series = []
    for name, colour, kept in (("raises", 1, np.array(steps) >= 0), ("lowers", 0, np.array(steps) < 0)):
        at = np.flatnonzero(kept).astype(np.float64)
        series.append(Series(name, at, ends[:-1][kept], "floats", ends[1:][kept], colour))
    series.append(line("base", [-0.5, len(steps) - 0.5], [one["base"], one["base"]], 2, dashed=True))
    title = f"{one['base']:.2f} to {one['margin']:.2f}" + (f" for {one['output']}" if one["output"] else "")
    return Chart(title, "", found["scale"], series, names)


def dependence_chart(one: dict[str, Any]) -> Chart:
    """Mean answer by one feature, with single rows' own lines behind it."""
    labels = [str(x) for x in one["grid"]] if one["kind"] == "category" else []
    at = list(range(len(labels))) if labels else one["grid"]
    lines = one["rows"][:12]
    low = [min(values) for values in zip(*lines, strict=True)] if lines else []
    high = [max(values) for values in zip(*lines, strict=True)] if lines else []
    series = [band("single rows", at, low, high, 2)] if lines else []
    series.append(line("mean", at, one["mean"], 0, marks=bool(labels)))
    return Chart(f"Answer by {one['feature']}", one["feature"], "answer", series, labels)


def clusters_frame(errors: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a kind of error."""
    rows = [
        {
            "kind": e["name"],
            "rows": e["rows"],
            "loss": e["loss_share"],
            "traits": "; ".join(
                f"{t['feature']}={t['value']} ({t['share']:.0%}, all {t['share_overall']:.0%})" for t in e["traits"]
            ),
        }
        for e in errors
    ]
    return pl.DataFrame(rows, schema={"kind": pl.String, "rows": pl.Int64, "loss": pl.Float64, "traits": pl.String})


def worst_frame(cluster: dict[str, Any] | None) -> pl.DataFrame:
    """The worst rows of one kind of error, with their values."""
    rows = [
        {"row": r["key"], "label": r["label"], "prediction": r["prediction"], "loss": r["loss"], **r["values"]}
        for r in (cluster or {}).get("worst") or []
    ]
    return pl.DataFrame(rows) if rows else pl.DataFrame(schema={"row": pl.String})


def recalibration_frame(found: list[dict[str, Any]]) -> pl.DataFrame:
    """What each map of the scores, fitted on validation, would give."""
    names = ("ece", "ece_debiased", "brier", "log_loss")
    rows = [{"map": one["method"], **{name: one.get(name) for name in names}} for one in found]
    return pl.DataFrame(rows, schema={"map": pl.String, **dict.fromkeys(names, pl.Float64)}, strict=False)


def trade_chart(fairness: dict[str, Any] | None) -> Chart:
    """Mean cost against the difference that is left, for each rate; today's one threshold as a point."""
    series, words = [], {"selection_rate": "selection rate", "tpr": "true positive rate"}
    for i, trade in enumerate((fairness or {}).get("trades") or []):
        made = sorted((p["difference"], p["cost"]) for p in trade["points"])
        name = words.get(trade["rate"], trade["rate"])
        series.append(line(name, [x for x, _ in made], [y for _, y in made], i, marks=True))
        today = trade["today"]
        series.append(points(f"{name}, today", [today["difference"]], [today["cost"]], i + 2))
    nothing = "No trade of cost against difference was recorded"
    return Chart("Thresholds for each group", "difference between groups", "mean cost a row", series, nothing=nothing)


def gain_chart(report: dict[str, Any]) -> Chart:
    """Share of positives found by share of rows called."""
    found = (report.get("curves") or {}).get("gain") or []
    shown = line("gain", [p["x"] for p in found], [p["y"] for p in found])
    return Chart(
        "Gain", "share of rows called", "share of positives", [shown], y_range=(0, 1), x_range=(0, 1), diagonal=True
    )


def matrix_frame(confusion: dict[str, Any] | None) -> pl.DataFrame:
    """k x k counts: a row a true class, a column a called one."""
    if not confusion:
        return pl.DataFrame(schema={"true": pl.String})
    columns = {name: [int(row[j]) for row in confusion["counts"]] for j, name in enumerate(confusion["classes"])}
    return pl.DataFrame({"true \\ called": confusion["classes"], **columns})


def decision_text(decision: dict[str, Any] | None) -> str:
    """Mean cost when called by cost, by the most probable class, and all alike."""
    if not decision:
        return ""
    saving = decision["saving"]
    return (
        f"Called by least expected cost, a row costs {decision['cost']:.4f}; by the most probable class "
        f"{decision['cost_most_probable']:.4f} (saved {saving['difference']:.4f}, 95 % {saving['low']:.4f} to "
        f"{saving['high']:.4f}); all called {decision['constant']} {decision['cost_constant']:.4f}."
    )


def decision_frame(decision: dict[str, Any] | None) -> pl.DataFrame:
    """Counts as in :func:`matrix_frame`, each with what a row of the cell costs."""
    if not decision:
        return pl.DataFrame(schema={"true": pl.String})
    names, counts, costs = (decision[key] for key in ("classes", "counts", "costs"))
    columns = {
        name: [f"{row[j]:,.0f} (cost {cost[j]:g})" for row, cost in zip(counts, costs, strict=True)]
        for j, name in enumerate(names)
    }
    return pl.DataFrame({"true \\ called by cost": names, **columns})


def classes_frame(classes: list[dict[str, Any]]) -> pl.DataFrame:
    """One row a class against all others."""
    names = ("precision", "recall", "f1", "ece")
    rows = [
        {
            "class": c["name"],
            "rows": c["rows"],
            **{n: c[n] for n in names},
            "roc_auc": (c.get("auc") or {}).get("value"),
        }
        for c in classes
    ]
    schema = {"class": pl.String, "rows": pl.Int64, **dict.fromkeys((*names, "roc_auc"), pl.Float64)}
    return pl.DataFrame(rows, schema=schema, strict=False)


def class_charts(report: dict[str, Any]) -> list[Chart]:
    """Calibration of the called class, recall by class, rows by class."""
    bins = (report.get("calibration") or {}).get("bins") or []
    x = [b["score"] for b in bins]
    calibrated = reliability("Calibration of the called class", x, [b["observed"] for b in bins])
    calibrated.series.insert(0, band("95 %", x, [b["low"] for b in bins], [b["high"] for b in bins]))
    classes = report.get("classes") or []
    names = [c["name"] for c in classes]
    recall = bar_chart("Recall by class", names, [c["recall"] for c in classes], "class", "recall")
    return [calibrated, recall, bar_chart("Rows by class", names, [c["rows"] for c in classes], "class", "rows")]


def residual_charts(report: dict[str, Any]) -> list[Chart]:
    """Label by prediction, residuals by prediction, their histogram."""
    made = report.get("residuals") or {}
    bins, shape = made.get("bins") or [], made.get("histogram") or {"edges": [], "counts": []}
    x = [b["prediction"] for b in bins]
    ends = [min(x), max(x)] if x else []
    agree = Chart(
        "Label by prediction",
        "mean prediction",
        "mean label",
        [line("perfect", ends, ends, 2, dashed=True), line("label", x, [b["label"] for b in bins], marks=True)],
    )
    spread = Chart(
        "Residuals by prediction",
        "mean prediction",
        "label − prediction",
        [
            band("middle 80 %", x, [b["low"] for b in bins], [b["high"] for b in bins]),
            line("mean", x, [b["residual"] for b in bins], marks=True),
        ],
    )
    return [agree, spread, histogram("Residuals", shape["edges"], shape["counts"], "label − prediction")]


def quantile_chart(report: dict[str, Any]) -> Chart:
    """Quantiles of the residuals against those of a normal of the same spread."""
    pairs = (report.get("residuals") or {}).get("normal") or []
    normal = [a for a, _ in pairs]
    series = [line("normal", normal, normal, 2, dashed=True), line("residuals", normal, [b for _, b in pairs])]
    return Chart("Residuals against a normal", "normal", "residual", series if pairs else [])


def cost_pairs(found: dict[str, Any] | None) -> list[tuple[str, str]]:
    """What an answer of the packaged model costs."""
    if not found:
        return []
    return [
        ("One request, median", f"{found['request_p50_us'] / 1e3:.2f} ms"),
        ("One request, 99 %", f"{found['request_p99_us'] / 1e3:.2f} ms"),
        ("Rows a second, in batches", f"{found['rows_per_s']:,.0f}"),
        ("Model", f"{found['bytes'] / 1024:,.0f} KiB"),
    ]
