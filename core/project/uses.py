"""Which tables and columns a project uses, as far as its text says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from core.project.schema import Project

_WORD = re.compile(r"[^\W\d]\w*|\"[^\"]+\"")


def names_in(text: str) -> frozenset[str]:
    """All words of a text, in small letters as tables are named: a table that a query does not name, it cannot read."""
    return frozenset(re.findall(r"\w+", text.lower()))


def words_about(project: Project, source: str) -> frozenset[str]:
    """Every word in settings, checks, queries and expressions that can name a column of the source.

    More words than columns: whoever asks holds them against the columns that there are.
    """
    texts: list[Any] = [project.sources[source].model_dump(include={"key", "types", "personal", "watermark"})]
    if source in project.suites:
        texts.append([check.plain() for check in project.suites[source].checks if check.severity == "fail"])
    texts += [table.sql for table in project.tables.values() if source in set(_words(table.sql))]
    if project.events.table == source:
        texts += [project.events.plain(), project.label.plain(), project.features.request]
    texts += [view.plain() for view in project.features.views.values() if view.table == source]
    return frozenset(_words(texts))


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from (word.strip('"') for word in _WORD.findall(value))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _words(key)
            yield from _words(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _words(inner)
    elif hasattr(value, "plain"):
        yield from _words(value.plain())
