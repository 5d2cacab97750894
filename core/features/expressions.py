"""SQL expressions of a project as Polars expressions, with errors that name their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from core.contract.expressions import first_line, parse_expression
from core.kernel.durations import span
from core.kernel.errors import InputError

UTC_TIME = pl.Datetime("us", "UTC")


def expression(sql: str, where: str) -> pl.Expr:
    """The Polars form of one SQL expression; ``where`` names its place in the project file.

    Raises:
        InputError: when the text is not an expression of Polars' SQL dialect.
    """
    return parse_expression(sql, who=where)


def columns_read(sql: str, where: str) -> list[str]:
    """The columns that an expression reads, sorted."""
    return sorted(set(expression(sql, where).meta.root_names()))


def as_utc(column: str) -> pl.Expr:
    """A time column in UTC with microseconds; a time without a zone is taken as UTC."""
    return pl.col(column).cast(UTC_TIME)


def round_up(time: pl.Expr, every: str) -> pl.Expr:
    """The first multiple of ``every`` since 1970 that is not before ``time``."""
    floor = time.dt.truncate(every)
    return pl.when(floor == time).then(floor).otherwise(floor + span(every))


@contextmanager
def computed(where: str) -> Iterator[None]:
    """Say the engine's complaint about an expression as the user's error, with its place in the project.

    Raises:
        InputError: for anything that Polars cannot evaluate.
    """
    try:
        yield
    except pl.exceptions.PolarsError as error:
        raise InputError(
            "An expression cannot be evaluated on the table",
            detail=first_line(error),
            where=where,
            remedy="Check the types of the columns that it reads",
        ) from error
