"""A report as a document: cards, notes, pictures and tables in order. Page and PDF are drawn from it alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from core.contract.release import GateOutcome
from core.evaluation.charts import Chart
from core.evaluation.error_records import ErrorCluster, InferenceCost, SeedSpread
from core.evaluation.explain_records import METHODS, Explanation
from core.measures.records import Estimate, PairedTest, SliceDiscovery

NAMES = {
    "roc_auc": "ROC-AUC",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "expected_cost": "Mean cost of a row",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Macro F1",
    "weighted_f1": "Weighted F1",
    "rmse": "Root mean squared error",
    "mae": "Mean absolute error",
    "bias": "Mean residual",
    "pinball": "Pinball loss",
    "r2": "R²",
    "mape": "Mean absolute percentage error",
    "median_error": "Median absolute error",
}
SHOWN_EFFECTS, SHOWN_ROWS, SHOWN_WORST = 12, 2, 4


@dataclass(frozen=True)
class Card:
    """One answer on the first page: its question, the figure, the words, and good, warn, bad or plain."""

    question: str
    figure: str
    words: str
    tone: str


@dataclass(frozen=True)
class Row:
    """A table's row: texts, which of them are alarming, whether all is too small to count, and a bar from a to b."""

    cells: list[str]
    hits: list[int] = field(default_factory=list)
    small: bool = False
    bar: tuple[float, float] | None = None


@dataclass(frozen=True)
class Block:
    """A heading with words, pictures and a table, each of which may be absent. ``words`` are columns of text."""

    title: str
    note: str = ""
    charts: list[Chart] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    words: list[int] = field(default_factory=lambda: [0])


@dataclass(frozen=True)
class Document:
    """The whole report. What stands before the blocks is the first page: enough to decide by."""

    title: str
    intro: str
    cards: list[Card]
    notes: list[str]
    charts: list[Chart]
    first: list[Block]
    blocks: list[Block]


def four(value: float | None) -> str:
    """Four decimals, or a dash."""
    return "–" if value is None else f"{value:.4f}" if abs(value) < 1_000 else f"{value:,.1f}"


def signed(value: float | None) -> str:
    """Four decimals with a sign, or a dash."""
    return "–" if value is None else f"{value:+.4f}" if abs(value) < 1_000 else f"{value:+,.1f}"


def share(value: float | None) -> str:
    """Per cent, or a dash."""
    return "–" if value is None else f"{value:.1%}"


def chance(value: float | None) -> str:
    """A p-value."""
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def band(estimate: Estimate | None, digits: int = 3) -> str:
    """An interval, or a dash."""
    if estimate is None or estimate.low is None or estimate.high is None:
        return "–"
    return f"{estimate.low:.{digits}f} to {estimate.high:.{digits}f}"


def gates_card(gates: Sequence[GateOutcome]) -> Card:
    """What the policy said."""
    question = "What did the policy say?"
    failed = [one for one in gates if not one.passed]
    stops = [one.rule for one in failed if one.severity == "block"]
    held = f"{len(gates) - len(failed)} of {len(gates)} rules hold"
    words = (
        f"{held}; not: {', '.join(stops or [one.rule for one in failed])}" if failed else f"all {len(gates)} rules hold"
    )
    if not gates:
        return Card(question, "Not asked yet", "Gates are applied after the evaluation.", "plain")
    figure = "Blocked" if stops else "Passed, with warnings" if failed else "Passed"
    tone = "bad" if stops else "warn" if failed else "good"
    return Card(question, figure, words, tone)


def cost_card(inference: InferenceCost | None, seeds: SeedSpread | None) -> Card:
    """What an answer costs, and how much of the figure is luck of the seed."""
    question = "What does an answer cost?"
    if inference is None:
        return Card(question, "Not measured", "The packaged model was not at hand.", "plain")
    words = f"for one request at the median, {inference.request_p99_us / 1e3:.2f} ms at 99 %; "
    words += f"{inference.rows_per_s:,.0f} rows a second in batches; {inference.bytes / 1024:,.0f} KiB"
    if seeds is not None:
        words += f"; {len(seeds.seeds)} seeds lie {seeds.range:.4f} apart"
    return Card(question, f"{inference.request_p50_us / 1e3:.2f} ms", words, "plain")


def failed_block(gates: Sequence[GateOutcome]) -> list[Block]:
    """The rules that do not hold, for the first page."""
    failed = [one for one in gates if not one.passed]
    return [replace(block, title="Rules that do not hold") for block in gates_block(failed)]


def worst_block(found: SliceDiscovery | None, declared: Sequence[tuple[str, int, str]]) -> list[Block]:
    """The worst declared slices (name, rows, what is wrong) and found ones, for the first page."""
    rows = [Row([name, "declared", f"{n:,}", words]) for name, n, words in declared[:SHOWN_WORST]]
    for one in (found.slices if found else [])[:SHOWN_WORST]:
        words = f"{one.ratio:.1f}× the mean {found.loss if found else ''} (p {chance(one.p_corrected)})"
        rows.append(Row([one.name, "found", f"{one.rows:,}", words]))
    return [Block("Weakest slices", head=["slice", "", "rows", "what"], rows=rows, words=[0, 1, 3])] if rows else []


def gates_block(gates: Sequence[GateOutcome]) -> list[Block]:
    """Every rule, the failed first."""
    if not gates:
        return []
    rank = {"bad": 0, "warn": 1, "good": 2}
    rows = []
    for one in sorted(gates, key=lambda g: rank["good" if g.passed else "bad" if g.severity == "block" else "warn"]):
        state = "holds" if one.passed else "blocks" if one.severity == "block" else "warns"
        rows.append(
            Row(
                [one.rule, state, f"{one.fact} {one.op} {one.expected}", one.observed, one.why],
                [] if one.passed else [1],
            )
        )
    return [Block("Gates", head=["rule", "verdict", "asked", "observed", "why"], rows=rows, words=[0, 1, 2, 4])]


def metrics_block(metrics: dict[str, Estimate]) -> Block:
    """Every metric with its interval."""
    rows = [
        Row([NAMES.get(name, name.replace("_", " ").capitalize()), four(m.value), four(m.low), four(m.high), m.method])
        for name, m in metrics.items()
    ]
    return Block("Metrics", head=["metric", "value", "95 % from", "to", "interval"], rows=rows, words=[0, 4])


def champion_block(rows: int, tests: dict[str, PairedTest]) -> list[Block]:
    """Every paired test."""
    if not tests:
        return []
    made = [
        Row(
            [
                NAMES.get(n, n),
                four(t.first),
                four(t.second),
                signed(t.difference),
                signed(t.low),
                signed(t.high),
                chance(t.p_value),
                t.method,
            ]
        )
        for n, t in tests.items()
    ]
    head = ["metric", "candidate", "champion", "difference", "95 % from", "to", "p", "test"]
    return [Block(f"Against the champion, {rows:,} shared rows", head=head, rows=made, words=[0, 7])]


def found_block(found: SliceDiscovery | None) -> list[Block]:
    """Slices that nobody declared."""
    if found is None:
        return []
    words = (
        f"{found.looked_at:,} levels and pairs of levels of {len(found.features)} features, each of {found.min_rows} "
        f"rows or more, ranked by mean {found.loss} against all rows; p is corrected over all of them (Holm). Beyond "
        "expected: error that the model's own probabilities do not account for; near 0 the rows are hard and the model "
        "knows it."
    )
    if not found.slices:
        return [Block("Found slices", f"{words} None stands out beyond chance.")]
    rows = [
        Row(
            [
                s.name,
                f"{s.rows:,}",
                share(s.share),
                four(s.error),
                signed(s.difference),
                f"{s.ratio:.2f}×",
                signed(s.beyond_expected),
                f"{s.score:.2f}",
                chance(s.p_corrected),
            ],
            [5],
        )
        for s in found.slices
    ]
    head = ["slice", "rows", "share", found.loss, "difference", "ratio", "beyond expected", "score", "p"]
    return [Block("Found slices", words, head=head, rows=rows)]


def errors_blocks(clusters: list[ErrorCluster]) -> list[Block]:
    """Kinds of error with what their rows share, and the worst rows."""
    made = []
    for one in clusters:
        traits = "; ".join(
            f"{t.feature}={t.value} ({t.share:.0%}, {t.share_overall:.0%} of all rows)" for t in one.traits
        )
        note = f"{one.rows:,} rows among the worst 5 %, {one.loss_share:.0%} of all loss. "
        note += f"More frequent than elsewhere: {traits}." if traits else "No level is more frequent than elsewhere."
        names = list(one.worst[0].values) if one.worst else []
        rows = [Row([r.key, r.label, r.prediction, four(r.loss), *r.values.values()]) for r in one.worst]
        head = ["row", "label", "prediction", "loss", *names]
        made.append(Block(f"Errors: {one.name}", note, head=head, rows=rows, words=[0, *range(4, len(head))]))
    return made


def explanation_blocks(found: Explanation | None, charts: list[Chart]) -> list[Block]:
    """What moves the answers, the shape of the strongest features, and single rows step by step."""
    if found is None:
        return []
    method = METHODS[found.method]
    note = f"{method[0].upper()}{method[1:]} on {found.rows:,} rows against {found.background_rows} of the train period"
    note += f", in {found.scale}. Base and values sum to the answer within {found.largest_gap:.1e}"
    note += f"; a value's standard error is at most {found.largest_error:.3f}." if found.largest_error else "."
    most = found.effects[0].mean_abs if found.effects else 0.0
    rows = [
        Row(
            [e.feature, four(e.mean_abs), f"± {e.mean_abs_error:.4f}", f"{e.direction:+.2f}", ""],
            bar=(0.0, e.mean_abs / most if most else 0.0),
        )
        for e in found.effects[:SHOWN_EFFECTS]
    ]
    head = ["feature", "mean |value|", "error", "rises with the answer", ""]
    made = [Block("What moves the answers", note, charts, head, rows, [0, 4])]
    return made + [_waterfall(found, i) for i in range(min(SHOWN_ROWS, len(found.explained)))]


def _waterfall(found: Explanation, index: int) -> Block:
    row = found.explained[index]
    order = sorted(range(len(row.contributions)), key=lambda j: -abs(row.contributions[j]))
    named = [(f"{found.features[j]} = {row.values[j]}", row.contributions[j]) for j in order[:SHOWN_EFFECTS]]
    rest = sum(row.contributions[j] for j in order[SHOWN_EFFECTS:])
    steps = [*named, *([(f"{len(order) - SHOWN_EFFECTS} others", rest)] if len(order) > SHOWN_EFFECTS else [])]
    ends = [row.base]
    for _, step in steps:
        ends.append(ends[-1] + step)
    low, width = min(ends), (max(ends) - min(ends)) or 1.0
    rows = [Row(["base", "", four(row.base), ""])]
    for (name, step), start, end in zip(steps, ends, ends[1:], strict=False):
        bar = ((min(start, end) - low) / width, (max(start, end) - low) / width)
        rows.append(Row([name, signed(step), four(end), ""], bar=bar))
    words = f"Label {row.label}, prediction {row.prediction:.4g}"
    words += f" for {row.output}, loss {row.loss:.3f}." if row.output else f", loss {row.loss:.3f}."
    return Block(
        f"Why: row {row.key}", words, head=["feature", "moves by", f"{found.scale} then", ""], rows=rows, words=[0, 3]
    )


def seeds_block(seeds: SeedSpread | None) -> list[Block]:
    """The same candidate with other seeds."""
    if seeds is None:
        return []
    rows = [Row([str(seed), four(value)]) for seed, value in zip(seeds.seeds, seeds.values, strict=True)]
    note = f"Range {seeds.range:.4f}: a smaller difference between two models may be luck."
    return [Block(f"Other seeds, {seeds.metric}", note, head=["seed", "value"], rows=rows)]
