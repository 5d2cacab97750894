"""Access tokens that hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl
from sqlmodel import select

from core.engine.questions.training import user_names
from core.engine.registry import question
from core.engine.tracking.callers import tokens_of
from core.store.tables import User

if TYPE_CHECKING:
    from core.engine.engine import Engine

TOKENS: dict[str, Any] = {
    "token": pl.String,
    "user": pl.String,
    "label": pl.String,
    "created_at": pl.Datetime("us", "UTC"),
}


@question("access_tokens")
def access_tokens(engine: Engine) -> pl.DataFrame:
    """Tokens that hold: the beginning of the digest, whose, what for, since when."""
    with engine.workspace.database.reading() as session:
        names = user_names(session)
        rows = [
            (row.subject.removeprefix("b3:")[:12], names[user.id], row.reason, row.created_at)
            for user in session.exec(select(User))
            for row in tokens_of(session, user.id)
        ]
    return pl.DataFrame(rows, schema=TOKENS, orient="row")
