"""Durations as people write them in ``plimsoll.yaml``: a whole number and one of s, m, h, d."""

from __future__ import annotations

from core.kernel.errors import InputError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> int:
    """Seconds of a duration such as ``90s``, ``15m``, ``3h`` or ``30d``.

    Raises:
        InputError: when it is none.
    """
    number, unit = text[:-1], text[-1:]
    if unit not in SECONDS or not number.isdigit():
        raise InputError(f"{text!r} is not a duration", remedy="Write a whole number and s, m, h or d, e.g. 3h.")
    return int(number) * SECONDS[unit]
