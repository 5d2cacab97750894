"""SQL expression texts, parsed once, with errors that name who wrote them."""

from __future__ import annotations

import re

import polars as pl

from core.kernel.errors import InputError

_CLOCK = re.compile(r"\b(now|current_timestamp|current_date|current_time)\b", re.IGNORECASE)
_TEXT_LITERAL = re.compile(r"'(?:[^']|'')*'")


def parse_expression(text: str, *, who: str) -> pl.Expr:
    """The Polars expression of one SQL text.

    Raises:
        InputError: when the text does not parse, or asks for the clock (it would be read once, at
            parse time, and so differ between training and serving).
    """
    if _CLOCK.search(_TEXT_LITERAL.sub("", text)):
        raise InputError(
            f"{who} reads the clock",
            detail=text,
            remedy="Use a time column of the row: the clock of training is not the clock of serving.",
        )
    try:
        expr = pl.sql_expr(text)
        expr.meta.root_names()
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{who} is not a valid SQL expression",
            detail=f"{text!r}: {first_line(error)}",
            remedy="Write one SQL expression over the columns, for example: distance > 0",
        ) from error
    return expr


def roots(expr: pl.Expr) -> list[str]:
    """The columns an expression reads, each once, in order of appearance."""
    return list(dict.fromkeys(expr.meta.root_names()))


def first_line(error: BaseException) -> str:
    """The first line of an engine's message: the rest is advice for programmers."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
