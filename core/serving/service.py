"""What a running server holds: the release that serves, the log, the online store, the counters."""

from __future__ import annotations

import asyncio
import secrets
from datetime import datetime
from typing import Any

from core.kernel.clock import Clock, SystemClock, utc_text
from core.serving.layout import Layout, replace_file, write_json
from core.serving.loaded import LoadedModel
from core.serving.metrics import Metrics
from core.serving.online_place import open_online
from core.serving.prediction_log import PredictionLog


class Service:
    """The state behind the routes. ``model`` is replaced in one assignment; a request keeps the one it began with."""

    def __init__(self, layout: Layout, clock: Clock | None = None) -> None:
        layout.prepare()
        self.layout = layout
        self.clock = clock or SystemClock()
        self.metrics = Metrics()
        self.log = PredictionLog(layout.logs)
        self.online = open_online(layout)
        self.token = read_token(layout)
        self.model: LoadedModel | None = None
        self.problem: dict[str, Any] | None = None
        self.draining = False
        self.in_flight = 0
        self.idle = asyncio.Event()

    @property
    def killed(self) -> bool:
        """Somebody pulled the kill switch."""
        return self.layout.killed.exists()

    @property
    def ready(self) -> bool:
        """A release is loaded and nothing forbids serving it."""
        return self.model is not None and not self.draining and not self.killed

    def now(self) -> datetime:
        return self.clock.now()

    def took(self, model: LoadedModel) -> None:
        """A release was proven and loaded: it serves from now on."""
        self.model = model
        self.problem = None
        self.write_status()

    def refused(self, release: str | None, error: dict[str, Any]) -> None:
        """A release could not be taken; what served before goes on."""
        self.problem = {"release": release, "at": utc_text(self.now()), **error}
        self.write_status()

    def status(self) -> dict[str, Any]:
        """What serves and what was refused, for the status file and the status command."""
        model = self.model
        return {
            "release": model.release if model else None,
            "model": model.name if model else None,
            "version": model.version if model else None,
            "payload": model.payload if model else None,
            "since": model.loaded_at if model else None,
            "approved_by": model.approved_by if model else [],
            "refused": self.problem,
            "draining": self.draining,
            "killed": self.killed,
            "log_fault": self.log.fault,
        }

    def write_status(self) -> None:
        """Replace ``state/status.json``."""
        write_json(self.layout.status, self.status())

    def close(self) -> None:
        """Bring the log to disk and close the store."""
        self.log.close()
        self.online.close()


def read_token(layout: Layout) -> str:
    """The bearer token for feature updates; made on the first start, readable by the owner only."""
    if not layout.token.exists():
        replace_file(layout.token, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
    return layout.token.read_text().strip()
