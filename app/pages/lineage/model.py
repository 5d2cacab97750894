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
        self.ask("lineage", then, node=node or "", depth=depth)


REPORTS = ("profile", "validation", "leakage", "evaluation", "gates", "monitoring", "personal")
REPORTS += ("materialisation", "freshness", "parity", "schema_drift", "collection", "erasure")
PLURAL = {"table": "tables", "source": "sources", "deployment": "deployments", "labels": "label deliveries"}


def tidy(node: dict[str, Any]) -> dict[str, Any]:
    """A node with a short label: what it is called, and its size beside its kind."""
    label, _, size = str(node.get("label") or node["id"]).partition(" · ")
    name, _, trainer = label.partition(" (")
    label, name = (text.removeprefix("Release ").removeprefix("Package ").removeprefix("On ") for text in (label, name))
    same = trainer.removesuffix(")") == name
    return {**node, "label": name if same else label, "note": f" · {size}" if size else ""}


def shown(graph: dict[str, Any], *, reports: bool, kept: set[str]) -> dict[str, Any]:
    """The graph as it is drawn: reports left out unless asked for, and alike nodes drawn as one.

    Nodes are alike when they have the same kind, the same causes and the same effects. Those in
    ``kept`` (chosen, or groups that were opened) stay as they are.
    """
    nodes = [tidy(n) for n in graph.get("nodes") or [] if reports or n["kind"] not in REPORTS or n["id"] in kept]
    ids = {str(n["id"]) for n in nodes}
    edges = [e for e in graph.get("edges") or [] if str(e[0]) in ids and str(e[1]) in ids]
    group_of = _alike(nodes, edges, kept)
    drawn: dict[str, dict[str, Any]] = {}
    for node in nodes:
        name, count = group_of.get(str(node["id"]), (str(node["id"]), 1))
        if count == 1:
            drawn[name] = node
        elif name not in drawn:
            drawn[name] = _group(name, [n for n in nodes if group_of.get(str(n["id"])) == (name, count)])
    ends = {n: g[0] for n, g in group_of.items()}
    lines = {(ends.get(str(e[0]), str(e[0])), ends.get(str(e[1]), str(e[1]))): e[2] for e in edges}
    return {"nodes": list(drawn.values()), "edges": [[a, b, role] for (a, b), role in lines.items()]}


def _alike(nodes: list[dict[str, Any]], edges: list[Any], kept: set[str]) -> dict[str, tuple[str, int]]:
    """For each node that has equals: the name of their group and how many they are."""
    ups: dict[str, set[str]] = {}
    downs: dict[str, set[str]] = {}
    for edge in edges:
        ups.setdefault(str(edge[1]), set()).add(str(edge[0]))
        downs.setdefault(str(edge[0]), set()).add(str(edge[1]))
    groups: dict[tuple[Any, ...], list[str]] = {}
    for node in nodes:
        name = str(node["id"])
        if name not in kept:
            like = (node["kind"], frozenset(ups.get(name, ())), frozenset(downs.get(name, ())))
            groups.setdefault(like, []).append(name)
    return {
        name: (f"group:{members[0]}", len(members))
        for members in groups.values()
        if len(members) > 1
        for name in members
    }


def _group(name: str, members: list[dict[str, Any]]) -> dict[str, Any]:
    kind = str(members[0]["kind"])
    many = PLURAL.get(kind, f"{kind.replace('_', ' ')}s")
    states = {str(n.get("state") or "") for n in members}
    return {
        "id": name,
        "kind": f"{len(members)} {many}",
        "label": ", ".join(dict.fromkeys(str(n["label"]) for n in members)),
        "state": states.pop() if len(states) == 1 else "",
        "created_at": members[-1].get("created_at"),
        "members": [str(n["id"]) for n in members],
    }


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
