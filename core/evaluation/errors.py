"""Ways in which a model fails: kinds of error, what their rows have in common, and the rows themselves."""

from __future__ import annotations

import numpy as np
import polars as pl

from core.evaluation.error_records import ErrorCluster, ErrorRow, Trait
from core.measures.classification import Bools, Floats
from core.measures.multiplicity import holm_adjusted
from core.measures.slice_discovery import Coded

WORST_SHARE = 0.05  # of the rows, by loss: the errors that are looked at
MOST_KINDS, MOST_TRAITS, MOST_ROWS = 6, 4, 10
SHOWN_VALUES = 8
MIN_ROWS = 20
SIGNIFICANT = 0.01


def error_clusters(
    frame: pl.DataFrame,
    columns: list[Coded],
    loss: Floats,
    kinds: list[str],
    *,
    keys: list[str],
    labels: list[str],
    predictions: list[str],
) -> list[ErrorCluster]:
    """The worst rows by kind of error, the kind with the largest share of all loss first.

    ``frame`` holds the features that may be shown, ``columns`` the same as codes, ``kinds`` (n,) names each
    row's kind of error and is empty where there is none. A trait is a level that is more frequent among a
    cluster's rows than among all rows beyond chance (hypergeometric, Holm over the levels looked at).
    """
    wrong = np.array([bool(kind) for kind in kinds])
    if not wrong.any() or loss.sum() <= 0:
        return []
    named = np.array(kinds)
    bar = np.quantile(loss, 1 - WORST_SHARE)
    found = []
    for kind in np.unique(named[wrong]).tolist():
        rows = np.flatnonzero((named == kind) & (loss >= bar))
        if rows.size < MIN_ROWS:
            continue
        worst = rows[np.argsort(-loss[rows], kind="stable")[:MOST_ROWS]]
        mask = np.zeros(loss.size, dtype=np.bool_)
        mask[rows] = True
        found.append(
            ErrorCluster(
                name=kind,
                rows=rows.size,
                share=rows.size / loss.size,
                loss_share=float(loss[rows].sum() / loss.sum()),
                traits=_traits(columns, mask),
                worst=[_row(frame, i, keys, labels, predictions, loss) for i in worst.tolist()],
            )
        )
    return sorted(found, key=lambda one: -one.loss_share)[:MOST_KINDS]


def _traits(columns: list[Coded], mask: Bools) -> list[Trait]:
    """Levels that the cluster's rows have more often than all rows, the most telling first."""
    from scipy.stats import hypergeom

    n, size = mask.size, int(mask.sum())
    made, p = [], []
    for column in columns:
        width = len(column.names) + 1
        everywhere, inside = (np.bincount(c, minlength=width) for c in (column.codes, column.codes[mask]))
        for code, name in enumerate(column.names, start=1):
            if inside[code] * n <= everywhere[code] * size:
                continue
            made.append((column.feature, name, inside[code] / size, everywhere[code] / n))
            p.append(float(hypergeom.sf(inside[code] - 1, n, everywhere[code], size)))
    looked_at = sum(len(column.names) for column in columns)
    adjusted = holm_adjusted([*p, *[1.0] * (looked_at - len(p))])[: len(p)]
    traits = [
        Trait(feature=feature, value=value, share=float(own), share_overall=float(all_), p_corrected=float(q))
        for (feature, value, own, all_), q in zip(made, adjusted, strict=True)
        if q <= SIGNIFICANT
    ]
    return sorted(traits, key=lambda one: one.share_overall - one.share)[:MOST_TRAITS]


def _row(
    frame: pl.DataFrame, i: int, keys: list[str], labels: list[str], predictions: list[str], loss: Floats
) -> ErrorRow:
    values = {
        name: "(null)" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
        for name, value in list(frame.row(i, named=True).items())[:SHOWN_VALUES]
    }
    return ErrorRow(key=keys[i], label=labels[i], prediction=predictions[i], loss=float(loss[i]), values=values)
