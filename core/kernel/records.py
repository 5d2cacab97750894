"""Records: the plain, immutable, typed values that rooms hand to each other."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from core.kernel.digests import digest_json
from core.kernel.errors import InputError, Problem


class Record(BaseModel):
    """Base of every record: frozen, no unknown fields, finite numbers only where it is hashed."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    def plain(self) -> dict[str, Any]:
        """The record as JSON values."""
        return self.model_dump(mode="json")

    def fingerprint(self) -> str:
        """Digest of the canonical JSON form."""
        return digest_json(self.plain())

    @classmethod
    def read(cls, value: Any, *, where: str = "") -> Self:
        """Validate JSON values into the record; every problem is reported at once.

        Raises:
            InputError: with one :class:`~core.kernel.errors.Problem` for each wrong field.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            raise InputError(
                f"This is not a valid {cls.__name__}", where=where, problems=problems_of(error, where)
            ) from error


def problems_of(error: ValidationError, where: str = "") -> list[Problem]:
    """Pydantic's complaints as problems, the place written as a dotted path."""
    out = []
    for item in error.errors(include_url=False):
        place = ".".join(str(part) for part in item["loc"])
        out.append(Problem(what=item["msg"], where=f"{where} {place}".strip()))
    return out
