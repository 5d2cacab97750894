"""Group commit: what many callers log in the same moment goes to the disk in one transaction.

Each caller's future is done when its points are durable, never before. A transaction costs some milliseconds whatever
it holds, so single points reach the speed of batches as soon as there are many callers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from core.kernel.errors import PlimsollError, SystemFault, error_from_dict

MOST = 20_000  # writes of one transaction
Write = dict[str, Any]
Change = Callable[[str, str, dict[str, Any]], dict[str, Any]]


class Committer:
    """Takes writes from any thread and hands them to ``tracking.log``, those of one user together."""

    def __init__(self, change: Change) -> None:
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
            for token in dict.fromkeys(one[0] for one in taken):
                self._commit(token, [one for one in taken if one[0] == token])

    def _commit(self, token: str, taken: list[tuple[str, Write, Future[None]]]) -> None:
        try:
            result = self._change(token, "tracking.log", {"writes": [write for _, write, _ in taken]})
        except PlimsollError as error:
            self._failed(taken, error)
            return
        except Exception as error:  # noqa: BLE001 - told to the callers; the thread must live on
            self._failed(taken, SystemFault("The engine failed", detail=f"{type(error).__name__}: {error}"))
            return
        refused = result.get("refused", {})
        for number, (_, _, future) in enumerate(taken):
            told = refused.get(str(number))
            if told is None:
                future.set_result(None)
            else:
                future.set_exception(error_from_dict(told))

    @staticmethod
    def _failed(taken: list[tuple[str, Write, Future[None]]], error: PlimsollError) -> None:
        for _, _, future in taken:
            future.set_exception(error)
