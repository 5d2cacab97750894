"""Which secrets there are. Their values are asked for by nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import col, select

from core.engine.projects import last_loaded, read_version
from core.engine.registry import question
from core.store.tables import Transition

if TYPE_CHECKING:
    from core.engine.engine import Engine

LIST: dict[str, Any] = {
    "secret": pl.String,
    "state": pl.String,
    "used_by": pl.String,
    "changed_at": pl.Datetime("us", "UTC"),
    "changed_by": pl.String,
}


@question("secrets")
def secrets(engine: Engine) -> pl.DataFrame:
    """Secrets by name: set, removed or missing, and the sources that name them."""
    with engine.workspace.database.reading() as session:
        query = select(Transition).where(Transition.kind == "secret").order_by(col(Transition.order))
        newest = {row.subject: row for row in session.exec(query)}
        version = last_loaded(session)
        sources = read_version(version, {}).sources if version is not None else {}
    used: dict[str, list[str]] = {}
    for name, source in sources.items():
        if source.secret:
            used.setdefault(source.secret, []).append(name)
    rows = []
    for name in sorted({*newest, *used}):
        row = newest.get(name)
        users = ", ".join(used.get(name, []))
        rows.append(
            (
                name,
                row.state if row else "missing",
                users,
                row.created_at if row else None,
                row.created_by if row else "",
            )
        )
    return pl.DataFrame(rows, schema=LIST, orient="row")
