"""What a pipeline consists of: steps, and the planner that knows what earlier steps made."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import core
from core.engine.context import Context, Done
from core.engine.projects import read_version
from core.kernel.digests import digest_bytes, digest_json
from core.project.schema import Project
from core.store.tables import ProjectVersion
from core.workspace.workspace import Workspace

Plan = Callable[["Planner"], tuple[dict[str, Any], dict[str, str]]]
Act = Callable[[Context, "Planner"], Done]
Drive = Callable[[Any], dict[str, Any]]


NOTED = "noted"  # parameters and inputs so named are given but do not decide the result: no part of a step's key


@dataclass(frozen=True)
class Step:
    """One step: work in a worker process (``plan`` gives its parameters and inputs), an act of the engine, or one that
    drives steps of its own (``drive`` is given the walk)."""

    name: str
    title: str
    kind: str
    needs: tuple[str, ...] = ()
    plan: Plan | None = None
    act: Act | None = None
    drive: Drive | None = None
    permission: str = "read"
    asks: bool = False  # what it reads is known only to somebody else: it is asked at each walk, never the cache


@dataclass
class StepView:
    """How one step of a walk does."""

    name: str
    title: str
    state: str = "waiting"
    seconds: float = 0.0
    summary: str = ""
    cached: bool = False
    job: str = ""


@dataclass
class Planner:
    """Knows the project and what finished steps made. ``options`` are those of the walk."""

    workspace: Workspace
    version: ProjectVersion
    options: dict[str, Any]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)

    @functools.cached_property
    def project(self) -> Project:
        """The project, with the walk's own split where it has one."""
        return read_version(self.version, self.options)

    @property
    def folder(self) -> Path:
        """Where the project's file lies."""
        return Path(self.version.path).parent

    def blob(self, step: str, name: str = "blob") -> str:
        """A blob that an earlier step made."""
        return str(self.outputs[step][name])

    def tables(self) -> dict[str, str]:
        """Blobs of all sources and derived tables, by table name."""
        return {
            name.split(":", 1)[1]: str(made["blob"])
            for name, made in self.outputs.items()
            if name.startswith(("ingest:", "table:"))
        }


def downstream(steps: list[Step], first: str) -> set[str]:
    """The step ``first`` and everything that needs it: what must not come from the cache."""
    wanted = {first} if first else set()
    for step in steps if first else []:
        if wanted.intersection(step.needs):
            wanted.add(step.name)
    return wanted


@functools.cache
def code_digest(rooms: tuple[str, ...]) -> str:
    """Digest of the source of some rooms: what a step's code was, for its key and for lineage."""
    root = Path(core.__file__).parent
    files = sorted(file for room in rooms for file in (root / room).rglob("*.py"))
    return digest_json([[str(file.relative_to(root)), digest_bytes(file.read_bytes())] for file in files])
