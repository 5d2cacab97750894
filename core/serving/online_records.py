"""What every online store agrees on: rows, how an entity is spelt, and how far a view was materialised.

A materialisation is a *plan*: rows in a fixed order, written in batches. A batch and the note of how far
the plan has come are written in one transaction, so that a batch which is sent again changes nothing.
A plan that replaces a view writes a new generation beside the old one; readers change over at its end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
from pydantic import Field

from core.kernel.errors import InputError
from core.kernel.records import Record

Value = float | int | str | bool | None
Row = tuple[float, tuple[Value, ...], Mapping[str, Value]]  # valid from (s since 1970), entity key, values
VERSIONS = 64  # versions of one entity that are kept


class Mark(Record):
    """How far a view is materialised: all that became valid up to ``until`` is held, all history since ``since``.

    Times are seconds since 1970. ``definition`` is what decides the view's values, ``version`` its digest.
    ``state`` is the digest of the newest values as of ``until``: when earlier values changed, it shows.
    """

    until: float
    since: float
    version: str
    state: str
    definition: dict[str, Any] = Field(default_factory=dict)
    newest: float | None = Field(default=None, description="Newest valid_from that is held")


class Step(Record):
    """One batch of a plan: ``first`` rows of the plan stand before it; ``mark`` comes with the last one."""

    plan: str
    first: int = Field(ge=0)
    replace: bool = False
    mark: Mark | None = None


class Held(Record):
    """What a store says of one view: its mark, and the plan that it is in the middle of."""

    mark: Mark | None = None
    plan: str = ""
    done: int = 0
    generation: int = 0
    filling: int = 0

    def begun(self, step: Step) -> Held:
        """The same, with ``step``'s plan under way."""
        if self.plan == step.plan:
            return self
        filling = self.generation + 1 if step.replace else self.generation
        return self.model_copy(update={"plan": step.plan, "done": 0, "filling": filling})

    def after(self, step: Step, rows: int) -> Held:
        """The same once ``step`` with its ``rows`` is written."""
        done = self.model_copy(update={"done": step.first + rows})
        if step.mark is None:
            return done
        return done.model_copy(update={"mark": step.mark, "generation": self.filling})


class FeatureStore(Protocol):
    """Where feature values lie for serving: a file, Redis, or the store of a target behind HTTP."""

    def upsert(self, view: str, rows: Iterable[Row]) -> int:
        """Write versions outside any plan; the same entity and time replaces."""
        ...

    def load(self, view: str, step: Step, rows: Sequence[Row]) -> int:
        """Write one batch of a plan; returns rows written, 0 when it was written before."""
        ...

    def held(self) -> dict[str, Held]:
        """How far each view was materialised."""
        ...

    def look_up(
        self, view: str, asked: Sequence[tuple[float, tuple[Value, ...]]], max_age_s: float | None
    ) -> list[dict[str, Value] | None]:
        """The values of many (instant, entity key), as serving would see them."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def out_of_order(view: str, held: Held, step: Step) -> InputError:
    """The complaint about a batch that leaves a gap in its plan."""
    return InputError(
        f"A batch of view {view!r} begins at row {step.first:,} of its plan, but {held.done:,} rows are written",
        remedy="Start the materialisation again; it goes on where it stopped",
    )


def entity_bytes(key: Sequence[Value]) -> bytes:
    """One stable spelling of an entity's key."""
    return orjson.dumps(list(key))


def epoch_s(value: object, where: str = "") -> float:
    """Seconds since 1970 from a number of seconds, ISO 8601 text or a datetime; without an offset it is UTC.

    Raises:
        InputError: for anything else.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InputError(f"{value!r} is not a time", where=where) from error
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
