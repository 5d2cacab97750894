"""The lineage graph, around one node or whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlmodel import Session, select

from core.engine.context import state_of
from core.engine.operations.models import find_model, stage_of
from core.engine.registry import question
from core.kernel.clock import utc_text
from core.kernel.errors import NotFound
from core.store.tables import Deployment, Edge, ModelVersion, Package, Release, Report, Run, Snapshot

if TYPE_CHECKING:
    import networkx as nx

    from core.engine.engine import Engine

MOST_NODES = 10_000


@question("lineage")
def lineage(engine: Engine, node: str = "", depth: int = 2, direction: str = "both") -> dict[str, Any]:
    """Nodes and edges within ``depth`` hops of ``node``; without one, everything (at most 10,000 nodes)."""
    import networkx as nx  # a quarter of a second that only this question needs

    with engine.workspace.database.reading() as session:
        nodes = _nodes(session)
        graph = nx.DiGraph()
        graph.add_nodes_from(nodes)
        for edge in session.exec(select(Edge)):
            if edge.source in nodes and edge.result in nodes:
                graph.add_edge(edge.source, edge.result, role=edge.role)
        if node:
            centre = _centre(session, nodes, node)
            kept = _near(graph, centre, depth, direction)
            graph = graph.subgraph(kept)
    shown = sorted(graph.nodes, key=lambda name: nodes[name]["created_at"])[-MOST_NODES:]
    inside = set(shown)
    return {
        "nodes": [nodes[name] for name in shown],
        "edges": [[a, b, data["role"]] for a, b, data in graph.edges(data=True) if a in inside and b in inside],
        "centre": centre if node else None,
    }


def _centre(session: Session, nodes: dict[str, dict[str, Any]], name: str) -> str:
    if name in nodes:
        return name
    fitting = [one for one in nodes if one.startswith(name)]
    if len(fitting) == 1:
        return fitting[0]
    try:
        return find_model(session, name).id
    except NotFound as error:
        raise NotFound(f"Nothing in the lineage is called {name!r}") from error


def _near(graph: nx.DiGraph, centre: str, depth: int, direction: str) -> set[str]:
    import networkx as nx

    kept = {centre}
    if direction in ("both", "up"):
        kept |= set(nx.single_source_shortest_path_length(graph.reverse(copy=False), centre, cutoff=depth))
    if direction in ("both", "down"):
        kept |= set(nx.single_source_shortest_path_length(graph, centre, cutoff=depth))
    return kept


def _nodes(session: Session) -> dict[str, dict[str, Any]]:
    out: dict[str, dict[str, Any]] = {}

    def add(row: Any, kind: str, label: str, state: str) -> None:
        out[row.id] = {
            "id": row.id,
            "kind": kind,
            "label": label,
            "state": state,
            "created_at": utc_text(row.created_at),
        }

    for snapshot in session.exec(select(Snapshot)):
        add(snapshot, snapshot.kind, f"{snapshot.name} · {snapshot.rows:,} rows", "")
    for report in session.exec(select(Report)):
        state = "" if report.passed is None else ("passed" if report.passed else "failed")
        add(report, report.kind, f"{report.kind} of {report.name}", state)
    for run in session.exec(select(Run)):
        add(run, "run", f"{run.name} ({run.trainer})", "done")
    for version in session.exec(select(ModelVersion)):
        add(version, "model", f"{version.model} v{version.version}", stage_of(session, version.id))
    for release in session.exec(select(Release)):
        add(release, "release", f"Release {release.id}", state_of(session, "release", release.id) or "")
    for package in session.exec(select(Package)):
        add(package, "package", f"Package {package.bytes:,} B", "")
    for deployment in session.exec(select(Deployment)):
        add(deployment, "deployment", f"On {deployment.target}", "")
    return out
