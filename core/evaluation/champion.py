"""Is the candidate better than the model in production, on the same rows?"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from core.evaluation.predictions import read_scores
from core.evaluation.records import LOWER_IS_BETTER, ChampionComparison
from core.measures.classification import both_classes
from core.measures.intervals import mcnemar, paired_auc_test, paired_bootstrap
from core.measures.records import PairedTest


def compare_with_champion(
    candidate: pl.DataFrame,
    champion: Path,
    *,
    primary: str,
    bootstrap: int,
    thresholds: tuple[float, float] = (0.5, 0.5),
) -> ChampionComparison:
    """Paired tests on the rows (by ``key``) of ``candidate`` that the champion's predictions hold too.

    The champion's file may name its splits otherwise: only its keys and probabilities are read. Calls
    are those at each one's own threshold (candidate's first).
    """
    other = read_scores(champion)
    both = candidate.join(other.select("key", theirs="probability"), on="key", how="inner", maintain_order="left")
    missing = candidate.height - both.height
    y = both["label"].to_numpy()
    if both.height * 2 < candidate.height or not both_classes(y):
        return ChampionComparison(
            rows=both.height,
            rows_missing=missing,
            primary=primary,
            verdict="not comparable",
            reason=f"The champion scored {both.height:,} of {candidate.height:,} rows.",
        )
    ours, theirs = both["probability"].to_numpy(), both["theirs"].to_numpy()
    tests = {
        "roc_auc": paired_auc_test(y, ours, theirs),
        **paired_bootstrap(y, ours, theirs, times=bootstrap),
        "accuracy": mcnemar(y, ours >= thresholds[0], theirs >= thresholds[1]),
    }
    verdict = _verdict(tests[primary], primary)
    return ChampionComparison(
        rows=both.height,
        rows_missing=missing,
        primary=primary,
        verdict=verdict,
        reason=_reason(tests[primary], primary),
        tests=tests,
    )


def _verdict(test: PairedTest, metric: str) -> Literal["better", "same", "worse"]:
    """The side of zero on which the whole interval lies, in the metric's good direction."""
    low, high = (-test.high, -test.low) if metric in LOWER_IS_BETTER else (test.low, test.high)
    return "better" if low > 0 else "worse" if high < 0 else "same"


def _reason(test: PairedTest, metric: str) -> str:
    return (
        f"{metric} {test.first:.4f} against {test.second:.4f}: difference {test.difference:+.4f} "
        f"(95 % {test.low:+.4f} to {test.high:+.4f})."
    )
