"""What the data page asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
from PySide6.QtCore import Signal

from app.pages.base import PageModel, Then
from app.tables import format as fmt
from core.kernel.errors import PlimsollError


class DataModel(PageModel):
    """Tables, their snapshots, and everything about one snapshot."""

    questions = (
        "data_tables",
        "snapshots",
        "snapshot",
        "snapshot_rows",
        "snapshot_diff",
        "check_history",
        "data_sheet",
        "profiles_compared",
        "personal_tags",
    )
    part_failed = Signal(object)

    def tables(self, then: Then) -> None:
        """One row a table of the project or the workspace."""
        self.ask("data_tables", then)

    def snapshots(self, then: Then) -> None:
        """All snapshots, newest first."""
        self.ask("snapshots", then)

    def snapshot(self, name: str, then: Then, *, slot: str = "") -> None:
        """One snapshot with profile and validation."""
        self.ask("snapshot", then, slot=slot, id=name)

    def difference(
        self, before: str, after: str, key: list[str], then: Then, failed: Callable[[PlimsollError], None]
    ) -> None:
        """What changed between two snapshots."""
        self.ask("snapshot_diff", then, failed=failed, a=before, b=after, key=key)

    def shapes(self, before: str, after: str, then: Then) -> None:
        """How the profile of each column moved between two snapshots; one without a profile is passed over."""
        self.ask("profiles_compared", then, failed=lambda _error: then({}), a=before, b=after)

    def personal(self, table: str, then: Then) -> None:
        """Columns that were declared, proposed, confirmed or rejected as personal data."""
        self.ask("personal_tags", then, failed=self.part_failed.emit, table=table)

    def history(self, table: str, check: str, then: Then) -> None:
        """A check over the snapshots of a table."""
        self.ask("check_history", then, failed=self.part_failed.emit, table=table, check=check)

    def sheet(self, name: str, then: Then) -> None:
        """The data sheet of a snapshot, as Markdown."""
        self.ask("data_sheet", then, failed=self.part_failed.emit, id=name)

    def rows(self, name: str, offset: int, limit: int, by: str, descending: bool, then: Then) -> None:
        """A page of rows in an order."""
        self.ask(
            "snapshot_rows",
            then,
            slot=f"{name}:{offset}:{by}:{descending}",
            id=name,
            offset=offset,
            limit=limit,
            sort=by or None,
            descending=descending,
        )


def matching(frame: pl.DataFrame, text: str) -> pl.DataFrame:
    """The rows of which any text holds all words of ``text``, whatever their case."""
    texts = [name for name, kind in frame.schema.items() if kind == pl.String]
    if not text.strip() or not texts:
        return frame
    whole = pl.concat_str([pl.col(name).fill_null("") for name in texts], separator=" ").str.to_lowercase()
    return frame.filter(pl.all_horizontal(whole.str.contains(word, literal=True) for word in text.lower().split()))


def snapshot_title(row: dict[str, Any]) -> str:
    """A snapshot in a list of snapshots of one table."""
    return f"{fmt.when(row['created_at'])}  ·  {fmt.integer(row['rows'])} rows"


def drift_lines(drift: dict[str, Any]) -> list[str]:
    """The schema's drift against the snapshot before, a line a column."""
    out = [f"{one['before']} is now called {one['after']}" for one in drift.get("renamed") or []]
    out += [f"{name} is missing" for name in drift.get("missing") or []]
    out += [f"{one['name']} was {one['before']}, is {one['after']}" for one in drift.get("retyped") or []]
    return out + [f"{name} is new" for name in drift.get("new") or []]


def leaks_frame(leakage: dict[str, Any]) -> pl.DataFrame:
    """One row a leak test, those that found one first."""
    rows = [
        {
            "state": "passed" if one["passed"] else "failed",
            "test": str(one["name"]).replace("_", " "),
            "headline": str(one.get("headline") or ""),
            "detail": "; ".join(map(str, one.get("detail") or [])),
            "rows": one.get("rows"),
        }
        for one in leakage.get("tests") or []
    ]
    rows.sort(key=lambda one: str(one["state"]))
    words = dict.fromkeys(("state", "test", "headline", "detail"), pl.String)
    return pl.DataFrame(rows, schema={**words, "rows": pl.Int64})
