"""What the next value of a series may be: robust, seasonal where the series shows it, with a stated false alarm.

Each value is forecast from those before it: the median of the newest values, or of the newest ones
in the same hour, weekday or hour of the week where that forecasts better. The bounds are the quantile
of the errors that these forecasts would have made (split conformal prediction: Vovk, Gammerman and
Shafer 2005; Lei and others 2018), so they hold whatever the errors' distribution, as long as the next
one is like the last ones. Where the series is too short for that quantile the errors' median absolute
deviation is scaled by the normal's. Counts are compared on the scale of their square root, shares on
that of the arcsine, where their spread hangs less on their level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Scale = Literal["count", "share", "value"]
FEWEST = 8  # values before anything is expected
KEPT = 2_000  # newest values that are looked at
MEMORY = 15  # values that a forecast without a season is the median of
SAME_PHASE = 8  # values that a forecast with a season is the median of
FEWEST_OF_PHASE = 3
BETTER = 0.8  # a season must bring the median error under this share of the error without it
OUTLIER = 6.0  # errors of so many deviations are no guide to a short series' spread
HOUR, DAY = 3_600.0, 86_400.0


@dataclass(frozen=True)
class Expected:
    """Bounds of the next value, its forecast, the season used (or none) and how many errors stand behind it."""

    low: float
    high: float
    centre: float
    season: str
    errors: int


def expected_range(
    values: Sequence[float], times: Sequence[datetime], at: datetime, *, false_alarm: float, scale: Scale = "value"
) -> Expected | None:
    """Bounds of the value at ``at``, from ``values`` (n,) at ``times`` (n,), oldest first; none below 8 of them.

    ``false_alarm`` is the chance that a value that is like the others falls outside.
    """
    known = [(time.timestamp(), value) for time, value in zip(times, values, strict=True) if math.isfinite(value)]
    known = known[-KEPT:]
    if len(known) < FEWEST:
        return None
    stamps = np.array([stamp for stamp, _ in known])
    series = _to_scale(np.array([value for _, value in known]), scale)
    best = _forecast(series, np.zeros(len(series)), 0.0, MEMORY)
    assert best is not None
    season = ""
    for name, phase in _seasons(stamps).items():
        made = _forecast(series, phase(stamps), float(phase(np.array([at.timestamp()]))[0]), SAME_PHASE)
        if made is None or np.isfinite(made[1]).sum() < len(series) / 3:
            continue
        both = np.isfinite(made[1]) & np.isfinite(best[1])
        if np.median(np.abs(made[1][both])) < BETTER * np.median(np.abs(best[1][both])):
            best, season = made, name
    centre, errors = best[0], np.abs(best[1][np.isfinite(best[1])])
    room = _room(errors, false_alarm)
    low, high, middle = (_from_scale(value, scale) for value in (centre - room, centre + room, centre))
    return Expected(low, high, middle, season, len(errors))


def _seasons(stamps: Floats) -> dict[str, Callable[[Floats], Floats]]:
    """The periods that values so close together can show, over a span that holds each phase a few times."""
    step, length = float(np.median(np.diff(stamps))), float(stamps[-1] - stamps[0])
    found: dict[str, Callable[[Floats], Floats]] = {}
    if step <= 2 * HOUR and length >= FEWEST_OF_PHASE * DAY:
        found["hour"] = lambda at: np.floor(at % DAY / HOUR)
    if step <= 1.5 * DAY and length >= FEWEST_OF_PHASE * 7 * DAY:
        found["weekday"] = lambda at: np.floor(at / DAY) % 7
    if step <= 2 * HOUR and length >= FEWEST_OF_PHASE * 7 * DAY:
        found["hour of the week"] = lambda at: np.floor(at / HOUR) % 168
    return found


def _forecast(series: Floats, phases: Floats, phase: float, memory: int) -> tuple[float, Floats] | None:
    """The forecast of the next value, and each value's error (NaN where it could not have been forecast)."""
    own = series[phases == phase]
    if len(own) < FEWEST_OF_PHASE:
        return None
    order = np.argsort(phases, kind="stable")
    by_phase, values = phases[order], series[order]
    before = np.full((len(series), memory), np.nan)  # the values before each, of its phase
    for back in range(1, min(memory, len(series) - 1) + 1):
        same = by_phase[back:] == by_phase[:-back]
        before[back:, back - 1][same] = values[:-back][same]
    errors = np.empty(len(series))
    errors[order] = values - _medians(before)
    return float(np.median(own[-memory:])), errors


def _medians(rows: Floats) -> Floats:
    """The median of each row (n, k) less its NaNs; NaN for rows of too few values."""
    known = (~np.isnan(rows)).sum(axis=1)
    ordered, row = np.sort(rows, axis=1), np.arange(len(rows))
    middle = (ordered[row, np.maximum(known - 1, 0) // 2] + ordered[row, np.minimum(known // 2, rows.shape[1] - 1)]) / 2
    out: Floats = np.where(known >= FEWEST_OF_PHASE, middle, np.nan)
    return out


def _room(errors: Floats, false_alarm: float) -> float:
    ordered = np.sort(errors)
    rank = math.ceil((len(ordered) + 1) * (1 - false_alarm))
    if rank <= len(ordered):
        return float(ordered[rank - 1])
    spread = 1.4826 * float(np.median(ordered))
    usual = ordered[ordered <= OUTLIER * spread] if spread > 0 else ordered[:0]
    normal = NormalDist().inv_cdf(1 - false_alarm / 2) * spread * (1 + 2 / len(ordered))
    return max(normal, float(usual[-1]) if len(usual) else 0.0)


def _to_scale(values: Floats, scale: Scale) -> Floats:
    if scale == "count":
        return np.sqrt(np.maximum(values, 0.0))
    if scale == "share":
        out: Floats = np.arcsin(np.sqrt(np.clip(values, 0.0, 1.0)))
        return out
    return values


def _from_scale(value: float, scale: Scale) -> float:
    if scale == "count":
        return max(value, 0.0) ** 2
    if scale == "share":
        return math.sin(min(max(value, 0.0), math.pi / 2)) ** 2
    return value
