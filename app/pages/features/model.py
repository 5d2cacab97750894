"""What the features page asks, and what it makes of the answers."""

from __future__ import annotations

from typing import Any

import polars as pl
from PySide6.QtCore import Signal

from app.pages.base import PageModel, Then
from app.tables import format as fmt

REQUEST = "request"


class FeaturesModel(PageModel):
    """The catalogue, and one view whole."""

    questions = ("feature_catalogue", "feature_view")
    part_failed = Signal(object)

    def catalogue(self, search: str, then: Then) -> None:
        """All features in which every word of ``search`` occurs."""
        self.ask("feature_catalogue", then, search=search)

    def view(self, name: str, then: Then) -> None:
        """One view with its features, freshness, usage, history and parity."""
        self.ask("feature_view", then, failed=self.part_failed.emit, name=name)


def shown_catalogue(frame: pl.DataFrame) -> pl.DataFrame:
    """The catalogue as it is listed: request features under their own name, freshness as a state."""
    if frame.is_empty():
        return frame
    origin = pl.when(pl.col("view") == "").then(pl.lit(REQUEST)).otherwise(pl.col("view"))
    return frame.with_columns(origin.alias("origin"), (pl.col("view") + "/" + pl.col("feature")).alias("id"))


def summary(frame: pl.DataFrame) -> str:
    """How many there are, and how many are stale."""
    views = frame.filter(pl.col("view") != "")["view"].n_unique()
    stale = frame.filter(pl.col("freshness_state") == "stale")["view"].n_unique()
    words = f"{frame.height} features, {views} views"
    return f"{words}, {stale} stale" if stale else words


def feature_facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    """What one feature is."""
    return [
        ("Feature", str(row["feature"])),
        ("Expression", str(row["expression"] or "–")),
        ("Reads", str(row["reads"] or "–")),
        ("Kind", str(row["kind"] or "–")),
        ("Filled", fmt.share(row["filled"])),
    ]


def view_facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    """What is true of all features of a view."""
    if not row["view"]:
        tables = str(row["tables"] or row["table"] or "–")
        return [
            ("Comes with", "the request itself"),
            ("Description", str(row["description"] or "–")),
            ("Tables", tables),
        ]
    known = [
        ("Description", row["description"]),
        ("Owner", row["owner"] or "nobody"),
        ("Entity", row["entity"]),
        ("Table", row["table"]),
        ("Made from", str(row["tables"] or "").replace(", ", " ← ")),
        ("Event time", row["event_time"]),
        ("Available", row["available"]),
        ("Delay", row["delay"]),
        ("Too old after", row["tolerance"]),
        ("Recomputed each", row["refresh"]),
        ("Freshness target", row["freshness_target"]),
        ("Version", row["version"]),
    ]
    return [(name, str(value)) for name, value in known if value]


def places_frame(view: dict[str, Any]) -> pl.DataFrame:
    """Where the view's values are held online, each with its age."""
    rows = [
        {
            "state": one["state"],
            "place": one["place"] or "nowhere",
            "age": age(one["age_s"]),
            "target": one["target"] or "–",
            "newest": fmt.when(one["newest"]),
            "until": fmt.when(one["until"]),
            "stale_since": fmt.when(one["stale_since"]),
            "entities": one["entities"],
        }
        for one in view.get("online") or []
    ]
    words = ("state", "place", "age", "target", "newest", "until", "stale_since")
    return pl.DataFrame(rows, schema={**dict.fromkeys(words, pl.String), "entities": pl.Int64})


def materialised_frame(view: dict[str, Any]) -> pl.DataFrame:
    """What was written to online stores, newest first."""
    names = ("created_at", "place", "mode", "rows", "entities", "until", "reason")
    rows = [{name: one.get(name) for name in names} for one in view.get("materialisations") or []]
    words = dict.fromkeys(("created_at", "place", "mode", "until", "reason"), pl.String)
    return pl.DataFrame(rows, schema={**words, "rows": pl.Int64, "entities": pl.Int64}).select(names)


def usage_frame(view: dict[str, Any]) -> pl.DataFrame:
    """Training sets, runs, models and releases that used the view, newest first."""
    rows = [
        {
            "kind": str(one["kind"]).replace("_", " "),
            "name": one["name"],
            "state": one["state"] or None,
            "definition": "as now" if one["current"] else "an earlier one",
            "created_at": one["created_at"],
            "id": one["id"],
        }
        for one in view.get("usage") or []
    ]
    return pl.DataFrame(
        rows, schema=dict.fromkeys(("kind", "name", "state", "definition", "created_at", "id"), pl.String)
    )


def history_frame(view: dict[str, Any]) -> pl.DataFrame:
    """Each definition that the view has had, newest first."""
    rows = [
        {"since": one["since"], "changes": one["changes"], "digest": one["version"]}
        for one in view.get("history") or []
    ]
    return pl.DataFrame(rows, schema=dict.fromkeys(("since", "changes", "digest"), pl.String))


def parity_words(parity: dict[str, Any] | None) -> tuple[str, str]:
    """A state and a sentence about offline and online being equal."""
    if parity is None:
        return "unknown", "Not compared yet. Run 'plimsoll features parity MODEL' after materialising."
    where = f"{parity['model']} at {parity['place']}, {fmt.when(parity['created_at'])} UTC"
    if parity["passed"]:
        return "passed", f"Equal on {fmt.integer(parity['rows'])} look-ups of {where}"
    if parity["differ"]:
        return "failed", f"{', '.join(parity['differ'])} differ: {where}"
    return "unknown", f"{parity['reason']}: {where}"


def age(seconds: float | None) -> str:
    """An age in the unit that says it best."""
    if seconds is None:
        return fmt.NONE
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{fmt.integer(seconds // size)} {unit}"
    return f"{seconds:.0f} s"
