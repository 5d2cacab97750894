"""Counters of the server in the Prometheus text format (version 0.0.4), every line labelled with the version."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
Labels = tuple[tuple[str, str], ...]


class Metrics:
    """Requests, rows, errors, rejections and latencies. Touched by the event loop only."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[Labels, float]] = {name: defaultdict(float) for name in HELP}
        self._buckets: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = defaultdict(float)

    def add(self, name: str, amount: float = 1, /, **labels: str) -> None:
        """Count ``amount`` more of a counter in :data:`HELP`."""
        self._counts[name][tuple(sorted(labels.items()))] += amount

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Set a gauge; earlier values under other labels are forgotten."""
        self._counts[name] = defaultdict(float, {tuple(sorted(labels.items())): value})

    def observe(self, seconds: float, **labels: str) -> None:
        """One inference request took ``seconds``."""
        key = tuple(sorted(labels.items()))
        buckets = self._buckets.setdefault(key, [0] * (len(BOUNDS_S) + 1))
        buckets[bisect_left(BOUNDS_S, seconds)] += 1
        self._sums[key] += seconds

    def text(self) -> str:
        """Everything as Prometheus text."""
        lines: list[str] = []
        for name, (kind, words) in HELP.items():
            lines += [f"# HELP {name} {words}", f"# TYPE {name} {kind}"]
            lines += [f"{name}{_braces(labels)} {value:g}" for labels, value in sorted(self._counts[name].items())]
        return "\n".join([*lines, *self._histogram()]) + "\n"

    def _histogram(self) -> list[str]:
        name = "plimsoll_infer_seconds"
        lines = [f"# HELP {name} Time to answer an inference request", f"# TYPE {name} histogram"]
        for labels, buckets in sorted(self._buckets.items()):
            running = 0
            for bound, count in zip([*map(str, BOUNDS_S), "+Inf"], buckets, strict=True):
                running += count
                lines.append(f"{name}_bucket{_braces((*labels, ('le', bound)))} {running}")
            lines.append(f"{name}_sum{_braces(labels)} {self._sums[labels]:.6f}")
            lines.append(f"{name}_count{_braces(labels)} {running}")
        return lines


HELP: dict[str, tuple[str, str]] = {
    "plimsoll_requests_total": ("counter", "Inference requests by HTTP status"),
    "plimsoll_rows_total": ("counter", "Rows by outcome: ok, fallback, rejected"),
    "plimsoll_errors_total": ("counter", "Requests that failed for a fault of the server"),
    "plimsoll_rejected_total": ("counter", "Refused requests or rows by reason"),
    "plimsoll_stale_features_total": ("counter", "Rows whose view features were absent or too old"),
    "plimsoll_swaps_total": ("counter", "Attempts to swap the release by outcome"),
    "plimsoll_log_pending": ("gauge", "Prediction log lines that are not on disk yet"),
    "plimsoll_release_info": ("gauge", "The release that serves"),
}


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
