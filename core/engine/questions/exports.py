"""Ledger and lineage in forms that other tools read."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from sqlmodel import col, select

from core.engine.questions.lineage import lineage
from core.engine.registry import question
from core.kernel.digests import strict_json
from core.store.tables import LedgerEntry

if TYPE_CHECKING:
    from core.engine.engine import Engine

NAMESPACE = uuid.UUID("6f1d2f52-0f6a-5c0a-9a4e-0d6c1b7a5e11")  # of ids that are made from our ids
PRODUCER = "urn:plimsoll:console"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"


@question("ledger_lines")
def ledger_lines(engine: Engine, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Whole entries after a number, oldest first: ``body`` is the exact text that ``hash`` covers."""
    query = select(LedgerEntry).where(LedgerEntry.seq > after).order_by(col(LedgerEntry.seq)).limit(limit)
    with engine.workspace.database.reading() as session:
        return [
            {"seq": row.seq, "prev": row.prev, "hash": row.hash, "body": row.body, "entry": strict_json(row.body)}
            for row in session.exec(query)
        ]


@question("openlineage")
def openlineage(engine: Engine) -> list[dict[str, Any]]:
    """The lineage as OpenLineage 2-0-2 run events: one COMPLETE for everything that was made of something."""
    graph = lineage(engine)
    nodes = {node["id"]: node for node in graph["nodes"]}
    made_of: dict[str, list[str]] = {}
    for source, result, _role in graph["edges"]:
        made_of.setdefault(result, []).append(source)
    namespace = f"plimsoll:{engine.workspace.info.id}"
    return [
        {
            "eventType": "COMPLETE",
            "eventTime": nodes[result]["created_at"],
            "run": {"runId": str(uuid.uuid5(NAMESPACE, result))},
            "job": {"namespace": namespace, "name": nodes[result]["kind"]},
            "inputs": [{"namespace": namespace, "name": source} for source in sorted(set(sources))],
            "outputs": [{"namespace": namespace, "name": result}],
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
        }
        for result, sources in sorted(made_of.items(), key=lambda item: (nodes[item[0]]["created_at"], item[0]))
    ]
