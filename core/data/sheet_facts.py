"""What a data sheet is made of: facts gathered from records, and the prose of people kept apart from them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from pydantic import Field

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.project.about import SECTIONS, About

PROSE_FOLDER = "sheets"


class SheetSnapshot(Record):
    """One snapshot of the table's history; the verdicts are of its newest validation, if it had one."""

    snapshot: str
    at: str
    rows: int
    checks: int | None = None
    failed: int | None = None
    warned: int | None = None


class SheetTag(Record):
    """A column that may hold personal data, and what stands of it."""

    column: str
    state: str
    kind: str
    reason: str
    minimised: str = ""


class SheetFacts(Record):
    """Everything that the sheet says beside identity, columns and the newest validation."""

    about: About = Field(default_factory=About)
    prose: dict[str, str] = Field(default_factory=dict)
    kind: str = ""
    sql: str = ""
    nulls: list[str] = Field(default_factory=list)
    types: dict[str, str] = Field(default_factory=dict)
    minimised: dict[str, str] = Field(default_factory=dict)
    tags: list[SheetTag] = Field(default_factory=list)
    anonymity: str = ""
    history: list[SheetSnapshot] = Field(default_factory=list)
    schema_changes: list[str] = Field(default_factory=list)
    made_from: list[str] = Field(default_factory=list)
    used_by: list[str] = Field(default_factory=list)
    retention: str = ""
    erasures: list[str] = Field(default_factory=list)
    left: list[str] = Field(default_factory=list)


def read_prose(folder: Path, table: str) -> dict[str, str]:
    """Sections of ``sheets/TABLE.md`` beside the project, by their headings; none without the file.

    Raises:
        InputError: for a heading that is no section of a data sheet.
    """
    file = folder / PROSE_FOLDER / f"{table}.md"
    if not file.is_file():
        return {}
    parts = re.split(r"(?m)^## +(.+?) *$", file.read_text("utf-8"))
    found = {name.lower(): text.strip() for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    wrong = sorted(set(found) - set(SECTIONS))
    if wrong:
        raise InputError(
            f"A data sheet has no section {', '.join(wrong)}",
            where=f"{PROSE_FOLDER}/{table}.md",
            remedy="Headings are: " + ", ".join(name.capitalize() for name in SECTIONS),
        )
    return {name: text for name, text in found.items() if text}


def schema_changes(history: list[tuple[str, dict[str, str]]]) -> list[str]:
    """What columns came, went or changed their type from one snapshot to the next, oldest first.

    Args:
        history: (moment, column to type), oldest first.
    """
    out = []
    for (_, before), (at, after) in itertools.pairwise(history):
        words = [f"{name} came" for name in after if name not in before]
        words += [f"{name} went" for name in before if name not in after]
        words += [
            f"{name} was {before[name]} and is {kind}"
            for name, kind in after.items()
            if name in before and before[name] != kind
        ]
        if words:
            out.append(f"{at}: " + ", ".join(words))
    return out
