"""What answering a call needs: reading, changing as the caller, and the table of calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from core.engine.actors import check_permission
from core.engine.engine import Engine
from core.engine.tracking.committer import Committer, Write
from core.engine.tracking.forms import Check
from core.engine.tracking.shelf import Shelf

Json = dict[str, Any]
Fields = Mapping[str, tuple[Check, bool]]


@dataclass(frozen=True)
class Desk:
    """One caller's hold on the engine."""

    engine: Engine
    committer: Committer
    token: str

    def change(self, name: str, request: Json) -> Json:
        """Carry out an operation as the caller."""
        return self.engine.change(self.token, name, request, None, None)

    def log(self, write: Write) -> Future[None]:
        """Log to a run, together with what others log in the same moment."""
        return self.committer.log(self.token, write)

    @contextmanager
    def reading(self) -> Iterator[Shelf]:
        """Look things up; refused to those who may not read."""
        with self.engine.workspace.database.reading() as session:
            check_permission(self.engine.sessions.actor(self.token), "read")
            yield Shelf(session)


@dataclass(frozen=True)
class Call:
    """How a call is answered. A ``Future`` as the answer means: when it is durable, with nothing in it."""

    answer: Callable[..., Any]
    fields: Fields


CALLS: dict[tuple[str, tuple[str, ...]], Call] = {}


def call(method: str, path: str, /, **fields: tuple[Check, bool]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function for a path such as ``logged-models/{}``; it gets desk, fields, path parts."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        CALLS[method, tuple(path.split("/"))] = Call(function, fields)
        return function

    return register


def find_call(method: str, path: str) -> tuple[Call, list[str]] | None:
    """The call of a path, and what stands in its places."""
    parts = tuple(part for part in path.split("/") if part)
    exact = CALLS.get((method, parts))
    if exact is not None:
        return exact, []
    for (verb, pattern), found in CALLS.items():
        if (
            verb == method
            and len(pattern) == len(parts)
            and all(one in ("{}", part) for one, part in zip(pattern, parts, strict=True))
        ):
            return found, [part for one, part in zip(pattern, parts, strict=True) if one == "{}"]
    return None
