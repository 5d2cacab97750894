"""The document of a binary label's report."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract.release import GateOutcome
from core.evaluation import charts, charts_more
from core.evaluation import document as doc
from core.evaluation.document import Block, Card, Document, Row, band, chance, four, share, signed
from core.evaluation.records import EvaluationReport
from core.measures.records import SliceResult

GOOD_ECE, POOR_ECE = 0.02, 0.05
FOUR_FIFTHS = 0.8  # the rule of the US Uniform Guidelines (1978), the customary alarm for selection rates


def binary_document(report: EvaluationReport, title: str, gates: Sequence[GateOutcome] = ()) -> Document:
    """Everything that is known, what decides first."""
    first_charts = [charts.roc_chart(report), charts.calibration_chart(report), charts.cost_chart(report)]
    more = [
        charts.pr_chart(report),
        charts_more.gain_chart(report),
        charts.score_chart(report),
        charts.month_chart(report),
        charts.slice_chart(report),
    ]
    tests = report.champion.tests if report.champion else {}
    return Document(
        title=title,
        intro=_intro(report),
        cards=cards(report, gates),
        notes=report.notes,
        charts=first_charts,
        first=[_confusion(report), *doc.failed_block(gates), *doc.worst_block(report.discovered, _worst(report))],
        blocks=[
            *doc.gates_block(gates),
            doc.metrics_block(report.metrics),
            *doc.champion_block(report.champion.rows if report.champion else 0, tests),
            Block("More pictures", charts=[chart for chart in more if chart]),
            *_recalibration(report),
            *_slices(report),
            *doc.found_block(report.discovered),
            *_groups(report),
            *doc.explanation_blocks(report.explanation, charts_more.dependence_charts(report.explanation)),
            *doc.errors_blocks(report.errors),
            _months(report),
            *doc.seeds_block(report.seeds),
        ],
    )


def _intro(report: EvaluationReport) -> str:
    return (
        f"{report.split.capitalize()} split: {report.rows:,} labelled rows from {report.first_prediction[:10]} to "
        f"{report.last_prediction[:10]}, {report.base_rate:.1%} positive. A row is called positive from a probability "
        f"of {report.threshold:.3f} on ({report.threshold_source}; a false alarm costs {report.cost_false_positive:g}, "
        f"a miss {report.cost_false_negative:g})."
    )


def by_weakness(slices: list[SliceResult]) -> list[SliceResult]:
    """Adequate slices first, the weakest AUC on top."""
    return sorted(slices, key=lambda item: (not item.adequate, item.auc.value if item.auc else 2.0, item.name))


def cards(report: EvaluationReport, gates: Sequence[GateOutcome] = ()) -> list[Card]:
    """What a reviewer must know to decide, in the order in which it is asked."""
    return [
        doc.gates_card(gates),
        _quality(report),
        _champion(report),
        _calibrated(report),
        _weakest(report),
        _fair(report),
        _steady(report),
        doc.cost_card(report.inference, report.seeds),
    ]


def _quality(report: EvaluationReport) -> Card:
    metric = report.metrics[report.primary]
    words = f"95 % interval {four(metric.low)} to {four(metric.high)} ({metric.method})"
    return Card(f"How good is it? {doc.NAMES[report.primary]}", f"{metric.value:.4f}", words, "plain")


def _champion(report: EvaluationReport) -> Card:
    question = "Better than the champion?"
    if report.champion is None:
        return Card(question, "No champion", "There is nothing to compare with yet.", "plain")
    tones = {"better": "good", "same": "warn", "worse": "bad", "not comparable": "bad"}
    verdict = report.champion.verdict
    return Card(question, verdict.capitalize(), report.champion.reason, tones[verdict])


def _calibrated(report: EvaluationReport) -> Card:
    made = report.calibration
    ece = made.ece if made.ece_debiased is None else made.ece_debiased
    tone = "good" if ece <= GOOD_ECE else "warn" if ece <= POOR_ECE else "bad"
    words = f"mean gap between predicted and observed share, less what chance adds (with it {made.ece:.4f}); "
    words += f"the worst bin is off by {made.mce:.3f}"
    return Card("Do its probabilities hold? Calibration error", f"{ece:.4f}", words, tone)


def _weakest(report: EvaluationReport) -> Card:
    question = "Where is it weakest?"
    ranked = [item for item in by_weakness(report.slices) if item.adequate and item.auc]
    below = sum(item.auc_significant and (item.auc_difference or 0.0) < 0 for item in ranked)
    found = report.discovered.slices if report.discovered else []
    told = f"{below} of {len(ranked)} declared slices rank worse than the rest beyond chance"
    if report.discovered:
        told += f"; {len(found)} more stand out among {report.discovered.looked_at:,} that were searched"
    if found and (not below or not ranked):
        worst = max(found, key=lambda one: one.ratio)
        return Card(
            question,
            worst.name,
            f"{worst.ratio:.1f}× the mean log loss on {worst.rows:,} rows; {told}",
            "warn",
        )
    if not ranked or ranked[0].auc is None:
        return Card(question, "Not sliced", f"No declared slice has enough rows of both classes; {told}", "warn")
    words = f"ROC-AUC {ranked[0].auc.value:.4f} on {ranked[0].rows:,} rows; {told}"
    return Card(question, ranked[0].name, words, "warn" if below or found else "good")


def _fair(report: EvaluationReport) -> Card:
    made = report.fairness
    if made is None or made.equalised_odds_difference is None:
        return Card("Is it even-handed?", "Not judged", "No group is declared, or no group has enough rows.", "warn")
    ratio = made.demographic_parity_ratio
    words = f"worst difference of error rates between groups of {made.feature}"
    around = made.intervals.get("equalised_odds_difference")
    words += f" (95 % {band(around)})" if around else ""
    if ratio is not None:
        words += f"; selection rates have a ratio of {ratio:.2f}"
    tone = "good" if ratio is not None and ratio >= FOUR_FIFTHS else "warn"
    return Card("Is it even-handed? Equalised odds", f"{made.equalised_odds_difference:.4f}", words, tone)


def _steady(report: EvaluationReport) -> Card:
    question = "Does it hold over time?"
    ranked = sorted((m.auc.value, m.month) for m in report.stability if m.auc and m.adequate)
    if not ranked:
        return Card(question, "Unknown", "No month has rows of both classes.", "warn")
    (worst, when), best = ranked[0], ranked[-1][0]
    if len(ranked) == 1:
        return Card(question, "One month", f"{when} alone has enough rows of both classes", "plain")
    words = f"range of ROC-AUC over {len(ranked)} months; the worst is {when} with {worst:.4f}"
    return Card(question, f"{best - worst:.4f}", words, "plain")


def _confusion(report: EvaluationReport) -> Block:
    c = report.confusion
    rows = [
        Row(["positive", f"{c.tp:,}", f"{c.fn:,} missed"]),
        Row(["negative", f"{c.fp:,} false alarms", f"{c.tn:,}"]),
    ]
    return Block("At the threshold", head=["", "called positive", "called negative"], rows=rows)


def _worst(report: EvaluationReport) -> list[tuple[str, int, str]]:
    """Declared slices that rank or err worse than the rest beyond chance."""
    out = []
    for one in by_weakness(report.slices):
        ranks, errs = one.auc_difference or 0.0, one.error_difference or 0.0
        if one.auc_significant and ranks < 0:
            out.append((one.name, one.rows, f"ROC-AUC {ranks:+.3f} to the rest (q {chance(one.auc_q)})"))
        elif one.error_significant and errs > 0:
            out.append((one.name, one.rows, f"error rate {errs:+.1%} to the rest (q {chance(one.error_q)})"))
    return out


def _recalibration(report: EvaluationReport) -> list[Block]:
    if not report.recalibration:
        return []
    note = "Fitted on validation, judged here. `calibrate` makes another candidate; nothing is swapped silently."
    rows = [
        Row([r.method, four(r.ece), four(r.ece_debiased), four(r.mce), four(r.brier), four(r.log_loss)])
        for r in report.recalibration
    ]
    return [
        Block(
            "What recalibration would give",
            note,
            head=["map", "calibration error", "without chance", "worst bin", "Brier", "log loss"],
            rows=rows,
        )
    ]


def _slices(report: EvaluationReport) -> list[Block]:
    rows = []
    for i, s in enumerate(by_weakness(report.slices), start=1):
        hits = [5] * bool(s.auc_significant and (s.auc_difference or 0) < 0)
        hits += [8] * bool(s.error_significant and (s.error_difference or 0) > 0)
        cells = [
            f"{i} {s.name}",
            f"{s.rows:,}",
            share(s.positive_rate),
            four(s.auc.value if s.auc else None),
            band(s.auc),
        ]
        cells += [
            signed(s.auc_difference),
            chance(s.auc_q),
            share(s.error_rate),
            signed(s.error_difference),
            chance(s.error_q),
            four(s.log_loss),
        ]
        rows.append(Row(cells, hits, not s.adequate))
    note = "Against all other rows; q is the p-value corrected over all tested slices (Benjamini and Hochberg). "
    note += "Grey slices are too small to test."
    head = [
        "slice",
        "rows",
        "positive",
        "ROC-AUC",
        "95 %",
        "difference",
        "q",
        "error rate",
        "difference",
        "q",
        "log loss",
    ]
    return [Block("Declared slices, weakest first", note, head=head, rows=rows)] if rows else []


def _groups(report: EvaluationReport) -> list[Block]:
    made = report.fairness
    if made is None:
        return []
    parts = [("Demographic parity difference", "demographic_parity_difference")]
    parts += [("its ratio", "demographic_parity_ratio")]
    parts += [("equalised odds", "equalised_odds_difference"), ("equal opportunity", "equal_opportunity_difference")]
    words = [f"{text} {four(getattr(made, name))} (95 % {band(made.intervals.get(name))})" for text, name in parts]
    rows = [
        Row(
            [
                g.group,
                f"{g.rows:,}",
                share(g.base_rate),
                share(g.selection_rate),
                share(g.tpr),
                share(g.fpr),
                share(g.accuracy),
                signed(g.calibration_gap),
                four(g.ece),
            ],
            small=not g.counted,
        )
        for g in made.groups
    ]
    head = [
        "group",
        "rows",
        "positive",
        "selected",
        "true positive rate",
        "false positive rate",
        "accuracy",
        "score − positive",
        "calibration error",
    ]
    blocks = [
        Block(f"Groups of {made.feature}", ", ".join(words) + ". Grey groups do not count.", head=head, rows=rows)
    ]
    names = {"selection_rate": "selection rates", "tpr": "true positive rates"}
    for trade in made.trades:
        points = [
            Row(["today", "–", four(trade.today.difference), four(trade.today.cost), share(trade.today.accuracy)])
        ]
        points += [
            Row(["by group", four(p.allowed), four(p.difference), four(p.cost), share(p.accuracy)])
            for p in trade.points
        ]
        note = "The cheapest thresholds for each group, chosen on validation, for each allowed difference of "
        note += f"{names[trade.rate]}."
        head = ["thresholds", "allowed there", "difference here", "mean cost", "accuracy"]
        blocks.append(
            Block(
                f"Mitigation by thresholds for each group: {names[trade.rate]}",
                note,
                charts_more.trade_charts(trade),
                head,
                points,
            )
        )
    return blocks


def _months(report: EvaluationReport) -> Block:
    rows = [
        Row(
            [
                m.month,
                f"{m.rows:,}",
                share(m.base_rate),
                share(m.predicted_rate),
                four(m.auc.value if m.auc else None),
                band(m.auc),
                four(m.brier),
                four(m.log_loss),
                four(m.ece),
            ],
            small=not m.adequate,
        )
        for m in report.stability
    ]
    head = ["month", "rows", "positive", "called", "ROC-AUC", "95 %", "Brier", "log loss", "calibration error"]
    return Block("Months", head=head, rows=rows)
