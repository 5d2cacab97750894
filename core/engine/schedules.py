"""Schedules: rows of our own, run by APScheduler, dispatched like anything else."""

from __future__ import annotations

import logging

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlmodel import select

from core.engine.actors import ENGINE
from core.engine.context import state_of
from core.engine.dispatcher import Dispatcher
from core.kernel.errors import InputError, PlimsollError
from core.store.tables import Schedule
from core.workspace.workspace import Workspace

MISSED_S = 3600  # a run that a busy or sleeping machine missed is made up for within the hour
logger = logging.getLogger(__name__)


class Scheduler:
    """Dispatches the scheduled operations as the engine itself, which may do only what its role may."""

    def __init__(self, workspace: Workspace, dispatcher: Dispatcher) -> None:
        self._workspace = workspace
        self._dispatcher = dispatcher
        self._scheduler = BackgroundScheduler(timezone="UTC", daemon=True)

    def start(self) -> None:
        """Begin, with what the store says."""
        self._scheduler.start()
        self.refresh()

    def refresh(self) -> None:
        """Read the schedules again."""
        self._scheduler.remove_all_jobs()
        with self._workspace.database.reading() as session:
            for row in session.exec(select(Schedule)):
                if state_of(session, "schedule", row.id) == "on":
                    self._scheduler.add_job(
                        self.run,
                        cron_trigger(row.cron),
                        args=[row.operation, row.request],
                        id=row.id,
                        coalesce=True,
                        misfire_grace_time=MISSED_S,
                    )

    def run(self, operation: str, request: dict[str, object]) -> None:
        """Dispatch one scheduled operation; a refusal is in the ledger, a fault in the log."""
        try:
            self._dispatcher.change(operation, request, ENGINE)
        except PlimsollError as error:
            logger.warning("Scheduled %s: %s", operation, error)

    def close(self) -> None:
        """Stop; a running dispatch ends first."""
        self._scheduler.shutdown(wait=True)


def cron_trigger(text: str) -> CronTrigger:
    """Read a five-field cron expression, in UTC.

    Raises:
        InputError: when it is none.
    """
    try:
        return CronTrigger.from_crontab(text, timezone="UTC")
    except ValueError as error:
        raise InputError(
            f"{text!r} is not a cron expression", detail=str(error), remedy="Five fields, e.g. '0 6 * * 1'."
        ) from error
