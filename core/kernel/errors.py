"""One error tree. Every error that a person can meet says what happened, where, and what to do.

The command line turns :attr:`PlimsollError.exit_code` into its exit status, the window shows
the same four parts in a message bar. Anything else that escapes is a fault of the system.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input.

    ``where`` is as exact as can be had (``plimsoll.yaml:14``, ``flights.csv:210 column dep_time``).
    """

    what: str
    where: str = ""
    expected: str = ""
    remedy: str = ""

    def line(self) -> str:
        """The problem on one line, for terminals and logs."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        if self.expected:
            text += f" (expected {self.expected})"
        return f"{text}. {self.remedy}" if self.remedy else text


class PlimsollError(Exception):
    """Root of the tree: ``headline``, ``detail``, ``where``, ``remedy`` and the single problems."""

    exit_code: ClassVar[int] = 4

    def __init__(
        self,
        headline: str,
        *,
        detail: str = "",
        where: str = "",
        remedy: str = "",
        problems: Iterable[Problem] = (),
    ) -> None:
        super().__init__(headline)
        self.headline = headline
        self.detail = detail
        self.where = where
        self.remedy = remedy
        self.problems = tuple(problems)

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.headline}" if self.where else self.headline]
        if self.detail:
            parts.append(self.detail)
        parts.extend(problem.line() for problem in self.problems)
        if self.remedy:
            parts.append(self.remedy)
        return "\n".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """A plain form that travels over the socket and into JSON output."""
        return {
            "error": type(self).__name__,
            "headline": self.headline,
            "detail": self.detail,
            "where": self.where,
            "remedy": self.remedy,
            "problems": [asdict(problem) for problem in self.problems],
        }


class AnswerIsNo(PlimsollError):
    """The work was done and its answer is no: a check, gate, test or verification failed."""

    exit_code = 1


class InputError(PlimsollError):
    """The request or an input was wrong."""

    exit_code = 2


class NotFound(InputError):
    """Something was named that is not there, or a shortened id fits several things."""


class Conflict(InputError):
    """Somebody else changed the same thing first."""


class Refused(PlimsollError):
    """Permission, policy or signature forbids it. Always recorded in the ledger."""

    exit_code = 3


class SystemFault(PlimsollError):
    """The machine, a file, a network or a process failed."""

    exit_code = 4


class Cancelled(SystemFault):
    """A person or the engine asked the work to stop."""


ERROR_TYPES: dict[str, type[PlimsollError]] = {
    kind.__name__: kind
    for kind in (
        PlimsollError,
        AnswerIsNo,
        InputError,
        NotFound,
        Conflict,
        Refused,
        SystemFault,
        Cancelled,
    )
}


def error_from_dict(data: dict[str, Any]) -> PlimsollError:
    """Rebuild an error that travelled as :meth:`PlimsollError.as_dict`."""
    kind = ERROR_TYPES.get(str(data.get("error")), SystemFault)
    return kind(
        str(data["headline"]),
        detail=str(data.get("detail", "")),
        where=str(data.get("where", "")),
        remedy=str(data.get("remedy", "")),
        problems=[Problem(**problem) for problem in data.get("problems", ())],
    )
