"""A client's run in the words of this house, beside those that were trained here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from core.engine.tracking.shelf import EXPERIMENT, RUN, Shelf
from core.kernel.clock import utc_text
from core.kernel.errors import InputError
from core.store.tables import Tracked, User
from core.store.tracked_read import latest_points

NOTE = "mlflow.note.content"
CODE = {"mlflow.source.git.commit": "commit", "mlflow.source.git.branch": "branch", "mlflow.source.name": "source"}


def is_tracked(session: Session, id: str) -> bool:
    """Whether a run of that id was logged by a client."""
    return session.exec(select(Tracked.seq).where(Tracked.id == id, Tracked.kind == RUN)).first() is not None


def tracked_named(session: Session, name: str) -> str | None:
    """The id of a client's run by its id, the beginning of it, or its name if one run alone has it; or none.

    Raises:
        InputError: when several fit.
    """
    ids = list(session.exec(select(Tracked.id).where(Tracked.kind == RUN, Tracked.id == name)).all())
    if not ids and name.startswith("run-") and len(name) > len("run-"):
        query = select(Tracked.id).where(Tracked.kind == RUN, col(Tracked.id).startswith(name, autoescape=True))
        ids = list(session.exec(query).all())
    if not ids:
        ids = list(session.exec(select(Tracked.id).where(Tracked.kind == RUN, Tracked.name == name)).all())
    if len(ids) > 1:
        raise InputError(f"{name!r} fits {len(ids)} runs", detail=", ".join(ids[:8]), remedy="Name one by its id.")
    return ids[0] if ids else None


def tracked_run(session: Session, id: str) -> dict[str, Any]:
    """Everything on record about a client's run, under the names that trained runs have."""
    shelf = Shelf(session)
    thing = shelf.run(id)
    experiment = shelf.find(EXPERIMENT, thing["parent"])
    states, tags, author = thing["states"], thing["tags"], session.get(User, thing["author"])
    points = latest_points(shelf.connection, [id])
    ended = int(states["end_time"]) if "end_time" in states else None
    inputs = [json.loads(note["value"])["dataset"] for note in thing["notes"] if note["kind"] == "input"]
    return {
        "run": id,
        "name": thing["name"],
        "trainer": "client",
        "project": experiment["name"] if experiment else thing["parent"],
        "author": author.name if author else thing["author"],
        "seed": None,
        "status": states.get("status", "RUNNING").lower().replace("finished", "done"),
        "started_at": utc_text(datetime.fromtimestamp(thing["ms"] / 1000, UTC)),
        "seconds": (ended - thing["ms"]) / 1000 if ended is not None else None,
        "parameters": thing["params"],
        "environment": {"code": {word: tags[tag] for tag, word in CODE.items() if tag in tags}},
        "inputs": {one["name"]: one["digest"] for one in inputs},
        "metrics": dict(zip(points["name"].to_list(), points["value"].to_list(), strict=True)),
        "resources": {},
        "artefacts": {
            note["name"]: note["value"].partition(" ")[0] for note in thing["notes"] if note["kind"] == "file"
        },
        "model": None,
        "evaluation": None,
        "log": "",
        **_curated(tags, thing["lifecycle"]),
    }


def curated(session: Session, id: str) -> dict[str, Any]:
    """What people added to a run: tags, note, and whether it is archived."""
    found = Shelf(session).notes([id], ["tag", "state"]).to_dicts()
    tags = {row["name"]: row["value"] for row in found if row["kind"] == "tag"}
    states = {row["name"]: row["value"] for row in found if row["kind"] == "state"}
    return _curated(tags, states.get("lifecycle", "active"))


def _curated(tags: dict[str, str], lifecycle: str) -> dict[str, Any]:
    own = {name: value for name, value in tags.items() if name != NOTE}
    return {"tags": own, "note": tags.get(NOTE, ""), "archived": lifecycle == "deleted"}
