"""Looking things up within one session: experiments, runs, logged and registered models, and what is noted of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import polars as pl
from sqlmodel import Session, col, select

from core.kernel.errors import NotFound
from core.store.database import raw
from core.store.tables import Run
from core.store.tracked_read import notes, subjects_with, things

EXPERIMENT, RUN, LOGGED_MODEL = "experiment", "run", "logged_model"
REGISTERED, VERSION = "registered_model", "registered_version"
DEFAULT = "0"
PREFIX = "registered:"
Thing = dict[str, Any]


class Shelf:
    """What is tracked, as one session sees it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.connection = raw(session)

    def ids(self, kind: str) -> list[str]:
        """Ids of all things of a kind, deleted ones too."""
        return [thing["id"] for thing in things(self.connection, kind)]

    def stock(self, kind: str, ids: Iterable[str] | None = None) -> list[Thing]:
        """Things with what is noted of them: ``states``, ``tags``, ``lifecycle`` and ``updated`` (ms)."""
        found = things(self.connection, kind, ids)
        return [self._told(kind, thing) for thing in self._noted(found)]

    def find(self, kind: str, id: str) -> Thing | None:
        """One thing, or none."""
        return next(iter(self.stock(kind, [id])), None)

    def experiment(self, id: str) -> Thing:
        """An experiment by its id."""
        found = self.find(EXPERIMENT, id)
        if found is None:
            raise NotFound(f"No Experiment with id={id} exists")
        return found

    def experiment_named(self, name: str) -> Thing | None:
        """The experiment that bears the name now."""
        return next((one for one in self.stock(EXPERIMENT) if one["name"] == name), None)

    def run(self, id: str) -> Thing:
        """A run by its id."""
        found = self.find(RUN, id)
        if found is None:
            raise NotFound(f"Run with id={id} not found")
        return found

    def runs(self, ids: Iterable[str]) -> dict[str, Thing]:
        """Runs by id, those trained here among them: id, kind, lifecycle, and whether they were ``trained`` here."""
        wanted = list(ids)
        known = [thing["id"] for thing in things(self.connection, RUN, wanted)]
        missing = [id for id in wanted if id not in set(known)]
        trained = self.session.exec(select(Run.id).where(col(Run.id).in_(missing))).all() if missing else []
        gone = {
            row["subject"]: row["value"]
            for row in notes(self.connection, wanted, ["state"]).to_dicts()
            if row["name"] == "lifecycle"
        }
        return {
            id: {"id": id, "kind": RUN, "lifecycle": gone.get(id, "active"), "trained": id in trained}
            for id in [*known, *trained]
        }

    def params(self, runs: Iterable[str]) -> dict[tuple[str, str], str]:
        """Parameters of runs: (run, name) to value."""
        wanted = list(runs)
        if not wanted:
            return {}
        found = notes(self.connection, wanted, ["param"])
        return {(row["subject"], row["name"]): row["value"] for row in found.to_dicts()}

    def thing(self, id: str) -> Thing:
        """An experiment, run or logged model by its id."""
        for kind in (RUN, EXPERIMENT, LOGGED_MODEL):
            found = self.find(kind, id)
            if found is not None:
                return found
        trained = self.runs([id]).get(id)
        if trained is None:
            raise NotFound(f"Run with id={id} not found")
        return trained

    def notes(self, subjects: Iterable[str], kinds: Iterable[str] = ()) -> pl.DataFrame:
        """The notes that hold: subject, kind, name, value, ms."""
        return notes(self.connection, subjects, kinds)

    def having(self, kind: str, name: str, value: str) -> list[str]:
        """Subjects of which a note of that name holds that value."""
        return subjects_with(self.connection, kind, name, value)

    def _noted(self, found: list[Thing]) -> list[Thing]:
        held: dict[str, list[Thing]] = {thing["id"]: [] for thing in found}
        if held:
            for note in notes(self.connection, held).to_dicts():
                held[note["subject"]].append(note)
        return [{**thing, "notes": held[thing["id"]]} for thing in found]

    @staticmethod
    def _told(kind: str, thing: Thing) -> Thing:
        states = {note["name"]: note["value"] for note in thing["notes"] if note["kind"] == "state"}
        return {
            **thing,
            "kind": kind,
            "detail": json.loads(thing["detail"]),
            "name": states.get("name", thing["name"]),
            "states": states,
            "tags": {note["name"]: note["value"] for note in thing["notes"] if note["kind"] == "tag"},
            "params": {note["name"]: note["value"] for note in thing["notes"] if note["kind"] == "param"},
            "lifecycle": states.get("lifecycle", "active"),
            "updated": max([thing["ms"], *(note["ms"] for note in thing["notes"])]),
            "trained": False,
        }
