"""A project as it was written, right or wrong, with forgiving access, so that checks across sections
can run beside the complaints about single fields and everything is reported in one go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.kernel.errors import Problem
from core.project.yaml_text import Path_


class Document:
    """Plain values by path. What is absent or of another type reads as empty."""

    def __init__(self, value: Any, lines: Mapping[Path_, int], name: str) -> None:
        self._value = value
        self._lines = lines
        self._name = name

    def at(self, *path: str | int) -> Any:
        """The value at ``path`` or None."""
        value = self._value
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def mapping(self, *path: str | int) -> dict[str, Any]:
        """The mapping at ``path`` or an empty one."""
        value = self.at(*path)
        return value if isinstance(value, dict) else {}

    def items(self, *path: str | int) -> list[Any]:
        """The list at ``path`` or an empty one."""
        value = self.at(*path)
        return value if isinstance(value, list) else []

    def texts(self, *path: str | int) -> list[str]:
        """The texts in the list at ``path``."""
        return [item for item in self.items(*path) if isinstance(item, str)]

    def text(self, *path: str | int) -> str:
        """The text at ``path`` or an empty one."""
        value = self.at(*path)
        return value if isinstance(value, str) else ""

    def number(self, *path: str | int) -> float | None:
        """The number at ``path`` or None; true and false are not numbers."""
        value = self.at(*path)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def line(self, path: Sequence[str | int]) -> int:
        """The line of ``path`` or of what encloses it."""
        parts = tuple(path)
        while parts and parts not in self._lines:
            parts = parts[:-1]
        return self._lines.get(parts, 1)

    def place(self, path: Sequence[str | int]) -> str:
        """``plimsoll.yaml:14``."""
        return f"{self._name}:{self.line(path)}"

    def problem(self, path: Sequence[str | int], what: str, expected: str = "", remedy: str = "") -> Problem:
        """A problem at ``path``."""
        return Problem(what, self.place(path), expected, remedy)

    # What several checks ask for.

    def tables(self) -> set[str]:
        """Names of all derived tables and of all sources but those that are kept as files."""
        sources = {name for name in self.mapping("sources") if self.text("sources", name, "kind") != "files"}
        return sources | set(self.mapping("tables"))

    def features(self) -> Iterator[tuple[str, Path_]]:
        """Every feature with its path, in file order."""
        for name in self.mapping("features", "request"):
            yield name, ("features", "request", name)
        for view in self.mapping("features", "views"):
            for part in ("columns", "windows"):
                for name in self.mapping("features", "views", view, part):
                    yield name, ("features", "views", view, part, name)

    def event_columns(self) -> set[str]:
        """Columns of the event rows that the file names."""
        named = {self.text("events", "time"), self.text("events", "prediction_time"), self.text("label", "known_at")}
        known = set(self.texts("events", "key")) | set(self.mapping("events", "available"))
        return (known | named) - {""}
