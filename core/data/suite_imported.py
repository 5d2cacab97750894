"""What was read of another tool's suite: its checks, and the rules that have no equivalent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from core.contract.schema import Check
from core.kernel.records import Record


class Unmapped(Record):
    """A rule that could not be carried over, and why."""

    what: str
    why: str


@dataclass
class ImportedSuite:
    """What was read: checks, what was left, and the name that the suite had."""

    format: str
    table: str
    checks: list[Check] = field(default_factory=list)
    unmapped: list[Unmapped] = field(default_factory=list)

    def add(self, what: str, make: Callable[[], list[dict[str, Any]]]) -> None:
        """Keep the checks that ``make`` gives, or note why there are none."""
        try:
            self.checks += [Check.model_validate(item) for item in make()]
        except NoEquivalent as error:
            self.unmapped.append(Unmapped(what=what, why=str(error)))
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            why = f"its settings are not as expected ({type(error).__name__}: {str(error).splitlines()[0]})"
            self.unmapped.append(Unmapped(what=what, why=why))


class NoEquivalent(Exception):
    """A rule of another tool that no kind of check here says."""
