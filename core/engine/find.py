"""Finding what a person named: whole ids, unique prefixes, ``latest``."""

from __future__ import annotations

from typing import TypeVar

from sqlmodel import Session, col, select

from core.kernel.errors import InputError, NotFound
from core.store.tables import Fact

F = TypeVar("F", bound=Fact)


def find(session: Session, table: type[F], name: str) -> F:
    """The row whose id is ``name``, starts with it (with or without its prefix), or the ``latest`` one.

    Raises:
        NotFound: when there is none.
        InputError: when several fit.
    """
    what = str(table.__tablename__).replace("_", " ")
    if name == "latest":
        newest = session.exec(select(table).order_by(col(table.created_at).desc())).first()
        if newest is None:
            raise NotFound(f"There is no {what} yet")
        return newest
    exact = session.get(table, name)
    if exact is not None:
        return exact
    rows = session.exec(select(table).where(col(table.id).startswith(name) | col(table.id).contains("-" + name))).all()
    if len(rows) > 1:
        raise InputError(
            f"{name!r} fits {len(rows)} {what}s",
            detail=", ".join(row.id for row in rows[:8]),
            remedy="Type more of it.",
        )
    if not rows:
        raise NotFound(f"There is no {what} {name!r}")
    return rows[0]
