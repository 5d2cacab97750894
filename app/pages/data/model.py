"""What the data page asks."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then
from app.tables import format as fmt


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


def with_checks(frame: pl.DataFrame) -> pl.DataFrame:
    """The list of snapshots with one state and one line of words for their checks."""
    failed, warned, passed = (pl.col(f"checks_{name}") for name in ("failed", "warned", "passed"))
    state = (
        pl.when(passed.is_null())
        .then(None)
        .when(failed > 0)
        .then(pl.lit("failed"))
        .when(warned > 0)
        .then(pl.lit("warned"))
        .otherwise(pl.lit("passed"))
    )
    words = (
        pl.when(passed.is_null())
        .then(pl.lit("not checked"))
        .otherwise(pl.format("{} passed, {} warned, {} failed", passed, warned, failed))
    )
    return frame.with_columns(state.alias("state"), words.alias("checks"), pl.col("kind").str.replace_all("_", " "))


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


def facts_of(answer: dict[str, Any]) -> list[tuple[str, str]]:
    """Where a snapshot comes from, in words and digests."""
    seconds = (answer.get("detail") or {}).get("seconds")
    return [
        ("Snapshot", str(answer.get("snapshot"))),
        ("Kind", str(answer.get("kind") or "").replace("_", " ")),
        ("Made (UTC)", fmt.when(answer.get("created_at"), seconds=True)),
        ("Took", fmt.seconds(seconds)),
        ("Size", fmt.size(answer.get("bytes"))),
        ("Digest", str(answer.get("digest") or "–")),
        ("Of the source", str(answer.get("source_digest") or "–")),
        ("Of the schema", str(answer.get("schema_digest") or "–")),
    ]
