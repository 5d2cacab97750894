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
    """One row a check of a validation report, failures first."""
    rows = []
    for item in validation.get("results") or []:
        state = "passed" if item["passed"] else "warned" if item.get("severity") == "warn" else "failed"
        rows.append(
            {
                "state": state,
                "check": str(item["name"]),
                "kind": str(item.get("kind") or ""),
                "about": ", ".join(item.get("columns") or []) or "table",
                "failing": item.get("failed"),
                "observed": str(item.get("observed") or ""),
                "expected": str(item.get("expected") or ""),
            }
        )
    rows.sort(key=lambda one: ("failed", "warned", "passed").index(str(one["state"])))
    names = ("state", "check", "kind", "about", "observed", "expected")
    return pl.DataFrame(
        rows, schema={**dict.fromkeys(names[:4], pl.String), "failing": pl.Int64, **dict.fromkeys(names[4:], pl.String)}
    )
