"""Why a model answers as it does: Shapley values and dependence, asked of the very graph that is packaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
import polars as pl

from core.contract.expressions import parse_expression, roots
from core.contract.matrix import transformer_of
from core.contract.schema import Contract
from core.evaluation.explain_graph import SQUASHING, leaves_of, margins_of
from core.evaluation.explain_records import Dependence, Explanation, FeatureEffect, RowExplanation
from core.measures.classification import Floats, midranks
from core.measures.shapley import MAX_PATH, Shapley, additive_shapley, dependence, sampled_shapley, tree_shapley

Matrix = npt.NDArray[np.float32]
Ask = Callable[[Matrix], Floats]
BACKGROUND, EXPLAINED, WORST, SPREAD, SAMPLED = 200, 400, 20, 20, 32
SAMPLED_ROWS = 120
SHOWN_FEATURES, GRID, LEVELS, LINES = 8, 20, 20, 24
MOST_LEAVES = 50_000  # half a minute; more are sampled
TOLERANCE = 1e-3  # float32 answers against float64 sums
MASK = "•••"


@dataclass(frozen=True)
class Judged:
    """Rows that can be explained: ``frame`` with the contract's fields and view features, and what was said of them.

    ``keys``, ``labels`` are texts, ``prediction`` and ``loss`` float arrays, all of the frame's length.
    """

    frame: pl.DataFrame
    keys: list[str]
    labels: list[str | None]
    prediction: Floats
    loss: Floats


def explain(model: bytes, contract: Contract, train: pl.DataFrame, judged: Judged, *, seed: int = 7) -> Explanation:
    """Explain the packaged model on judged rows against rows of the train period.

    Trees are explained exactly from the graph's own nodes, an additive model exactly by asking it one
    feature at a time, anything else by sampling. Which holds is proven on the rows: an exact method
    is kept only when base and values sum to the graph's answer on every row.
    """
    graph = onnx.load_from_string(model)
    ask = margins_of(graph)
    transformer = transformer_of(contract)
    rng = np.random.default_rng(seed)
    background = transformer.matrix(train[_picked(rng, train.height, BACKGROUND)])
    kept = _rows(rng, judged)
    features = transformer.assemble(judged.frame[kept])
    x = transformer.to_matrix(features)
    method, found, used = _values(graph, ask, x, background, seed)
    x, kept, features = x[:used], kept[:used], features[:used]
    margins = ask(x)
    gap = np.abs(found.base + found.values.sum(axis=1) - margins)
    squashed = graph.graph.node[-1].op_type in SQUASHING
    effects = [_effect(name, j, x, found) for j, name in enumerate(features.columns)]
    hidden = personal_features(contract)
    shown = [j for j, name in enumerate(features.columns) if name not in hidden]
    top = sorted(shown, key=lambda j: -effects[j].mean_abs)[:SHOWN_FEATURES]
    return Explanation(
        method=method,
        scale="log-odds" if squashed else "label" if contract.task == "regression" else "probability",
        outputs=list(getattr(contract, "classes", [])) if margins.shape[1] > 1 else [],
        features=features.columns,
        base=found.base.tolist(),
        rows=len(x),
        background_rows=SAMPLED if method == "sampled" else len(background),
        largest_gap=float(gap.max()) if gap.size else 0.0,
        largest_error=float(found.error.max()) if found.error is not None and found.error.size else 0.0,
        effects=sorted(effects, key=lambda one: -one.mean_abs),
        explained=_explained(contract, judged, kept, features, found, margins),
        dependence=[_dependence(contract, ask, x, background, j, squashed) for j in top],
    )


def _picked(rng: np.random.Generator, rows: int, most: int) -> list[int]:
    return sorted(rng.choice(rows, min(most, rows), replace=False).tolist())


def _rows(rng: np.random.Generator, judged: Judged) -> list[int]:
    """The worst rows first, then some spread over the predictions, then any: those that are kept for the page lead."""
    worst = np.argsort(-judged.loss, kind="stable")[:WORST].tolist()
    order = np.argsort(judged.prediction, kind="stable")
    spread = order[np.linspace(0, order.size - 1, min(SPREAD, order.size)).astype(int)].tolist()
    rest = _picked(rng, judged.frame.height, EXPLAINED)
    return list(dict.fromkeys([*worst, *spread, *rest]))[:EXPLAINED]


def _values(graph: onnx.ModelProto, ask: Ask, x: Matrix, background: Matrix, seed: int) -> tuple[str, Shapley, int]:
    """Method, values, and how many of the rows they are for."""
    exact: list[tuple[str, Callable[[], Shapley]]] = []
    trees = leaves_of(graph)
    if trees is not None and len(trees[0]) <= MOST_LEAVES and all(len(leaf.features) <= MAX_PATH for leaf in trees[0]):
        leaves, base = trees
        exact.append(("trees", lambda: tree_shapley(leaves, x, background, base)))
    else:
        exact.append(("additive", lambda: additive_shapley(ask, x, background)))
    answers = ask(x)
    for name, method in exact:
        found = method()
        sums = found.base + found.values.sum(axis=1)
        if sums.shape == answers.shape and np.allclose(sums, answers, rtol=TOLERANCE, atol=TOLERANCE):
            return name, found, len(x)
    used = min(len(x), SAMPLED_ROWS)
    return "sampled", sampled_shapley(ask, x[:used], background[:SAMPLED], seed=seed), used


def _effect(name: str, j: int, x: Matrix, found: Shapley) -> FeatureEffect:
    sizes = np.abs(found.values[:, j]).mean(axis=1)
    error = float(sizes.std(ddof=1) / np.sqrt(sizes.size)) if sizes.size > 1 else 0.0
    known = ~np.isnan(x[:, j])
    way = 0.0
    if found.values.shape[2] == 1 and known.sum() > 2:
        a, b = midranks(x[known, j].astype(np.float64)), midranks(found.values[known, j, 0])
        spread = float(a.std() * b.std())
        way = float(np.mean((a - a.mean()) * (b - b.mean()))) / spread if spread else 0.0
    return FeatureEffect(feature=name, mean_abs=float(sizes.mean()), mean_abs_error=error, direction=way)


def personal_features(contract: Contract) -> set[str]:
    """Features that show a personal field: by name, or through their expression."""
    hidden = set(contract.personal)
    out = {feature.name for feature in contract.features if feature.name in hidden}
    for feature in contract.features:
        if feature.origin == "request" and feature.expression:
            read = roots(parse_expression(feature.expression, who=f"The feature {feature.name}"))
            out |= {feature.name} if hidden & set(read) else set()
    return out


def shown_keys(contract: Contract, keys: list[str]) -> list[str]:
    """Keys as they may be shown: none where a key field is personal."""
    return [MASK] * len(keys) if set(contract.key) & set(contract.personal) else keys


def _explained(
    contract: Contract, judged: Judged, kept: list[int], features: pl.DataFrame, found: Shapley, margins: Floats
) -> list[RowExplanation]:
    hidden, classes = personal_features(contract), list(getattr(contract, "classes", []))
    keys, out = shown_keys(contract, judged.keys), []
    for i, (row, values) in enumerate(zip(kept, features.iter_rows(named=True), strict=True)):
        if i == WORST + SPREAD:
            break
        k = int(margins[i].argmax()) if margins.shape[1] > 1 else 0
        out.append(
            RowExplanation(
                key=keys[row],
                label=judged.labels[row],
                prediction=float(judged.prediction[row]),
                loss=float(judged.loss[row]),
                output=classes[k] if len(classes) > k and margins.shape[1] > 1 else "",
                base=float(found.base[k]),
                margin=float(margins[i, k]),
                contributions=found.values[i, :, k].tolist(),
                values=[MASK if name in hidden else _text(value) for name, value in values.items()],
            )
        )
    return out


def _text(value: object) -> str:
    if value is None:
        return "(null)"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _dependence(contract: Contract, ask: Ask, x: Matrix, background: Matrix, j: int, squashed: bool) -> Dependence:
    """On the scale of the answer: probabilities where margins are log-odds (the first output's, of several)."""
    feature = contract.features[j]
    column = x[:, j]
    at = column[~np.isnan(column)]
    if feature.kind == "category":
        seen, counts = np.unique(at.astype(int), return_counts=True)
        codes = np.sort(seen[np.argsort(-counts, kind="stable")][:LEVELS])
        grid = [float(code) for code in codes]
        names: list[float | str] = [*(_level(feature.levels, int(code)) for code in codes)]
    else:
        grid = np.unique(np.quantile(at, np.linspace(0.01, 0.99, GRID))).tolist() if at.size else []
        names = [*grid]
    made = dependence(ask, background, j, grid)
    answers = (1.0 / (1.0 + np.exp(-made)) if squashed and made.shape[2] == 1 else made)[:, :, 0]
    return Dependence(
        feature=feature.name,
        kind=feature.kind,
        grid=names,
        mean=answers.mean(axis=1).tolist(),
        rows=answers[:, :LINES].T.tolist(),
        at=np.quantile(at, np.linspace(0.1, 0.9, 9)).tolist() if feature.kind == "number" and at.size else [],
    )


def _level(levels: list[str], code: int) -> str:
    return levels[code] if code < len(levels) else "(other)"
