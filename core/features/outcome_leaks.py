"""Leak tests of the columns' values: does a feature hold the outcome, or statistics of rows that it must not know?"""

from __future__ import annotations

import numpy as np
import polars as pl

from core.features.leak_data import LeakData
from core.features.records import LeakTest
from core.kernel.errors import Problem
from core.measures.leakage_encodings import FEWEST_LEVELS, ROWS_A_LEVEL, fitted_on, level_codes, target_encoding
from core.measures.leakage_relations import MissingPattern, Relation, exact_sum, function_of, missing_pattern
from core.measures.leakage_stats import single_feature_auc, too_good, too_good_r2

TOO_GOOD = 0.85  # honest single features of most tables stay below; what lies above must be vouched for
CERTAIN = 0.95  # above it whatever the others do
APART = 3.0  # times what the others gain over chance, by their median
SAID = {
    "equal": "equals {outcome} in all {rows:,} rows that have it",
    "monotone": "only rises, or only falls, with {outcome}: {rows:,} rows without an exception",
    "one to one": "has one value for each value of {outcome}: {rows:,} rows without an exception",
    "separates": "separates the two values of {outcome}: {rows:,} rows without an exception",
}


def target_test(data: LeakData, reads: list[Problem]) -> LeakTest:
    """No feature reads what the label is made of, equals it, or is a function of it; no sum of features makes it.

    ``reads`` are the features that read it by their own text.
    """
    detail = [problem.line() for problem in reads]
    culprits = [problem.where.rsplit(".", 1)[-1] for problem in reads]
    rows = int(np.isfinite(data.label).sum()) if reads else 0
    label = data.frame["label"].alias("the label")
    outcomes = [label, *(column.alias(_from(column.name)) for column in data.outcomes.get_columns())]
    for name in (name for name in data.features if name not in culprits):
        found = _relation(data.frame[name], outcomes)
        if found is not None:
            culprits.append(name)
            rows = max(rows, found.rows)
            detail.append(f"{name} {SAID[found.kind].format(outcome=found.outcome, rows=found.rows)}")
    for outcome in outcomes:
        if outcome.dtype.is_numeric():
            parts = exact_sum(data.frame.select(name for name in data.features if name not in culprits), outcome)
            culprits += parts
            rows = max(rows, outcome.len() - outcome.null_count()) if parts else rows
            detail += [f"{', '.join(parts)} together give {outcome.name} by one sum"] if parts else []
    if not detail:
        return LeakTest(name="target_in_feature", passed=True, headline="No feature is made of the label")
    culprits = list(dict.fromkeys(culprits))
    return LeakTest(
        name="target_in_feature",
        passed=False,
        headline=f"Made of the label: {', '.join(culprits)}",
        rows=rows,
        columns=culprits,
        detail=detail,
        remedy="Remove them, or use their past values through a feature view",
    )


def _relation(feature: pl.Series, outcomes: list[pl.Series]) -> Relation | None:
    return next((found for outcome in outcomes if (found := function_of(feature, outcome)) is not None), None)


def _from(column: str) -> str:
    return f"{column}, from which the label is made,"


def too_good_test(data: LeakData) -> LeakTest:
    """No single feature tells the label of the train split as only an outcome can.

    A label of two classes is judged by AUC, others by R². Features that a person vouches for are named.
    """
    train = data.frame.filter((pl.col("split") == "train") & pl.col("label").is_not_null())
    if train["label"].n_unique() < 2:
        headline = "Not tested: the label of the train split does not vary"
        return LeakTest(name="too_good", passed=False, headline=headline, remedy="Give the train period more rows")
    two = train["label"].n_unique() == 2
    judge = _by_auc if two else _by_r2
    made = {name: judge(train, name, len(data.features)) for name in data.features}
    scores = [(score, name) for name, (score, _) in made.items()]
    detail, culprits = [], []
    for name, (score, reason) in made.items():
        others = [other for other, its in scores if its != name]
        if reason and name not in data.accepted and (not two or _stands_out(score, others)):
            culprits.append(name)
            detail.append(f"{name}: {reason}")
    measure = "AUC" if two else "R²"
    best = [f"{name} with {measure} {score:.3f}" for score, name in sorted(scores, reverse=True)[:2]]
    told = f"The best single feature is {', then '.join(best)}" if best else "There is no feature"
    if not detail:
        vouched = [name for name in data.features if name in data.accepted]
        told += f"; vouched for: {', '.join(vouched)}" if vouched else ""
        return LeakTest(name="too_good", passed=True, headline=told)
    return LeakTest(
        name="too_good",
        passed=False,
        headline=f"Too good to be true: {', '.join(culprits)}",
        rows=train.height,
        columns=culprits,
        detail=[*detail, told],
        remedy="Ask when each is known. If before the outcome, say why under leakage.accepted; if not, remove it",
    )


def _stands_out(auc: float, others: list[float]) -> bool:
    """Where every column tells a lot, one that tells a little more is no suspect; above 0.95 each is."""
    usual = float(np.median(others)) - 0.5 if others else 0.0
    return auc > CERTAIN or auc - 0.5 > APART * usual


def _by_auc(train: pl.DataFrame, name: str, columns: int) -> tuple[float, str]:
    label = train["label"] == train["label"].max()
    single = single_feature_auc(train[name], label, feature=name)
    auc = max(single.auc, single.null_indicator_auc)
    if auc <= TOO_GOOD:  # the permutations cost: only for a suspect
        return auc, ""
    verdict = too_good(train[name], label, feature=name, limit=TOO_GOOD, columns=columns)
    return auc, f"{verdict.reason} (p = {verdict.p_corrected:.2g})" if verdict.suspicious else ""


def _by_r2(train: pl.DataFrame, name: str, columns: int) -> tuple[float, str]:
    verdict = too_good_r2(train[name], train["label"], feature=name, columns=columns)
    return verdict.r2, f"{verdict.reason} (p = {verdict.p_corrected:.2g})" if verdict.suspicious else ""


def missing_test(data: LeakData) -> LeakTest:
    """No feature lacks its value just where the outcome is missing, or where it is positive."""
    known = np.isfinite(data.label)
    found: list[MissingPattern] = []
    for name in data.features:
        column = data.frame[name]
        if not column.null_count() or name in data.accepted:
            continue
        null = column.is_null().to_numpy()
        patterns = [missing_pattern(name, null, "the label is missing", ~known)]
        if np.unique(data.label[known]).size == 2:
            positive = data.label[known] == np.nanmax(data.label)
            patterns.append(missing_pattern(name, null[known], "the label is positive", positive))
        for outcome in data.outcomes.get_columns():
            patterns.append(missing_pattern(name, null, f"{outcome.name} is missing", outcome.is_null().to_numpy()))
        sure = [pattern for pattern in patterns if pattern is not None]
        found += [max(sure, key=lambda pattern: abs(pattern.phi))] if sure else []
    if not found:
        return LeakTest(name="missingness", passed=True, headline="No feature is missing where the outcome says so")
    return LeakTest(
        name="missingness",
        passed=False,
        headline=f"Missing where the outcome says so: {', '.join(pattern.feature for pattern in found)}",
        rows=max(pattern.nulls for pattern in found),
        columns=[pattern.feature for pattern in found],
        detail=[
            f"{pattern.feature} is null in {pattern.nulls:,} rows; in {pattern.agree:,} of them {pattern.outcome}"
            f" (phi {pattern.phi:+.2f})"
            for pattern in found
        ],
        remedy="It is recorded with the outcome: name that time in events.available instead of 'always'",
    )


def encoding_test(data: LeakData) -> LeakTest:
    """No feature holds the mean label of a category, counted over rows that it must not know."""
    numbers = [name for name in data.features if data.frame[name].dtype.is_float() and _broken(data.frame[name])]
    categories = _categories(data.frame)
    groups = {**data.wholes, "train, each row's own label included": data.rows("train")}
    found = []
    for name in numbers:
        others = (codes for codes in categories if codes.name != name)
        made = (target_encoding(data.frame[name], codes, of, groups) for codes in others for of in data.targets)
        found.append(next(filter(None, made), None))
    sure = [encoding for encoding in found if encoding is not None]
    if not sure:
        return LeakTest(name="target_encoding", passed=True, headline="No feature is a mean of the label by category")
    return LeakTest(
        name="target_encoding",
        passed=False,
        headline=f"Means of the label: {', '.join(encoding.feature for encoding in sure)}",
        rows=max(encoding.rows for encoding in sure),
        columns=[encoding.feature for encoding in sure],
        detail=[
            f"{encoding.feature} is the label's mean by {encoding.category} ({encoding.levels:,} levels)"
            f" over {encoding.over}"
            for encoding in sure
        ],
        remedy="Use a view with a mean over a window, which counts only outcomes known before each prediction",
    )


def _broken(column: pl.Series) -> bool:
    """Are there values that are no whole numbers? Means of labels are not whole."""
    probe = column.gather_every(max(1, len(column) // 4_000)).drop_nulls().drop_nans()
    return bool((probe != probe.round()).any())


def _categories(frame: pl.DataFrame) -> list[pl.Series]:
    """Columns whose levels come back, as codes: texts and whole numbers, not keys."""
    levelled = frame.drop("split", "label").select(pl.selectors.string() | pl.selectors.integer())
    if not levelled.width:
        return []
    counts = levelled.select(pl.all().approx_n_unique()).row(0)
    most = frame.height / ROWS_A_LEVEL
    chosen = [name for name, count in zip(levelled.columns, counts, strict=True) if FEWEST_LEVELS <= count <= most]
    return [level_codes(levelled[name]) for name in chosen]


def fitted_test(data: LeakData) -> LeakTest:
    """No feature was scaled or filled with statistics of rows outside train."""
    train = data.rows("train")
    numbers = [data.frame[name] for name in data.features if data.frame[name].dtype.is_float()]
    found = [made for column in numbers if (made := fitted_on(column, train, data.wholes)) is not None]
    if not found:
        return LeakTest(name="fitted_on_all", passed=True, headline="No feature was scaled or filled beyond train")
    return LeakTest(
        name="fitted_on_all",
        passed=False,
        headline=f"Prepared with rows outside train: {', '.join(made.feature for made in found)}",
        rows=max(made.rows for made in found),
        columns=[made.feature for made in found],
        detail=[f"{made.feature} was {made.how} over {made.over}: {made.rows:,} rows outside train" for made in found],
        remedy="Give the raw column: trainers scale and fill with the train period alone",
    )
