"""The registry as one list: models of this workspace and those that clients registered, with their versions."""

from __future__ import annotations

from typing import Any

from sqlmodel import col, select

from core.engine.operations.models import stage_of
from core.engine.tracking.shelf import PREFIX, REGISTERED, VERSION, Shelf, Thing
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound
from core.store.tables import ModelVersion

FOREIGN_STAGES = ("None", "Staging", "Production", "Archived")
STAGE_WORDS = {"candidate": "None", "staging": "Staging", "production": "Production"}


class Registry:
    """Models by their name now; ``trained`` tells those of this workspace's own pipelines."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._all: dict[str, Thing] | None = None

    def all(self) -> dict[str, Thing]:
        """Every registered model that was not deleted, by name, with its aliases and description."""
        if self._all is None:
            held = [self._dressed(one) for one in self._shelf.stock(REGISTERED)]
            self._all = {one["name"]: one for one in held if one["lifecycle"] == "active"}
            for name in dict.fromkeys(self._shelf.session.exec(select(ModelVersion.model)).all()):
                self._all.setdefault(name, self._trained(name))
        return self._all

    def find(self, name: str) -> Thing | None:
        """The model of that name, or none."""
        return self.all().get(name)

    def model(self, name: str) -> Thing:
        """The model of that name.

        Raises:
            NotFound: when there is none.
        """
        found = self.find(name)
        if found is None:
            raise NotFound(f"Registered Model with name={name} not found")
        return found

    def versions(self, name: str) -> list[Thing]:
        """Versions of a model, oldest first: number, model, stage, description, detail and tags among their facts."""
        model = self.model(name)
        if model["trained"]:
            return self._trained_versions(model)
        found = [one for one in self._shelf.stock(VERSION) if one["parent"] == model["id"]]
        return [self._version(model, one) for one in found if one["lifecycle"] == "active"]

    def version(self, name: str, number: int) -> Thing:
        """One version.

        Raises:
            NotFound: when there is none.
        """
        for one in self.versions(name):
            if one["number"] == number:
                return one
        raise NotFound(f"Model Version (name={name}, version={number}) not found")

    def next_number(self, name: str) -> int:
        """The number that the next version gets: none is given out twice."""
        parent = self.model(name)["id"]
        made = [int(one["name"]) for one in self._shelf.stock(VERSION) if one["parent"] == parent]
        return max(made, default=0) + 1

    def _dressed(self, thing: Thing) -> Thing:
        aliases = {note["name"]: int(note["value"]) for note in thing["notes"] if note["kind"] == "alias"}
        return {**thing, "aliases": aliases, "description": thing["states"].get("description", "")}

    def _trained(self, name: str) -> Thing:
        query = select(ModelVersion).where(ModelVersion.model == name).order_by(col(ModelVersion.version))
        rows = self._shelf.session.exec(query).all()
        id = PREFIX + name
        notes = self._shelf.notes([id]).to_dicts()
        aliases = {note["name"]: int(note["value"]) for note in notes if note["kind"] == "alias"}
        for row in rows:
            if stage_of(self._shelf.session, row.id) == "production":
                aliases["champion"] = row.version
        return {
            "id": id,
            "name": name,
            "trained": True,
            "ms": int(rows[0].created_at.timestamp() * 1000),
            "updated": int(rows[-1].created_at.timestamp() * 1000),
            "author": rows[0].created_by,
            "tags": {note["name"]: note["value"] for note in notes if note["kind"] == "tag"},
            "description": next((one["value"] for one in notes if one["name"] == "description"), ""),
            "aliases": aliases,
            "lifecycle": "active",
        }

    def _trained_versions(self, model: Thing) -> list[Thing]:
        query = select(ModelVersion).where(ModelVersion.model == model["name"]).order_by(col(ModelVersion.version))
        rows = self._shelf.session.exec(query).all()
        notes = self._shelf.notes([row.id for row in rows]).to_dicts() if rows else []
        out = []
        for row in rows:
            mine = [note for note in notes if note["subject"] == row.id]
            made = int(row.created_at.timestamp() * 1000)
            out.append(
                {
                    "id": row.id,
                    "model": row.model,
                    "number": row.version,
                    "trained": True,
                    "ms": made,
                    "updated": made,
                    "author": row.created_by,
                    "stage": STAGE_WORDS.get(stage_of(self._shelf.session, row.id), "Archived"),
                    "description": next(
                        (note["value"] for note in mine if note["name"] == "description"),
                        f"{row.detail.get('candidate', '')}, registered {utc_text(row.created_at)}",
                    ),
                    "tags": {note["name"]: note["value"] for note in mine if note["kind"] == "tag"},
                    "detail": {"source": f"mlflow-artifacts:/trained/{row.run}/artifacts", "run": row.run},
                    "aliases": [name for name, number in model["aliases"].items() if number == row.version],
                }
            )
        return out

    @staticmethod
    def _version(model: Thing, thing: Thing) -> Thing:
        number = int(thing["name"])
        return {
            **thing,
            "model": model["name"],
            "number": number,
            "stage": thing["states"].get("stage", "None"),
            "description": thing["states"].get("description", ""),
            "aliases": [name for name, at in model["aliases"].items() if at == number],
        }

    def search_versions(self) -> list[Thing]:
        """All versions of all models."""
        return [version for name in self.all() for version in self.versions(name)]


def version_json(version: Thing) -> dict[str, Any]:
    """A version as clients read it."""
    detail = version["detail"]
    return {
        "name": version["model"],
        "version": str(version["number"]),
        "creation_timestamp": version["ms"],
        "last_updated_timestamp": version["updated"],
        "user_id": version["author"],
        "current_stage": version["stage"],
        "description": version["description"],
        "source": detail.get("source", ""),
        "run_id": detail.get("run", ""),
        "run_link": detail.get("run_link", ""),
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in version["tags"].items()],
        "aliases": version["aliases"],
        **({"model_id": detail["model"]} if detail.get("model") else {}),
    }
