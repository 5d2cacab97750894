"""How long work tells of itself, and how it is asked to stop.

A worker function receives a :class:`Progress`. It reports often and cheaply and calls
:meth:`Progress.check` at points where stopping is safe.
"""

from __future__ import annotations

from typing import Protocol

from core.kernel.errors import Cancelled


class Progress(Protocol):
    """What a piece of work may say while it runs."""

    def step(self, done: float, total: float, message: str = "") -> None:
        """``done`` of ``total`` units are finished."""
        ...

    def metric(self, name: str, step: int, value: float) -> None:
        """One point of a live curve."""
        ...

    def log(self, text: str) -> None:
        """One line for the job's log."""
        ...

    def check(self) -> None:
        """Raise :class:`~core.kernel.errors.Cancelled` when somebody asked to stop."""
        ...


class Silent:
    """A progress that nobody watches; :meth:`cancel` still stops the work."""

    def __init__(self) -> None:
        self.cancelled = False

    def step(self, done: float, total: float, message: str = "") -> None:
        """Nobody looks."""

    def metric(self, name: str, step: int, value: float) -> None:
        """Nobody looks."""

    def log(self, text: str) -> None:
        """Nobody looks."""

    def cancel(self) -> None:
        """Ask the work to stop at its next check."""
        self.cancelled = True

    def check(self) -> None:
        if self.cancelled:
            raise Cancelled("The work was cancelled")
