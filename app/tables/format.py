"""Values as text, one way everywhere: thousands separated, times in UTC, digests shortened."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Any

BYTES = ("B", "kB", "MB", "GB", "TB")
NONE = "–"


def integer(value: float) -> str:
    """``1 234 567`` with thin no-break spaces (ISO 80000-1, 7.3.1)."""
    return f"{int(value):,}".replace(",", "\u202f")


def number(value: float | None, digits: int = 4) -> str:
    """A real number with the digits that matter; whole ones without a point."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15):
        return integer(value)
    size = abs(value)
    if size >= 1e6 or size < 1e-4:
        return f"{value:.3g}"
    if size >= 1000:
        return f"{value:,.1f}".replace(",", "\u202f")
    return f"{value:.{digits if size < 10 else 2}f}".rstrip("0")


def score(value: float | None) -> str:
    """A quality figure with three decimals."""
    return NONE if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """A confidence interval."""
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f} (95 %)"


def between(low: float | None, high: float | None) -> str:
    """An interval in a table cell."""
    return NONE if low is None or high is None else f"{low:.3f} to {high:.3f}"


def one(value: float | None) -> str:
    """A number with one decimal, for sums of many rows."""
    return NONE if value is None else f"{value:.1f}".replace("-", "\u2212")


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return NONE if value is None else f"{value:+.3f}".replace("-", "\u2212")


def milliseconds(value: float | None) -> str:
    """A latency."""
    return NONE if value is None else f"{value:.1f} ms"


def probability(value: float | None) -> str:
    """A p value: never written as zero."""
    return NONE if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def share(value: float | None) -> str:
    """A share as per cent; a small one never reads as none."""
    if value is None:
        return NONE
    if value == 0:
        return "0 %"
    if abs(value) < 0.00005:
        return "< 0.01 %"
    return f"{100 * value:.2f} %" if abs(value) < 0.1 else f"{100 * value:.1f} %"


def size(value: float | None) -> str:
    """Bytes in decimal units."""
    if value is None:
        return NONE
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(BYTES) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.0f} B" if unit == 0 else f"{amount:.1f} {BYTES[unit]}"


def seconds(value: float | None) -> str:
    """A duration."""
    if value is None:
        return NONE
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def when(value: Any, *, seconds: bool = False) -> str:
    """A time in UTC to the minute (or second)."""
    if value is None or value == "":
        return NONE
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    text = str(value).replace("T", " ").rstrip("Z").split("+")[0]
    return text[: 19 if seconds else 16]


def day(value: Any) -> str:
    """The date of a time."""
    return when(value)[:10]


def short(value: Any, length: int = 10) -> str:
    """The start of a digest."""
    text = str(value or "")
    body = text.removeprefix("b3:")
    return body[:length] if len(body) > length + 6 else body


def anything(value: Any) -> str:
    """Text of any plain value."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, datetime | date):
        return when(value)
    if isinstance(value, list | tuple):
        return ", ".join(anything(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {anything(item)}" for name, item in value.items())
    return str(value)
