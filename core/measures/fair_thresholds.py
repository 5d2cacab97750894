"""What it costs to treat groups alike: thresholds for each group, and the trade of cost against difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from core.measures.classification import Floats, arrays
from core.measures.records import Estimate, FairPoint, FairTrade, GroupMetrics

STEPS = 200  # selection rates that are tried in each group
POINTS = 9
DRAWS = 2_000
Rate = Literal["selection_rate", "tpr"]


def difference_intervals(groups: list[GroupMetrics], *, seed: int = 7, confidence: float = 0.95) -> dict[str, Estimate]:
    """Intervals of the differences between the groups that count, rows being drawn anew within each group.

    The counts of a bootstrap within a group are multinomial, so they are drawn directly (2,000
    times). ``value`` is their mean: a largest difference is never below 0 and chance alone makes one.
    """
    rng, parts = np.random.default_rng(seed), []
    for group in (g for g in groups if g.counted and g.rows):
        positive, negative = group.base_rate, 1 - group.base_rate
        tp, fp = positive * (group.tpr or 0.0), negative * (group.fpr or 0.0)
        cells = np.maximum(0.0, np.array([tp, fp, positive - tp, negative - fp]))
        parts.append(rng.multinomial(group.rows, cells / cells.sum(), DRAWS))
    if len(parts) < 2:
        return {}
    tp, fp, fn, tn = np.stack(parts).astype(np.float64).transpose(2, 1, 0)
    rows = tp + fp + fn + tn
    selected = (tp + fp) / rows
    tpr, fpr = _spread(tp / np.maximum(tp + fn, 1.0)), _spread(fp / np.maximum(fp + tn, 1.0))
    drawn = {
        "demographic_parity_difference": _spread(selected),
        "demographic_parity_ratio": selected.min(axis=1) / np.maximum(selected.max(axis=1), 1e-12),
        "equalised_odds_difference": np.maximum(tpr, fpr),
        "equal_opportunity_difference": tpr,
        "accuracy_difference": _spread((tp + tn) / rows),
    }
    tails = [(1 - confidence) / 2, (1 + confidence) / 2]
    method = f"bootstrap within groups, {DRAWS:,} resamples"
    out = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, tails).tolist()
        out[name] = Estimate(value=float(np.mean(values)), low=low, high=high, method=method, confidence=confidence)
    return out


def _spread(rates: Floats) -> Floats:
    out: Floats = rates.max(axis=1) - rates.min(axis=1)
    return out


@dataclass(frozen=True)
class _Group:
    """One group's choices: thresholds from nobody to everybody, with rate, and cost and hits over its rows."""

    name: str
    thresholds: Floats
    rates: Floats
    costs: Floats


def fair_trade(
    fit: tuple[Any, Any, Any],
    judge: tuple[Any, Any, Any],
    *,
    rate: Rate,
    threshold: float,
    cost_fp: float = 1.0,
    cost_fn: float = 1.0,
    min_rows: int = 0,
) -> FairTrade | None:
    """Thresholds by group of least cost for each allowed difference of a rate, and what they then do on other rows.

    ``fit`` and ``judge`` are (label, score, group). For every allowed difference d and every lowest
    rate r, each group takes its cheapest threshold with a rate in [r, r + d]; the cheapest r wins:
    the best there is on a grid of 200 thresholds a group (compare Hardt, Price and Srebro 2016, who
    also mix thresholds at random). The first point is the one threshold for all, as it is today.
    Null when fewer than two groups have ``min_rows`` rows and both classes.
    """
    y, s = arrays(fit[0], fit[1])
    names = np.asarray(fit[2]).astype(str)
    groups = []
    for name in np.unique(names).tolist():
        rows = names == name
        if rows.sum() >= max(2, min_rows) and y[rows].any() and not y[rows].all():
            groups.append(_choices(name, y[rows], s[rows], rate, cost_fp, cost_fn))
    if len(groups) < 2:
        return None
    judged = _Judge(judge, [group.name for group in groups], rate, cost_fp, cost_fn)
    today = judged.point("today", {group.name: threshold for group in groups})
    at = [_nearest(group, threshold) for group in groups]
    points = [_cheapest(groups, float(d)) for d in np.linspace(0.0, max(at) - min(at), POINTS)]
    named = [{group.name: float(t) for group, t in zip(groups, found, strict=True)} for found in points]
    steps = np.linspace(0.0, max(at) - min(at), POINTS).tolist()
    return FairTrade(
        rate=rate,
        today=today,
        points=[judged.point(f"{d:.4f}", chosen, allowed=d) for d, chosen in zip(steps, named, strict=True)],
    )


def _choices(name: str, y: Any, s: Floats, rate: Rate, cost_fp: float, cost_fn: float) -> _Group:
    cuts = np.unique(np.quantile(s, np.linspace(0, 1, STEPS)))
    thresholds = np.r_[cuts, np.nextafter(cuts[-1], 2.0)]
    positive, negative = np.sort(s[y]), np.sort(s[~y])
    tp = positive.size - np.searchsorted(positive, thresholds, side="left")
    fp = negative.size - np.searchsorted(negative, thresholds, side="left")
    rates: Floats = np.asarray((tp + fp) / s.size if rate == "selection_rate" else tp / positive.size)
    costs: Floats = np.asarray(fp * cost_fp + (positive.size - tp) * cost_fn, dtype=np.float64)
    return _Group(name, thresholds, rates, costs)


def _nearest(group: _Group, threshold: float) -> float:
    place = int(np.searchsorted(group.thresholds, threshold))
    return float(group.rates[min(place, group.rates.size - 1)])


def _cheapest(groups: list[_Group], allowed: float) -> list[float]:
    """Each group's threshold at the lowest rate r whose window [r, r + allowed] is cheapest over all groups."""
    lows = np.unique(np.concatenate([group.rates for group in groups]))
    slack = 0.5 / STEPS if allowed == 0 else 0.0  # groups of other sizes seldom share an exact rate
    total, picks = np.zeros(lows.size), []
    for group in groups:
        within = (group.rates >= lows[:, None] - slack) & (group.rates <= lows[:, None] + allowed + slack)
        costs = np.where(within, group.costs, np.inf)
        picks.append(costs.argmin(axis=1))
        total += costs.min(axis=1)
    best = int(total.argmin())
    return [float(group.thresholds[pick[best]]) for group, pick in zip(groups, picks, strict=True)]


class _Judge:
    """Figures of thresholds by group on other rows."""

    def __init__(
        self, rows: tuple[Any, Any, Any], groups: list[str], rate: Rate, cost_fp: float, cost_fn: float
    ) -> None:
        y, s = arrays(rows[0], rows[1])
        names = np.asarray(rows[2]).astype(str)
        self.parts = {name: (y[names == name], s[names == name]) for name in groups if (names == name).any()}
        self.rate, self.cost_fp, self.cost_fn = rate, cost_fp, cost_fn

    def point(self, name: str, thresholds: dict[str, float], allowed: float | None = None) -> FairPoint:
        """One choice of thresholds: difference of the rate, mean cost and accuracy over the groups' rows."""
        rates, cost, right, rows = [], 0.0, 0, 0
        for group, (y, s) in self.parts.items():
            called = s >= thresholds[group]
            base = called if self.rate == "selection_rate" else called[y]
            rates += [float(base.mean())] if base.size else []
            cost += float((called & ~y).sum()) * self.cost_fp + float((~called & y).sum()) * self.cost_fn
            right, rows = right + int((called == y).sum()), rows + y.size
        return FairPoint(
            name=name,
            allowed=allowed,
            difference=max(rates) - min(rates) if rates else 0.0,
            cost=cost / max(1, rows),
            accuracy=right / max(1, rows),
            thresholds=thresholds,
        )
