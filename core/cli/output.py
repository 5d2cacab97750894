"""Printing: tables that fit the terminal, or one JSON document; messages go to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from core.kernel.errors import PlimsollError

PIPED_WIDTH = 160
out = Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else PIPED_WIDTH)
err = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else PIPED_WIDTH)


class Printer:
    """Knows whether JSON was asked for. ``--json`` prints one document and nothing else there."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json

    def value(self, value: Any, title: str = "") -> None:
        """Print an answer: a frame, a list of records, or one record."""
        import polars as pl

        if self.as_json:
            plain = value.to_dicts() if isinstance(value, pl.DataFrame) else value
            sys.stdout.write(json.dumps(plain, default=_json, ensure_ascii=False, indent=2) + "\n")
        elif isinstance(value, pl.DataFrame):
            rows(value.columns, value.rows(), title)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            rows(list(value[0]), [list(item.values()) for item in value], title)
        elif isinstance(value, Mapping):
            record(value, title)
        else:
            out.print(str(value), markup=False)

    def say(self, text: str) -> None:
        """A message for people."""
        err.print(text, markup=False)


def rows(columns: Sequence[str], values: Sequence[Sequence[Any]], title: str = "") -> None:
    """Print a table; one that holds nothing says so."""
    if not values:
        out.print(f"{title or 'Nothing'}: none yet", markup=False)
        return
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for number, name in enumerate(columns):
        numeric = all(isinstance(row[number], int | float | None) for row in values)
        table.add_column(name.replace("_", " "), justify="right" if numeric else "left", overflow="ellipsis")
    for row in values:
        table.add_row(*(Text(cell(item)) for item in row))
    out.print(table)


def record(value: Mapping[str, Any], title: str = "") -> None:
    """Print one record, nested ones indented."""
    if title:
        out.print(Text(title, style="bold"))
    for name, item in value.items():
        label = str(name).replace("_", " ")
        if isinstance(item, Mapping) and item:
            out.print(Text(f"{label}:", style="bold"))
            for key, inner in item.items():
                out.print(Text(f"  {str(key).replace('_', ' ')}: {cell(inner)}"))
        elif isinstance(item, list) and item and isinstance(item[0], Mapping):
            rows(list(item[0]), [[entry.get(key) for key in item[0]] for entry in item], label)
        else:
            out.print(Text.assemble((f"{label}: ", "bold"), cell(item)))


def cell(value: Any) -> str:
    """One value as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(item)}" for key, item in value.items())
    return str(value)


def failure(error: PlimsollError, as_json: bool) -> None:
    """Tell of an error: to people on standard error, to scripts as JSON too."""
    if as_json:
        sys.stdout.write(json.dumps(error.as_dict(), ensure_ascii=False, indent=2) + "\n")
    place = f"{error.where}: " if error.where else ""
    err.print(Text(f"✗ {place}{error.headline}", style="bold red"))
    for line in error.detail.splitlines():
        err.print(Text(f"  {line}"))
    for problem in error.problems:
        err.print(Text(f"  • {problem.line()}"))
    if error.remedy:
        err.print(Text(f"  → {error.remedy}", style="cyan"))


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)
