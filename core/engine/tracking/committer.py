"""Group commit: what many callers log in the same moment goes to the disk in one transaction.

Each caller's future is done when its points are durable, never before. A transaction costs some milliseconds whatever
it holds, so single points reach the speed of batches as soon as there are many callers.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from core.kernel.errors import PlimsollError, SystemFault, error_from_dict

MOST = 20_000  # writes of one transaction
COLUMNS = ("names", "values", "steps", "times")
Write = dict[str, Any]
Change = Callable[[str, str, dict[str, Any]], dict[str, Any]]


class Committer:
    """Takes writes from any thread and hands them to ``tracking.log``, those of one user together."""

    def __init__(self, change: Change) -> None:
        gc.collect()
        gc.freeze()  # a collection would walk all that the start made, a quarter of a second each few thousand points
        self._change = change
        self._waiting: list[tuple[str, Write, Future[None]]] = []
        self._ready = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="tracking-commits", daemon=True)
        self._thread.start()

    def log(self, token: str, write: Write) -> Future[None]:
        """Queue a write (fields of ``RunWrites``) of the user behind ``token``; done when it is durable."""
        future: Future[None] = Future()
        with self._ready:
            if self._closed:
                raise SystemFault("The tracking door is closing")
            self._waiting.append((token, write, future))
            self._ready.notify()
        return future

    def close(self) -> None:
        """Commit what waits, then end."""
        with self._ready:
            self._closed = True
            self._ready.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._waiting and not self._closed:
                    self._ready.wait()
                taken, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                if not taken:
                    return
            shares: dict[str, list[tuple[str, Write, Future[None]]]] = {}
            for one in taken:
                shares.setdefault(one[0], []).append(one)
            for token, share in shares.items():
                self._commit(token, share)

    def _commit(self, token: str, taken: list[tuple[str, Write, Future[None]]]) -> None:
        writes, futures = _merged(taken)
        try:
            result = self._change(token, "tracking.log", {"writes": writes})
        except PlimsollError as error:
            self._failed(taken, error)
            return
        except Exception as error:  # noqa: BLE001 - told to the callers; the thread must live on
            self._failed(taken, SystemFault("The engine failed", detail=f"{type(error).__name__}: {error}"))
            return
        refused = result.get("refused", {})
        for number, waiting in enumerate(futures):
            told = refused.get(str(number))
            for future in waiting:
                if told is None:
                    future.set_result(None)
                else:
                    future.set_exception(error_from_dict(told))

    @staticmethod
    def _failed(taken: list[tuple[str, Write, Future[None]]], error: PlimsollError) -> None:
        for _, _, future in taken:
            future.set_exception(error)


def _merged(taken: list[tuple[str, Write, Future[None]]]) -> tuple[list[Write], list[list[Future[None]]]]:
    """Writes of points alone to one run, one after the other, as one write: what is wrong with one is with all."""
    writes: list[Write] = []
    futures: list[list[Future[None]]] = []
    last: dict[str, int] = {}  # run to the place of its write, while nothing but points came for it
    for _, write, future in taken:
        run, only_points = write["run"], _only_points(write)
        place = last.get(run) if only_points else last.pop(run, None)
        if place is None or not only_points:
            if only_points:
                last[run] = len(writes)
            writes.append({name: list(value) if isinstance(value, list) else value for name, value in write.items()})
            futures.append([future])
            continue
        held = writes[place]
        for name in COLUMNS:
            held[name] += write[name]
        futures[place].append(future)
    return writes, futures


def _only_points(write: Write) -> bool:
    """Whether a write has points and nothing else, and its columns are of one length."""
    if write.get("params") or write.get("tags") or write.get("models") or write.get("datasets"):
        return False
    points = len(write.get("names", ()))
    return points == len(write["values"]) == len(write["steps"]) == len(write["times"]) > 0 if points else False
