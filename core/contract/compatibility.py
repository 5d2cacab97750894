"""Whether callers of one contract may go on as they are with another one.

Compatible means: every request that the old contract accepts, the new one accepts, and the answer reads as before.
The server refuses inputs that it does not know and demands every field (Open Inference Protocol V2), so that a
removed field, another type, a new field and a field that may no longer be null each break a caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from core.contract.schema import Contract, Field_
from core.kernel.records import Record


class RequestField(Record):
    """A field as callers were promised it."""

    type: Literal["int", "float", "text", "bool", "time"]
    nullable: bool = Field(default=False, description="Callers may send null")


class Compatibility(Record):
    """What would break for callers; nothing where all lists are empty."""

    baseline: str
    removed: list[str] = Field(default_factory=list)
    retyped: list[str] = Field(default_factory=list)
    newly_required: list[str] = Field(default_factory=list)
    answer: list[str] = Field(default_factory=list)

    @property
    def compatible(self) -> bool:
        """Callers may go on as they are."""
        return not (self.removed or self.retyped or self.newly_required or self.answer)

    def facts(self) -> dict[str, float | str | bool]:
        """As facts of gates."""
        return {
            "schema.compatible": self.compatible,
            "schema.baseline": self.baseline,
            "schema.removed": float(len(self.removed)),
            "schema.retyped": float(len(self.retyped)),
            "schema.newly_required": float(len(self.newly_required)),
            "schema.answer_changed": float(len(self.answer)),
        }


def compare_with_contract(old: Contract, new: Contract, baseline: str) -> Compatibility:
    """A new contract against the one that is served now."""
    found = _fields({item.name: item for item in old.fields}, new.fields, baseline)
    pairs = (("task", old.task, new.task), ("output", old.output, new.output), ("classes", old.classes, new.classes))
    return found.model_copy(
        update={"answer": [f"{name}: {before} became {after}" for name, before, after in pairs if before != after]}
    )


def compare_with_declared(declared: Mapping[str, RequestField], new: Contract) -> Compatibility:
    """A new contract against what callers were promised."""
    return _fields(declared, new.fields, "declared")


def _fields(old: Mapping[str, Field_ | RequestField], new: Sequence[Field_], baseline: str) -> Compatibility:
    now = {item.name: item for item in new}
    shared = sorted(old.keys() & now.keys())
    retyped = [name for name in shared if old[name].type != now[name].type]
    stricter = [name for name in shared if old[name].nullable and not now[name].nullable and name not in retyped]
    return Compatibility(
        baseline=baseline,
        removed=sorted(old.keys() - now.keys()),
        retyped=[f"{name}: {old[name].type} became {now[name].type}" for name in retyped],
        newly_required=sorted([*(now.keys() - old.keys()), *stricter]),
    )
