"""What logging must know of runs, kept from one write to the next while nothing but logging happens."""

from __future__ import annotations

from collections.abc import Iterable

from core.engine.context import Context
from core.engine.tracking.shelf import Shelf, Thing

MOST = 10_000  # runs that are kept


class KnownRuns:
    """Runs as they were at one entry of the ledger. Used under the write lock, by ``tracking.log`` alone.

    Logging changes nothing of what is kept (that a run is there, its lifecycle, who trained it), so that it holds at
    the entry of a log too. Any other entry between two of them, refusals included, makes it be read again.
    """

    def __init__(self) -> None:
        self._seq = -1
        self._runs: dict[str, Thing] = {}

    def of(self, context: Context, shelf: Shelf, ids: Iterable[str]) -> dict[str, Thing]:
        """Those of the runs that are there, by id: the fields of :meth:`Shelf.runs`."""
        if self._seq != context.ledger_seq() - 1 or len(self._runs) > MOST:
            self._runs = {}
            self._seq = context.ledger_seq() - 1
        wanted = set(ids)
        missing = wanted - self._runs.keys()
        if missing:
            self._runs.update(shelf.runs(missing))
        context.afterwards.append(lambda: self._committed(context.ledger_seq()))
        return {id: self._runs[id] for id in wanted if id in self._runs}

    def _committed(self, seq: int) -> None:
        self._seq = seq
