"""Durations as people write them in ``plimsoll.yaml``: a whole number and one of s, m, h, d."""

from __future__ import annotations

import re
from datetime import timedelta

from core.kernel.errors import InputError

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(text: str) -> int:
    """Seconds of a duration such as ``90s``, ``15m``, ``3h`` or ``30d``.

    Raises:
        InputError: when it is none.
    """
    found = re.fullmatch(r"([0-9]+)([smhd])", text)
    if not found:
        raise InputError(f"{text!r} is not a duration", remedy="Write a whole number and s, m, h or d: 36h")
    return int(found[1]) * SECONDS[found[2]]


def span(text: str) -> timedelta:
    """A duration as a time span. Raises as :func:`parse_duration`."""
    return timedelta(seconds=parse_duration(text))
