"""Jobs that wait: the more urgent first, then in the order in which they came; one job at a time on each GPU."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ticket:
    """A job that may run now. ``gpu`` is the number of the GPU that is its own until it ends, or -1."""

    job: str
    gpu: int = -1


@dataclass(frozen=True, order=True)
class _Waiting:
    urgency: int  # the negated priority: the heap's smallest comes first
    number: int
    job: str
    gpu: bool


class JobQueue:
    """Hands jobs to the lanes that ask for them.

    Args:
        gpus: counts the machine's GPUs; asked when the first job wants one. Where there is none, such a job waits
            for none: its work says aloud that it runs on the CPU, or refuses.
    """

    def __init__(self, gpus: Callable[[], int]) -> None:
        self._waiting: list[_Waiting] = []
        self._gpus = gpus
        self._free: list[int] | None = None
        self._with_gpus = False
        self._number = 0
        self._closed = False
        self._change = threading.Condition()

    def put(self, job: str, *, priority: int = 0, gpu: bool = False) -> None:
        """Queue a job; a higher ``priority`` goes first."""
        with self._change:
            self._number += 1
            if gpu and self._free is None:
                self._free = list(range(self._gpus()))
                self._with_gpus = bool(self._free)
            heapq.heappush(self._waiting, _Waiting(-priority, self._number, job, gpu and self._with_gpus))
            self._change.notify_all()

    def take(self) -> Ticket | None:
        """Wait for the next job that may run; none once the queue was closed."""
        with self._change:
            while not self._closed:
                ready = next((one for one in sorted(self._waiting) if not one.gpu or self._free), None)
                if ready is not None:
                    self._waiting.remove(ready)
                    heapq.heapify(self._waiting)
                    return Ticket(ready.job, self._free.pop(0) if ready.gpu and self._free else -1)
                self._change.wait()
        return None

    def give_back(self, ticket: Ticket) -> None:
        """A job ended: its GPU is free again."""
        if ticket.gpu >= 0:
            with self._change:
                assert self._free is not None
                self._free.append(ticket.gpu)
                self._free.sort()
                self._change.notify_all()

    def close(self) -> None:
        """Let go of everybody who waits."""
        with self._change:
            self._closed = True
            self._change.notify_all()
