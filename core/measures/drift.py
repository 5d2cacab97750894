"""Has a window of production drifted from the reference? Two-sample tests that keep their word.

Each column is tested by permutation: under no drift the window's rows are a random part of window
and reference together, so the null distribution of any statistic comes from drawing windows of
the same size out of the pooled cell counts (a multivariate hypergeometric draw). That holds at
every sample size, for ties, and for categories of many levels, where chi-square tables and fixed
distance cut-offs fail. Holm's (1979) step-down correction over all tests of a report bounds the
chance of any significant result on an undrifted window of independent rows by ``false_alarm``.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl

from core.measures.classification import Floats
from core.measures.drift_reference import Counts, count_cells, known_numbers, level_counts, moments
from core.measures.drift_reference import fit_reference as fit_reference
from core.measures.multiplicity import holm_adjusted
from core.measures.records import CategoryReference, ColumnDrift, DriftReference, DriftReport, NumberReference

FLOOR = 1e-6  # least share of a cell in the population stability index
BATCH = 200  # permutations drawn at once
ENOUGH = 20  # permutations beyond the observed value after which the rest would change nothing
MAX_CELLS = 1_000  # rarer levels are pooled for the test
TOP_LEVELS = 9  # levels with a cell of their own in the index: ten bins, as for numbers, and the unseen


@dataclass(frozen=True)
class Tested:
    """One column before the correction over columns."""

    record: ColumnDrift
    pooled_nulls: int


def compare(
    reference: DriftReference,
    window: pl.DataFrame,
    *,
    false_alarm: float = 0.05,
    min_effect: float = 0.1,
    seed: int = 7,
) -> DriftReport:
    """Test every column of the reference against ``window``.

    A column alarms when its values, or its share of nulls, changed significantly **and** by an
    effect of at least ``min_effect``. The effect is on the scale of the population stability
    index (0.1 moderate, 0.25 large); for numbers the absolute standardised mean shift counts too
    when it is larger. A significant smaller change is a ``shift``. A missing column alarms.
    """
    known: list[NumberReference | CategoryReference] = [*reference.numbers, *reference.categories]
    present = [item for item in known if item.name in window.columns]
    draws = max(999, ceil(3 * len(present) / false_alarm))  # p must be able to pass Holm's first step: 2 tests a column
    tested = [_test(item, window[item.name], draws, seed) for item in present]
    columns = _decide(tested, false_alarm, min_effect)
    missing = [item.name for item in known if item.name not in window.columns]
    return DriftReport(
        rows=window.height,
        reference_rows=reference.rows,
        false_alarm=false_alarm,
        min_effect=min_effect,
        seed=seed,
        columns=columns,
        missing=missing,
        alarm=bool(missing) or any(column.verdict == "alarm" for column in columns),
    )


def psi(reference: Counts, window: Counts) -> float:
    """Population stability index of two count vectors (k,): sum of (w - r) ln(w / r), shares floored at 1e-6."""
    if not reference.sum() or not window.sum():
        return 0.0
    r = np.maximum(reference / reference.sum(), FLOOR)
    w = np.maximum(window / window.sum(), FLOOR)
    return float(np.sum((w - r) * np.log(w / r)))


def ks_statistic(pooled: Counts, drawn: Counts) -> Floats:
    """Largest gap of the two cumulative shares; ``drawn`` (b, k) windows out of ``pooled`` (k,)."""
    window, rest = drawn.cumsum(axis=1), (pooled - drawn).cumsum(axis=1)
    out: Floats = np.abs(window / window[:, -1:] - rest / rest[:, -1:]).max(axis=1)
    return out


def g_statistic(pooled: Counts, drawn: Counts) -> Floats:
    """Likelihood-ratio statistic of the 2 x k table (Wilks 1938): window and rest by level."""
    table = np.arange(int(pooled.max()) + 1, dtype=np.float64)
    table[1:] *= np.log(table[1:])
    n, m = float(drawn[0].sum()), float(pooled.sum() - drawn[0].sum())
    inside = table[drawn].sum(axis=1) + table[pooled - drawn].sum(axis=1)
    margins = table[pooled].sum() + n * np.log(n) + m * np.log(m) - (n + m) * np.log(n + m)
    out: Floats = np.maximum(0.0, 2.0 * (inside - margins))
    return out


def permutation_test(
    reference: Counts,
    window: Counts,
    statistic: Callable[[Counts, Counts], Floats],
    *,
    draws: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Observed statistic and its permutation p-value, at least ``1 / (draws + 1)``.

    Drawing ends early when the answer is plainly 'not significant' (Besag and Clifford 1991).
    """
    pooled = reference + window
    keep = pooled > 0
    pooled, window = pooled[keep], window[keep]
    size = int(window.sum())
    if not size or size == pooled.sum() or pooled.size < 2:
        return 0.0, 1.0
    observed = float(statistic(pooled, window[None, :])[0])
    done = beyond = 0
    while done < draws and beyond < ENOUGH:
        count = min(BATCH, draws - done)
        drawn = rng.multivariate_hypergeometric(pooled, size, size=count, method="marginals")
        beyond += int((statistic(pooled, drawn) >= observed * (1 - 1e-12) - 1e-12).sum())
        done += count
    return observed, (beyond + 1) / (done + 1)


def null_share_p(reference_nulls: int, reference_rows: int, nulls: int, rows: int) -> float:
    """Fisher's exact two-sided p of a change in the share of nulls."""
    if not rows or not reference_rows or not nulls + reference_nulls:
        return 1.0
    from scipy.stats import fisher_exact

    table = [[nulls, rows - nulls], [reference_nulls, reference_rows - reference_nulls]]
    return min(1.0, float(fisher_exact(table).pvalue))


def holm(p_values: list[float], alpha: float) -> list[bool]:
    """Which hypotheses Holm's (1979) step-down procedure rejects at family-wise level ``alpha``."""
    return [bool(p <= alpha) for p in holm_adjusted(p_values)]


def _test(item: NumberReference | CategoryReference, column: pl.Series, draws: int, seed: int) -> Tested:
    rng = np.random.default_rng([seed, zlib.crc32(item.name.encode())])
    if isinstance(item, NumberReference):
        record = _number(item, column, draws, rng)
    else:
        record = _category(item, column, draws, rng)
    return Tested(record, item.nulls + round(record.null_share * record.rows))


def _number(item: NumberReference, column: pl.Series, draws: int, rng: np.random.Generator) -> ColumnDrift:
    values = known_numbers(column)
    counts, edges = np.asarray(item.counts, dtype=np.int64), np.asarray(item.edges)
    statistic, p = permutation_test(counts, count_cells(values, edges), ks_statistic, draws=draws, rng=rng)
    deciles = np.asarray(item.deciles)
    index = psi(np.asarray(item.decile_counts, dtype=np.int64), count_cells(values, deciles))
    spread = item.moments.variance**0.5
    shift = (moments(values).mean - item.moments.mean) / spread if spread > 0 and values.size else 0.0
    base = _without_values(item, column.len(), column.len() - values.size)
    return base.model_copy(
        update={
            "statistic": statistic,
            "statistic_name": "ks",
            "p_value": p,
            "psi": index,
            "mean_shift": shift,
            "effect": max(index, abs(shift)),
        }
    )


def _category(item: CategoryReference, column: pl.Series, draws: int, rng: np.random.Generator) -> ColumnDrift:
    found = level_counts(column, hashed=item.hashed)
    new = sorted(set(found) - set(item.levels))
    window = np.array([found.get(level, 0) for level in [*item.levels, *new]], dtype=np.int64)
    counts = np.array([*item.counts, *(0 for _ in new)], dtype=np.int64)
    unseen, size = int(window[len(item.levels) :].sum()), int(window.sum())
    statistic, p = permutation_test(*_rare_pooled(counts, window), g_statistic, draws=draws, rng=rng)
    index = psi(_top(counts, len(item.levels)), _top(window, len(item.levels)))
    variation = 0.5 * float(np.abs(window / size - counts / counts.sum()).sum()) if size and counts.sum() else 0.0
    base = _without_values(item, column.len(), column.null_count())
    return base.model_copy(
        update={
            "statistic": statistic,
            "statistic_name": "g",
            "p_value": p,
            "psi": index,
            "effect": index,
            "total_variation": variation,
            "unseen_share": unseen / size if size else 0.0,
        }
    )


def _rare_pooled(counts: Counts, window: Counts) -> tuple[Counts, Counts]:
    """Both vectors with all but the commonest levels added up; chosen on the pooled counts, so the test stays exact."""
    if counts.size <= MAX_CELLS:
        return counts, window
    order = np.argsort(-(counts + window), kind="stable")
    first, rest = order[: MAX_CELLS - 1], order[MAX_CELLS - 1 :]
    return np.append(counts[first], counts[rest].sum()), np.append(window[first], window[rest].sum())


def _top(counts: Counts, known: int) -> Counts:
    """Counts of the reference's commonest levels, of its other levels, and of levels that it never saw."""
    return np.append(counts[: min(TOP_LEVELS, known)], [counts[TOP_LEVELS:known].sum(), counts[known:].sum()])


def _without_values(item: NumberReference | CategoryReference, rows: int, nulls: int) -> ColumnDrift:
    """The part about nulls; the test of values is filled in by the caller."""
    reference = np.array([item.rows - item.nulls, item.nulls], dtype=np.int64)
    window = np.array([rows - nulls, nulls], dtype=np.int64)
    return ColumnDrift(
        name=item.name,
        kind=item.kind,
        rows=rows,
        statistic=0.0,
        statistic_name="ks",
        p_value=1.0,
        significant=False,
        effect=0.0,
        psi=0.0,
        null_share=nulls / rows if rows else 0.0,
        reference_null_share=item.nulls / item.rows if item.rows else 0.0,
        null_p=null_share_p(item.nulls, item.rows, nulls, rows),
        null_effect=psi(reference, window),
        null_significant=False,
        verdict="same",
    )


def _decide(tested: list[Tested], false_alarm: float, min_effect: float) -> list[ColumnDrift]:
    """Significance after Holm over all tests; a null test counts only where there are nulls at all."""
    with_nulls = [i for i, item in enumerate(tested) if item.pooled_nulls]
    p_values = [item.record.p_value for item in tested] + [tested[i].record.null_p for i in with_nulls]
    rejected = holm(p_values, false_alarm)
    null_rejected = dict(zip(with_nulls, rejected[len(tested) :], strict=True))
    return [
        _verdict(item.record, rejected[i], null_rejected.get(i, False), min_effect) for i, item in enumerate(tested)
    ]


def _verdict(record: ColumnDrift, values: bool, nulls: bool, min_effect: float) -> ColumnDrift:
    reasons = []
    if values and record.effect >= min_effect:
        reasons.append(f"values moved (effect {record.effect:.2f}, {record.statistic_name} {record.statistic:.3g})")
    if nulls and record.null_effect >= min_effect:
        reasons.append(f"nulls went from {record.reference_null_share:.1%} to {record.null_share:.1%}")
    verdict = "alarm" if reasons else "shift" if values or nulls else "same"
    return record.model_copy(
        update={"significant": values, "null_significant": nulls, "verdict": verdict, "reason": "; ".join(reasons)}
    )
