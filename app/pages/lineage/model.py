"""What the lineage page asks."""

from __future__ import annotations

from typing import Any

import polars as pl

from app.pages.base import PageModel, Then


class LineageModel(PageModel):
    """The graph around a node."""

    questions = ("lineage",)

    def around(self, node: str | None, depth: int, then: Then) -> None:
        """Nodes and edges within ``depth`` steps of a node, or around the champion."""
        self.ask("lineage", then, node=node, depth=depth)


def rows_of(graph: dict[str, Any]) -> pl.DataFrame:
    """The graph as a table: one row a node, with what it was made from and what was made of it."""
    labels = {str(n["id"]): str(n.get("label") or n["id"]) for n in graph.get("nodes") or []}
    ups: dict[str, list[str]] = {}
    downs: dict[str, list[str]] = {}
    for edge in graph.get("edges") or []:
        source, target = str(edge[0]), str(edge[1])
        ups.setdefault(target, []).append(labels.get(source, source))
        downs.setdefault(source, []).append(labels.get(target, target))
    out = [
        {
            "id": str(n["id"]),
            "kind": str(n.get("kind", "")),
            "label": labels[str(n["id"])],
            "state": n.get("state") or None,
            "made_at": n.get("created_at"),
            "from": ", ".join(ups.get(str(n["id"]), [])),
            "into": ", ".join(downs.get(str(n["id"]), [])),
        }
        for n in graph.get("nodes") or []
    ]
    schema = {
        "id": pl.String,
        "kind": pl.String,
        "label": pl.String,
        "state": pl.String,
        "made_at": pl.String,
        "from": pl.String,
        "into": pl.String,
    }
    return pl.DataFrame(out, schema=schema, strict=False)
