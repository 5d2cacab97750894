"""What is known of a job while its owner lives."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.engine.pool import Worker

KEEP_POINTS = 4000  # of each curve, for the screen


class JobView:
    """What is known of a job while this process lives: polled by windows and command lines."""

    def __init__(self, job: str, kind: str, title: str) -> None:
        self.job, self.kind, self.title = job, kind, title
        self.state = "queued"
        self.done, self.total, self.message = 0.0, 0.0, ""
        self.started_at = ""
        self.log: list[str] = []
        self.metrics: dict[str, list[tuple[int, float]]] = {}
        self.error: dict[str, Any] | None = None
        self.result: dict[str, Any] = {}
        self.ended = threading.Event()
        self.worker: Worker | None = None
        self.folder: Path | None = None
        self.cancelled = False
        self.paused = False

    def plain(self) -> dict[str, Any]:
        """A snapshot as JSON values; curves carry their newest 200 points."""
        return {
            "job": self.job,
            "kind": self.kind,
            "title": self.title,
            "state": self.state,
            "paused": self.paused,
            "done": self.done,
            "total": self.total,
            "message": self.message,
            "started_at": self.started_at,
            "metrics": {name: points[-200:] for name, points in list(self.metrics.items())},
            "log": self.log[-20:],
            "error": self.error,
            "result": self.result,
        }

    def hear(self, event: dict[str, Any]) -> None:
        """Take in one event of the worker."""
        if event["event"] == "step":
            self.done, self.total, self.message = event["done"], event["total"], event["message"]
        elif event["event"] == "metrics":
            curve = self.metrics.setdefault(event["name"], [])
            curve.extend((step, value) for step, value in event["points"])
            if len(curve) > KEEP_POINTS:
                del curve[1:-1:2]  # every second one but the ends: the whole curve is in the job's file
        elif event["event"] == "log":
            self.log.append(event["text"])
