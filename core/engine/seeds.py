"""The same candidate trained with other seeds: how much of a figure is luck."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session, col, select

from core.store.tables import Run

SAME = ("training_set", "features", "label", "split")


def seeds_of(session: Session, run: str, metric: str) -> dict[str, Any] | None:
    """Seeds and values of a metric over the runs that differ from ``run`` in the seed alone; null without another."""
    own = session.get_one(Run, run)
    wanted = {name: own.inputs.get(name) for name in SAME}
    query = select(Run).where(Run.project == own.project, Run.name == own.name, Run.trainer == own.trainer)
    values: dict[int, float] = {}
    for row in session.exec(query.order_by(col(Run.created_at))):
        alike = row.settings == own.settings and {name: row.inputs.get(name) for name in SAME} == wanted
        if alike and metric in row.metrics:
            values[row.seed] = float(row.metrics[metric])
    if len(values) < 2:
        return None
    return {"metric": metric, "seeds": sorted(values), "values": [values[seed] for seed in sorted(values)]}
