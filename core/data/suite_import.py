"""Suites of other tools read as checks: Great Expectations (1.x and 0.18, JSON) and Pandera (YAML, JSON).

Only documents are read, never code. What has no equivalent here is listed with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from core.contract.schema import Check
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record

MOST_BYTES = 8_000_000


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


def read_suite(path: Path) -> ImportedSuite:
    """Read a suite file.

    Raises:
        NotFound: when it is not there. InputError: when it is too large, is neither JSON nor YAML, or is no suite.
    """
    from core.data.suite_gx import from_gx
    from core.data.suite_pandera import from_pandera

    document = _document(path)
    if isinstance(document.get("expectations"), list):
        return from_gx(document)
    if document.get("schema_type") == "dataframe" and isinstance(document.get("columns"), dict):
        return from_pandera(document)
    raise InputError(
        "This is no suite that can be read",
        where=str(path),
        detail="It has neither 'expectations' nor 'schema_type: dataframe' with 'columns'.",
        remedy="Save a Great Expectations suite as JSON, or a Pandera schema with to_yaml() or to_json().",
    )


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFound("There is no such file", where=str(path))
    if path.stat().st_size > MOST_BYTES:
        raise InputError("The file is too large for a suite", where=str(path), detail=f"at most {MOST_BYTES:,} bytes")
    try:
        text = path.read_text("utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") else YAML(typ="safe", pure=True).load(text)
    except (UnicodeDecodeError, ValueError, RecursionError, YAMLError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise InputError("The file is neither JSON nor YAML", where=str(path), detail=first) from error
    if not isinstance(document, dict):
        raise InputError("The file holds no suite", where=str(path), remedy="Its outermost value must be a mapping.")
    return document
