"""SQL expressions of a project as Polars expressions, with errors that name their place."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from core.contract.expressions import parse_expression

UTC_TIME = pl.Datetime("us", "UTC")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def expression(sql: str, where: str) -> pl.Expr:
    """The Polars form of one SQL expression; ``where`` names its place in the project file.

    Raises:
        InputError: when the text is not an expression of Polars' SQL dialect.
    """
    return parse_expression(sql, who=where)


def columns_read(sql: str, where: str) -> list[str]:
    """The columns that an expression reads, sorted."""
    return sorted(set(expression(sql, where).meta.root_names()))


def span(duration: str) -> timedelta:
    """``'90m'`` as a time span."""
    return timedelta(seconds=int(duration[:-1]) * SECONDS[duration[-1]])


def as_utc(column: str) -> pl.Expr:
    """A time column in UTC with microseconds; a time without a zone is taken as UTC."""
    return pl.col(column).cast(UTC_TIME)


def round_up(time: pl.Expr, every: str) -> pl.Expr:
    """The first multiple of ``every`` since 1970 that is not before ``time``."""
    floor = time.dt.truncate(every)
    return pl.when(floor == time).then(floor).otherwise(floor + span(every))
