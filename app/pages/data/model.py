"""What the data page asks."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then


class DataModel(PageModel):
    """Snapshots, one snapshot with its profile, and its rows page by page."""

    questions = ("snapshots", "snapshot", "snapshot_rows")

    def snapshots(self, then: Then) -> None:
        """All snapshots, newest first."""
        self.ask("snapshots", then)

    def snapshot(self, name: str, then: Then) -> None:
        """One snapshot with profile and validation."""
        self.ask("snapshot", then, id=name)

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


def profile_frame(profile: dict[str, Any]) -> pl.DataFrame:
    """One row a column of a table profile."""
    rows = profile.get("rows") or 0
    fields = []
    for column in profile.get("columns") or []:
        nulls = column.get("nulls") or 0
        top = column.get("top") or []
        fields.append(
            {
                "column": column["name"],
                "type": column.get("type"),
                "missing": nulls,
                "share": nulls / rows if rows else 0.0,
                "distinct": column.get("distinct"),
                "lowest": _text(column.get("min")),
                "highest": _text(column.get("max")),
                "mean": column.get("mean"),
                "frequent": f"{top[0]['value']} ({top[0]['count']:,})" if top else "",
            }
        )
    schema = {
        "column": pl.String,
        "type": pl.String,
        "missing": pl.Int64,
        "share": pl.Float64,
        "distinct": pl.Int64,
        "lowest": pl.String,
        "highest": pl.String,
        "mean": pl.Float64,
        "frequent": pl.String,
    }
    return pl.DataFrame(fields, schema=schema)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:g}" if isinstance(value, float) else str(value)[:19]


def checks_frame(validation: dict[str, Any]) -> pl.DataFrame:
    """One row a check, failures first."""
    order = {"failed": 0, "error": 0, "warned": 1, "warn": 1}
    fields = []
    for item in validation.get("results") or validation.get("checks") or []:
        check = item.get("check") if isinstance(item.get("check"), dict) else item
        state = item.get("state") or item.get("outcome") or ("passed" if item.get("passed") else "failed")
        fields.append(
            {
                "state": str(state),
                "check": str(check.get("id") or check.get("name") or check.get("kind") or ""),
                "about": str(check.get("column") or ", ".join(check.get("columns") or []) or "table"),
                "failing": item.get("failing") if item.get("failing") is not None else item.get("failed_rows"),
                "observed": str(item.get("observed") or item.get("message") or item.get("detail") or ""),
            }
        )
    fields.sort(key=lambda one: order.get(one["state"], 2))
    schema = {"state": pl.String, "check": pl.String, "about": pl.String, "failing": pl.Int64, "observed": pl.String}
    return pl.DataFrame(fields, schema=schema)
