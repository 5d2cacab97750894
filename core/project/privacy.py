"""What a project says of personal data: how a column is minimised, and how long rows are kept."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from core.kernel.durations import span
from core.kernel.records import Record

_Duration = Annotated[str, StringConstraints(pattern=r"^\d+(s|m|h|d)$")]


class Minimise(Record):
    """What becomes of one column. For ``generalise`` exactly one of band, to, prefix and parents is given."""

    how: Literal["drop", "mask", "hash", "generalise"]
    when: Literal["ingest", "export"] = Field(
        default="ingest", description="ingest: the raw value is never stored; export: only what leaves is changed"
    )
    keep: int = Field(default=0, ge=0, le=8, description="mask: characters at the end that stay readable")
    salt: Literal["workspace", "table"] = Field(
        default="workspace", description="hash: equal values are equal in the whole workspace, or in this table only"
    )
    band: float | None = Field(default=None, gt=0, description="Numbers become the lower edge of bands of this width")
    to: Literal["day", "month", "quarter", "year"] | None = Field(default=None, description="Dates are cut to this")
    prefix: int | None = Field(default=None, ge=1, description="Only this many first characters stay")
    parents: dict[str, str] = Field(default_factory=dict, description="Categories become their parent; others (other)")

    @model_validator(mode="after")
    def _one_form(self) -> Minimise:
        forms = [self.band is not None, self.to is not None, self.prefix is not None, bool(self.parents)]
        if sum(forms) != (1 if self.how == "generalise" else 0):
            raise ValueError("generalise takes exactly one of band, to, prefix and parents, and nothing else does")
        return self

    def in_words(self) -> str:
        """The rule as people say it."""
        if self.how == "mask":
            return "masked" + (f", the last {self.keep} characters kept" if self.keep else "")
        if self.how != "generalise":
            return {"drop": "dropped", "hash": "hashed"}[self.how]
        if self.band is not None:
            return f"in bands of {self.band:g}"
        if self.to is not None:
            return f"cut to the {self.to}"
        return f"first {self.prefix} characters" if self.prefix else "as its parent category"


Rule = Literal["drop", "mask", "hash"] | Minimise


def full_rule(rule: Rule) -> Minimise:
    """The rule written out."""
    return Minimise(how=rule) if isinstance(rule, str) else rule


class RowRetention(Record):
    """How long rows of personal data may be kept."""

    by: str = Field(description="Time column that a row's age is told by")
    keep: _Duration = Field(description="Older rows are removed by `plimsoll privacy retain`")

    def before(self, now: datetime) -> datetime:
        """Rows of an earlier time have expired."""
        return now - span(self.keep)
