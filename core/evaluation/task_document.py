"""The document of the report on several classes or on a number."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract.release import GateOutcome
from core.evaluation import charts_more, task_charts
from core.evaluation import document as doc
from core.evaluation.document import Block, Card, Document, Row, chance, four, share, signed
from core.evaluation.task_report_records import TaskReport
from core.measures.task_records import LossSlice

GOOD_ECE, POOR_ECE = 0.02, 0.05
MOST_CLASSES = 26


def task_document(report: TaskReport, title: str, gates: Sequence[GateOutcome] = ()) -> Document:
    """Everything that is known, what decides first."""
    more = [task_charts.quantile_chart(report)]
    tests = report.champion.tests if report.champion else {}
    worse = [
        (one.name, one.rows, f"mean loss {signed(one.difference)} to the rest (q {chance(one.q)})")
        for one in by_loss(report.slices)
        if one.significant and (one.difference or 0.0) > 0
    ]
    return Document(
        title=title,
        intro=_intro(report),
        cards=cards(report, gates),
        notes=report.notes,
        charts=task_charts.task_charts(report),
        first=[
            *_confusion(report),
            doc.metrics_block(report.metrics),
            *doc.failed_block(gates),
            *doc.worst_block(report.discovered, worse),
        ],
        blocks=[
            *doc.gates_block(gates),
            *doc.champion_block(report.champion.rows if report.champion else 0, tests),
            *_decision(report),
            *_classes(report),
            *([Block("More pictures", charts=[chart for chart in more if chart])] if any(more) else []),
            *_slices(report, report.slices, "Declared slices, worst first"),
            *doc.found_block(report.discovered),
            *_slices(report, report.groups, f"Groups of {report.fairness_feature}"),
            *doc.explanation_blocks(report.explanation, charts_more.dependence_charts(report.explanation)),
            *doc.errors_blocks(report.errors),
            _months(report),
            *doc.seeds_block(report.seeds),
        ],
    )


def _intro(report: TaskReport) -> str:
    kind = f"{len(report.classes)} classes" if report.task == "multiclass" else "a number"
    when = f"{report.first_prediction[:10]} to {report.last_prediction[:10]}"
    return f"{report.split.capitalize()} split: {report.rows:,} labelled rows from {when}. The label is {kind}."


def by_loss(slices: Sequence[LossSlice]) -> list[LossSlice]:
    """Adequate slices first, the largest loss on top."""
    return sorted(slices, key=lambda one: (not one.adequate, -one.loss, one.name))


def cards(report: TaskReport, gates: Sequence[GateOutcome] = ()) -> list[Card]:
    """What a reviewer must know to decide, in the order in which it is asked."""
    metric = report.metrics[report.primary]
    name = doc.NAMES.get(report.primary, report.primary)
    good = Card(
        f"How good is it? {name}",
        four(metric.value),
        f"95 % interval {four(metric.low)} to {four(metric.high)} ({metric.method})",
        "plain",
    )
    return [
        doc.gates_card(gates),
        good,
        _champion(report),
        _honest(report),
        _weakest(report),
        _fair(report),
        _steady(report),
        doc.cost_card(report.inference, report.seeds),
    ]


def _champion(report: TaskReport) -> Card:
    question = "Better than the champion?"
    if report.champion is None:
        return Card(question, "No champion", "There is nothing to compare with yet.", "plain")
    tones = {"better": "good", "same": "warn", "worse": "bad", "not comparable": "bad"}
    return Card(question, report.champion.verdict.capitalize(), report.champion.reason, tones[report.champion.verdict])


def _honest(report: TaskReport) -> Card:
    """Calibration of classes; for a number, whether it is biased."""
    if report.calibration is not None:
        ece = report.calibration.ece
        tone = "good" if ece <= GOOD_ECE else "warn" if ece <= POOR_ECE else "bad"
        words = "mean gap between the called class's probability and how often it is right; "
        words += f"{report.calibration.classwise_ece:.4f} by class"
        return Card("Do its probabilities hold? Calibration error", four(ece), words, tone)
    bias = report.metrics["bias"]
    known = bias.low is not None and bias.high is not None and (bias.low > 0 or bias.high < 0)
    words = f"mean residual, 95 % {four(bias.low)} to {four(bias.high)}"
    if report.residuals is not None:
        words += (
            f"; the size of the residual rises with the prediction by rank {report.residuals.heteroscedasticity:+.2f}"
        )
    return Card("Is it off on average?", signed(bias.value), words, "warn" if known else "good")


def _weakest(report: TaskReport) -> Card:
    question = "Where is it weakest?"
    found = report.discovered.slices if report.discovered else []
    ranked = [one for one in by_loss(report.slices) if one.adequate]
    worse = sum(one.significant and (one.difference or 0.0) > 0 for one in ranked)
    told = f"{worse} of {len(ranked)} declared slices are worse than the rest beyond chance"
    if report.discovered:
        told += f"; {len(found)} more stand out among {report.discovered.looked_at:,} that were searched"
    if found:
        worst = max(found, key=lambda one: one.ratio)
        return Card(question, worst.name, f"{worst.ratio:.1f}× the mean loss on {worst.rows:,} rows; {told}", "warn")
    if not ranked:
        return Card(
            question,
            "Not sliced" if not report.discovered else "Nowhere",
            told,
            "warn" if not report.discovered else "good",
        )
    return Card(
        question,
        ranked[0].name,
        f"mean loss {four(ranked[0].loss)} on {ranked[0].rows:,} rows; {told}",
        "warn" if worse else "good",
    )


def _fair(report: TaskReport) -> Card:
    question = "Is it even-handed?"
    counted = [one for one in report.groups if one.adequate]
    if len(counted) < 2:
        return Card(question, "Not judged", "No group is declared, or no two groups have enough rows.", "warn")
    figures = [one.figure for one in counted]
    name = "Accuracy" if report.task == "multiclass" else "Mean absolute error"
    worse = sum(one.significant for one in counted)
    words = f"between groups of {report.fairness_feature}; {worse} of {len(counted)} differ from the rest beyond chance"
    return Card(f"{question} {name}", four(max(figures) - min(figures)), words, "warn" if worse else "good")


def _steady(report: TaskReport) -> Card:
    question = "Does it hold over time?"
    months = [one for one in report.stability if one.adequate]
    if not months:
        return Card(question, "Unknown", "No month has enough rows.", "warn")
    name = "log_loss" if report.task == "multiclass" else "rmse"
    if len(months) == 1:
        return Card(question, "One month", f"{months[0].month} alone has enough rows", "plain")
    worst = max(months, key=lambda one: one.figures[name])
    values = [one.figures[name] for one in months]
    words = f"range of the {doc.NAMES[name].lower()} over {len(months)} months; "
    words += f"the worst is {worst.month} with {four(max(values))}"
    return Card(question, four(max(values) - min(values)), words, "plain")


def _confusion(report: TaskReport) -> list[Block]:
    made = report.confusion
    if made is None:
        return []
    note = "" if len(made.classes) <= MOST_CLASSES else f"The first {MOST_CLASSES} of {len(made.classes)} classes."
    names = made.classes[:MOST_CLASSES]
    rows = []
    for i, name in enumerate(names):
        counts = made.counts[i][:MOST_CLASSES]
        worst = max((c for j, c in enumerate(counts) if j != i), default=0.0)
        hits = [j + 1 for j, c in enumerate(counts) if j != i and c == worst and c > 0]
        rows.append(Row([name, *(f"{c:,.0f}" for c in counts)], hits))
    return [Block("True class by row, called class by column", note, head=["", *names], rows=rows)]


def _decision(report: TaskReport) -> list[Block]:
    """The confusion when each row is called what is expected to cost least, with what a cell costs."""
    made = report.decision
    if made is None:
        return []
    note = (
        f"Mean cost of a row {four(made.cost)}; by the most probable class {four(made.cost_most_probable)} (saved "
        f"{four(made.saving.difference)}, 95 % {four(made.saving.low)} to {four(made.saving.high)}); all called "
        f"{made.constant} {four(made.cost_constant)}. {made.changed:,} rows are called otherwise. "
        "The cost of a row is in brackets."
    )
    names = made.classes[:MOST_CLASSES]
    cells = [
        [f"{count:,.0f} ({cost:g})" for count, cost in zip(counts, costs, strict=True)][:MOST_CLASSES]
        for counts, costs in zip(made.counts, made.costs, strict=True)
    ]
    rows = [Row([name, *cells[i]]) for i, name in enumerate(names)]
    return [Block("Called by least expected cost: true class by row", note, head=["", *names], rows=rows)]


def _classes(report: TaskReport) -> list[Block]:
    if not report.classes:
        return []
    rows = [
        Row(
            [
                c.name,
                f"{c.rows:,}",
                four(c.precision),
                four(c.recall),
                four(c.f1),
                four(c.auc.value if c.auc else None),
                doc.band(c.auc),
                four(c.ece),
            ]
        )
        for c in report.classes
    ]
    head = ["class", "rows", "precision", "recall", "F1", "ROC-AUC against the rest", "95 %", "calibration error"]
    return [Block("Classes", head=head, rows=rows)]


def _slices(report: TaskReport, slices: list[LossSlice], title: str) -> list[Block]:
    if not slices:
        return []
    loss, figure = ("log loss", "accuracy") if report.task == "multiclass" else ("squared error", "absolute error")
    rows = []
    for one in by_loss(slices):
        hits = [4] if one.significant and (one.difference or 0.0) > 0 else []
        cells = [
            one.name,
            f"{one.rows:,}",
            four(one.loss),
            f"{four(one.low)} to {four(one.high)}",
            signed(one.difference),
            chance(one.q),
        ]
        read = share(one.figure) if report.task == "multiclass" else four(one.figure)
        rows.append(Row([*cells, read, signed(one.figure_difference)], hits, not one.adequate))
    note = "Against all other rows; q is the p-value corrected over all tested slices (Benjamini and Hochberg). "
    note += "Grey ones are too small to test."
    head = ["slice", "rows", loss, "95 %", "difference", "q", figure, "difference"]
    return [Block(title, note, head=head, rows=rows)]


def _months(report: TaskReport) -> Block:
    names = list(report.stability[0].figures) if report.stability else []
    rows = [
        Row([m.month, f"{m.rows:,}", *(four(m.figures[n]) for n in names)], small=not m.adequate)
        for m in report.stability
    ]
    return Block("Months", head=["month", "rows", *(doc.NAMES[n].lower() for n in names)], rows=rows)
