"""Service level objectives: attainment, error budget, and how fast it burns.

Terms and the multi-window alert rule follow the Google SRE Workbook (2018), chapter 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.kernel.errors import InputError
from core.measures.records import BurnRate, SloStatus

# long window, short window, burn rate, pages somebody (else: a ticket); for an objective over 30 days
ALERT_RULES: tuple[tuple[str, str, float, bool], ...] = (
    ("1h", "5m", 14.4, True),
    ("6h", "30m", 6.0, True),
    ("3d", "6h", 1.0, False),
)


def burn_rate(window: str, good: int, total: int, objective: float) -> BurnRate:
    """Share of bad events over the share that the objective allows; null without traffic."""
    _check(good, total, objective)
    rate = (total - good) / total / (1.0 - objective) if total else None
    return BurnRate(window=window, good=good, total=total, rate=rate)


def slo_status(
    good: int,
    total: int,
    objective: float,
    windows: Mapping[str, tuple[int, int]] | None = None,
    rules: Sequence[tuple[str, str, float, bool]] = ALERT_RULES,
) -> SloStatus:
    """Attainment and budget over the objective's window; burn rates of each of ``windows`` (good, total).

    A rule fires when the burn rates of its long and its short window both reach its rate, so that
    an alert ends soon after the trouble does. A window that is not given does not fire.

    Raises:
        InputError: for an objective outside (0, 1) or counts that cannot be.
    """
    _check(good, total, objective)
    burn = [burn_rate(name, *counts, objective) for name, counts in (windows or {}).items()]
    rates = {item.window: item.rate for item in burn if item.rate is not None}
    fired = [pages for long, short, rate, pages in rules if min(rates.get(long, 0.0), rates.get(short, 0.0)) >= rate]
    allowed = (1.0 - objective) * total
    return SloStatus(
        objective=objective,
        good=good,
        total=total,
        attainment=good / total if total else None,
        met=good / total >= objective if total else None,
        budget=allowed,
        budget_left=1.0 - (total - good) / allowed if total else None,
        burn=burn,
        page=any(fired),
        ticket=any(not pages for pages in fired),
    )


def _check(good: int, total: int, objective: float) -> None:
    if not 0.0 < objective < 1.0:
        raise InputError(f"The objective {objective} is not between 0 and 1", remedy="Write 99.5 % as 0.995.")
    if not 0 <= good <= total:
        raise InputError(f"{good} good events of {total} cannot be")
