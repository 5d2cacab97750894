"""Is the candidate better than the model in production, on the same rows?"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from core.evaluation.champion_records import ChampionComparison, verdict_of
from core.evaluation.predictions import read_scores
from core.measures.classification import both_classes
from core.measures.intervals import mcnemar, paired_auc_test, paired_bootstrap


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
    verdict, reason = verdict_of(tests[primary], primary)
    return ChampionComparison(
        rows=both.height,
        rows_missing=missing,
        primary=primary,
        verdict=verdict,
        reason=reason,
        tests=tests,
    )
