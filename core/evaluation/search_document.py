"""A search for settings as a document: how it went, which settings mattered, and the trials along each of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor, log10
from typing import Any

from core.evaluation.charts import Chart, Scale, Tick, base_chart
from core.evaluation.document import Block, Card, Document, Row, share

MOST_TRIALS = 100
FIGURE = ".5g"


def search_document(found: Mapping[str, Any]) -> Document:
    """A search as its report keeps it (see ``core.engine.tuning``), as cards, pictures and tables in order.

    ``found`` has ``name``, ``trainer``, ``goal``, ``lower_is_better``, ``trials``, ``pruned``, ``failed``, ``space``
    (name to ``low``/``high``/``log`` or ``choices``), ``importance`` (name to share), ``best`` (a trial or null) and
    ``all`` (trials: ``number``, ``settings``, ``state``, ``value``, ``run``).
    """
    done = [trial for trial in found["all"] if trial["state"] == "done"]
    way = "lower" if found["lower_is_better"] else "higher"
    return Document(
        title=f"Search: {found['name']}",
        intro=f"Settings of {found['trainer']}, for {found['goal']}; {way} is better.",
        cards=_cards(found),
        notes=[] if len(done) > 1 else ["One trial says nothing of what mattered."],
        charts=[_history(found, done)] if len(done) > 1 else [],
        first=_importance(found),
        blocks=[*_slices(found, done), _trials(found, done)],
    )


def _cards(found: Mapping[str, Any]) -> list[Card]:
    best, importance = found["best"], found["importance"]
    stopped = f"{found['pruned']} stopped early, {found['failed']} failed"
    cards = [Card("How much was tried?", f"{found['trials']} trials", stopped, "plain")]
    if best is None:
        return [Card("What is best?", "Nothing", "No trial ended well.", "bad"), *cards]
    settings = ", ".join(f"{name} {_cell(value)}" for name, value in best["settings"].items())
    words = f"trial {best['number'] + 1} ({best['run']}): {settings}"
    cards.insert(0, Card("What is best?", f"{best['value']:{FIGURE}}", words, "good"))
    if importance:
        name = next(iter(importance))
        cards.append(Card("What mattered most?", name, f"{share(importance[name])} of what made trials good", "plain"))
    return cards


def _importance(found: Mapping[str, Any]) -> list[Block]:
    if not found["importance"]:
        return []
    most = max(found["importance"].values()) or 1.0
    rows = [Row([name, share(part), ""], bar=(0.0, part / most)) for name, part in found["importance"].items()]
    return [Block("What mattered", head=["setting", "share", ""], rows=rows)]


def _history(found: Mapping[str, Any], done: list[dict[str, Any]]) -> Chart:
    """The figure of each trial in turn, and the best so far."""
    better = min if found["lower_is_better"] else max
    values = [trial["value"] for trial in done]
    best = [better(values[: place + 1]) for place in range(len(values))]
    scale = Scale(0.5, len(values) + 0.5, *_room(values))
    words = f"{found['goal']} of {len(values)} trials, from {min(values):{FIGURE}} to {max(values):{FIGURE}}."
    chart = base_chart(scale, "Trial by trial", "trial", found["goal"], words)
    chart.lines = [(scale.line([(place + 1, value) for place, value in enumerate(best)]), "guide")]
    chart.dots = [(scale.x(place + 1), scale.y(value), "dot") for place, value in enumerate(values)]
    chart.legend = [("dot", "a trial"), ("guide", "best so far")]
    return chart


def _slices(found: Mapping[str, Any], done: list[dict[str, Any]]) -> list[Block]:
    """One picture for each setting that was searched, what mattered most first."""
    if len(done) < 2:
        return []
    names = [*found["importance"], *(name for name in found["space"] if name not in found["importance"])]
    charts = [_slice(found, done, name) for name in names]
    note = "A dot is a trial, the large one the best. What mattered most comes first (PED-ANOVA, Watanabe et al. 2023)."
    return [Block("Trials along each setting", note, charts)]


def _slice(found: Mapping[str, Any], done: list[dict[str, Any]], name: str) -> Chart:
    space = found["space"][name]
    choices = [_cell(choice) for choice in space.get("choices") or []]
    settings = [trial["settings"][name] for trial in done]
    log = bool(space.get("log"))
    if choices:
        at = [float(choices.index(_cell(value))) for value in settings]
        low, high = -0.5, len(choices) - 0.5
    else:
        at = [log10(value) if log else float(value) for value in settings]
        low, high = (log10(space[end]) if log else float(space[end]) for end in ("low", "high"))
    values = [trial["value"] for trial in done]
    scale = Scale(low, high, *_room(values))
    words = f"{found['goal']} of {len(done)} trials by {name}."
    chart = base_chart(scale, name, f"{name} (log)" if log else name, found["goal"], words)
    if choices:
        chart.x_ticks = [Tick(scale.x(place), text[:10]) for place, text in enumerate(choices)]
    elif log:
        every = max(1, (floor(high) - ceil(low)) // 5 + 1)
        powers = range(ceil(low), floor(high) + 1, every)
        chart.x_ticks = [Tick(scale.x(power), f"{10.0**power:g}") for power in powers]
    best = found["best"]
    chart.dots = [
        (scale.x(x), scale.y(value), "mark" if best and trial["number"] == best["number"] else "dot")
        for x, value, trial in zip(at, values, done, strict=True)
    ]
    return chart


def _room(values: list[float]) -> tuple[float, float]:
    """The range of some figures with a little room on both sides."""
    low, high = min(values), max(values)
    edge = (high - low) * 0.08 or abs(high) * 0.01 or 1.0
    return low - edge, high + edge


def _trials(found: Mapping[str, Any], done: list[dict[str, Any]]) -> Block:
    names = list(found["space"])
    ranked = sorted(done, key=lambda trial: trial["value"] if found["lower_is_better"] else -trial["value"])
    rows = [
        Row(
            [
                str(trial["number"] + 1),
                f"{trial['value']:{FIGURE}}",
                *(_cell(trial["settings"].get(name)) for name in names),
                trial["run"],
            ]
        )
        for trial in ranked[:MOST_TRIALS]
    ]
    shown = f"The best {MOST_TRIALS} of {len(done)}." if len(done) > MOST_TRIALS else ""
    return Block("Trials, the best first", shown, head=["trial", found["goal"], *names, "run"], rows=rows)


def _cell(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
