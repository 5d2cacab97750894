"""The only place that knows threads: ask, change, watch jobs, turn errors into messages.

Calls run on pool threads. Their outcome comes back through a queued signal to a method of an
object on the GUI thread, and is dropped there when the asker is gone or has asked again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import shiboken6
from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, QTimer, Signal

from core.kernel.errors import PlimsollError, SystemFault

POLL_MS = 100
LOG = logging.getLogger("plimsoll.window")
Then = Callable[[Any], None]
Failed = Callable[[PlimsollError], None]


class Client(Protocol):
    """What the window needs of ``core.engine.client``."""

    actor: str

    def ask(self, name: str, /, **params: Any) -> Any: ...
    def change(self, name: str, request: dict[str, Any], *, passphrase: str | None = None) -> dict[str, Any]: ...
    def jobs(self) -> list[dict[str, Any]]: ...
    def cancel(self, job: str) -> None: ...
    def pause_job(self, job: str, *, paused: bool) -> None: ...
    def changes_since(self, seq: int) -> int: ...
    def close(self) -> None: ...


@dataclass
class _Ticket:
    """Who waits for a call."""

    owner: QObject
    slot: str
    then: Then
    failed: Failed | None


class _Call(QRunnable):
    """One call on a pool thread; its outcome is sent through the bridge's signal."""

    def __init__(self, number: int, work: Callable[[], Any], report: Callable[[int, Any, Any], None]) -> None:
        super().__init__()
        self._number, self._work, self._report = number, work, report

    def run(self) -> None:
        try:
            self._report(self._number, self._work(), None)
        except PlimsollError as error:
            self._report(self._number, None, error)
        except Exception as error:
            LOG.exception("A call from the window failed")
            self._report(self._number, None, fault_of("Something went wrong inside Plimsoll", error))


class Bridge(QObject):
    """Asks and changes on behalf of pages."""

    failed = Signal(object)
    jobs_changed = Signal(list)
    moved = Signal(int)
    ledger_at = Signal(int)
    connected = Signal()
    busy_changed = Signal(bool)
    _done = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.client: Client | None = None
        self._numbers = itertools.count(1)
        self._tickets: dict[int, _Ticket] = {}
        self._newest: dict[tuple[int, str], int] = {}
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(2)
        self._pool.setExpiryTimeout(-1)
        self._poll_pool = QThreadPool(self)
        self._poll_pool.setMaxThreadCount(1)
        self._poll_pool.setExpiryTimeout(-1)
        self._polling = False
        self._seq = -1
        self._last_jobs: list[dict[str, Any]] = []
        self._timer = QTimer(self)
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    @property
    def actor(self) -> str:
        """Who acts; nobody before the connection stands."""
        return self.client.actor if self.client is not None else ""

    @property
    def pending(self) -> int:
        """Calls under way."""
        return len(self._tickets)

    def open(self, connect: Callable[[], Client], failed: Failed | None = None) -> None:
        """Connect off the GUI thread (core's imports take a second)."""
        self._start(_Ticket(self, "open", self.attach, failed), connect)

    def attach(self, client: Client) -> None:
        """Use a client from now on."""
        self.client = client
        self._timer.start()
        self.connected.emit()

    def ask(
        self, owner: QObject, name: str, then: Then, /, *, failed: Failed | None = None, slot: str = "", **params: Any
    ) -> None:
        """Ask a question; ``then(answer)`` is called on the GUI thread.

        A newer ask by the same owner in the same ``slot`` (the question's name if none is given)
        makes the older one void, so a slow old answer never replaces a new one.
        """
        client = self.client
        if client is None:
            return
        self._start(_Ticket(owner, slot or name, then, failed), lambda: client.ask(name, **params))

    def change(
        self,
        owner: QObject,
        name: str,
        request: dict[str, Any],
        then: Then,
        *,
        failed: Failed | None = None,
        passphrase: str | None = None,
    ) -> None:
        """Dispatch an operation."""
        client = self.client
        if client is None:
            return
        ticket = _Ticket(owner, f"change {next(self._numbers)}", then, failed)
        self._start(ticket, lambda: client.change(name, request, passphrase=passphrase))

    def cancel(self, job: str) -> None:
        """Ask a job to stop."""
        client = self.client
        if client is not None:
            self._start(_Ticket(self, f"cancel {job}", lambda _answer: None, None), lambda: client.cancel(job))

    def pause(self, job: str, paused: bool) -> None:
        """Stop a running job where it stands, or let it go on."""
        client = self.client
        if client is not None:
            ticket = _Ticket(self, f"pause {job}", lambda _answer: None, None)
            self._start(ticket, lambda: client.pause_job(job, paused=paused))

    def close(self) -> None:
        """Stop polling, let running calls end, close the client."""
        self._timer.stop()
        self._tickets.clear()
        self._pool.waitForDone()
        self._poll_pool.waitForDone()
        if self.client is not None:
            self.client.close()
            self.client = None

    def _start(self, ticket: _Ticket, work: Callable[[], Any]) -> None:
        number = next(self._numbers)
        self._tickets[number] = ticket
        self._newest[id(ticket.owner), ticket.slot] = number
        if len(self._tickets) == 1:
            self.busy_changed.emit(True)
        self._pool.start(_Call(number, work, self._done.emit))

    def _deliver(self, number: int, answer: Any, error: PlimsollError | None) -> None:
        if number < 0:
            self._polled(answer)
            return
        ticket = self._tickets.pop(number, None)
        if ticket is None:
            return
        place = (id(ticket.owner), ticket.slot)
        stale = self._newest.get(place) != number
        if not stale:
            del self._newest[place]
        if not stale and shiboken6.isValid(ticket.owner):
            try:
                self._hand_over(ticket, answer, error)
            except Exception as unforeseen:
                LOG.exception("An answer could not be shown")
                self.failed.emit(fault_of("The answer could not be shown", unforeseen))
        if not self._tickets:
            self.busy_changed.emit(False)

    def _hand_over(self, ticket: _Ticket, answer: Any, error: PlimsollError | None) -> None:
        if error is None:
            ticket.then(answer)
        elif ticket.failed is not None:
            ticket.failed(error)
        else:
            self.failed.emit(error)

    def _poll(self) -> None:
        client = self.client
        if client is None or self._polling:
            return
        self._polling = True
        seq = max(0, self._seq)
        self._poll_pool.start(_Call(-1, lambda: (client.jobs(), client.changes_since(seq)), self._done.emit))

    def _polled(self, answer: tuple[list[dict[str, Any]], int] | None) -> None:
        self._polling = False
        if answer is None:
            return
        jobs, seq = answer
        if jobs != self._last_jobs:
            self._last_jobs = jobs
            self.jobs_changed.emit(jobs)
        if seq != self._seq:
            first, self._seq = self._seq < 0, seq
            self.ledger_at.emit(seq)
            if not first:
                self.moved.emit(seq)


def fault_of(headline: str, error: Exception) -> SystemFault:
    """An unforeseen error as one for people."""
    return SystemFault(
        headline,
        detail=f"{type(error).__name__}: {error}",
        remedy="The window's log has the details. Try again, or restart the window.",
    )


def message_of(error: PlimsollError) -> tuple[str, str]:
    """An error as headline and text: detail, place, each problem, what to do."""
    lines = [error.detail] if error.detail else []
    if error.where:
        lines.append(f"Where: {error.where}")
    lines += [f"• {problem.line()}" for problem in error.problems]
    if error.remedy:
        lines.append(error.remedy)
    return error.headline, "\n".join(lines)
