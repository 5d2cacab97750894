"""Minimisation: what a column becomes before it is stored or leaves: dropped, masked, hashed or generalised.

The raw value never reaches the snapshot. A hash is keyed (BLAKE3 in keyed mode, 128 bits of its
output): equal values stay equal, so joins within the workspace go on working, and without the key
nobody can try all values.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl
from blake3 import blake3

from core.kernel.clock import parse_utc
from core.kernel.errors import InputError, Problem
from core.project.privacy import Minimise

HASH_CHARACTERS = 32
OTHER = "(other)"
_SIGNS = ((r"[\p{L}&&[^\p{Lu}]]", "x"), (r"\p{Lu}", "X"), (r"\p{N}", "9"))
_EVERY = {"day": "1d", "month": "1mo", "quarter": "1q", "year": "1y"}


@dataclass(frozen=True)
class Guard:
    """Stands between a typed source and its snapshot: what was erased stays out, columns are minimised.

    ``since``: a time column and the instant before which rows were removed by a rule of retention.
    """

    table: str
    rules: Mapping[str, Minimise]
    suppressed: Mapping[str, Sequence[str]]
    secret: bytes | None = None
    since: Sequence[str] | None = None

    @property
    def removes(self) -> bool:
        """Whether rows may stay out."""
        return bool(self.suppressed or self.since)

    def __call__(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """What may be written. Erased subjects are known by the raw value, or by what it is stored as."""
        if self.since:
            column, instant = self.since
            frame = frame.filter(~earlier(column, parse_utc(instant), frame.collect_schema()))
        kept = without(frame, self.suppressed, self.secret)
        return without(minimised(kept, self.rules, self.secret, self.table), self.suppressed, self.secret)


def minimised(
    frame: pl.LazyFrame, rules: Mapping[str, Minimise], secret: bytes | None, table: str = ""
) -> pl.LazyFrame:
    """``frame`` with each rule applied to its column; columns without a rule stay as they are.

    Args:
        secret: the workspace's privacy secret (32 bytes); only needed where a column is hashed.

    Raises:
        InputError: for columns that are not there, or a rule that does not fit the column's type.
    """
    if not rules:
        return frame
    schema = frame.collect_schema()
    problems = [problem for name, rule in rules.items() if (problem := _misfit(name, rule, schema, secret))]
    if problems:
        raise InputError(f"Columns of {table or 'the table'} cannot be minimised as stated", problems=problems)
    dropped = [name for name, rule in rules.items() if rule.how == "drop"]
    changed = [_changed(name, rule, schema[name], secret, table) for name, rule in rules.items() if rule.how != "drop"]
    return frame.with_columns(changed).drop(dropped)


def hashed_value(value: object, key: bytes) -> str:
    """The keyed hash of one value's text: what a hashed column holds for it."""
    return blake3(str(value).encode(), key=key).hexdigest()[:HASH_CHARACTERS]


def hash_key(secret: bytes, rule: Minimise, table: str) -> bytes:
    """The key of a column's hash: the workspace's, or one that is derived for the table alone."""
    scope = "workspace" if rule.salt == "workspace" else f"table:{table}"
    return hmac.digest(secret, f"plimsoll privacy {scope}".encode(), "sha256")


def without(frame: pl.LazyFrame, suppressed: Mapping[str, Sequence[str]], secret: bytes | None) -> pl.LazyFrame:
    """``frame`` without the rows of erased subjects, who are known by keyed digests alone.

    Args:
        suppressed: column to the digests of the values that must not come back.
    """
    if not suppressed:
        return frame
    schema = frame.collect_schema()
    for column, digests in suppressed.items():
        if column in schema and digests:
            if secret is None:
                raise InputError("The privacy secret is not here", remedy="Put the workspace's privacy key back.")
            known = pl.Series("suppressed", list(digests), dtype=pl.String).implode()
            digest = _hashed(pl.col(column).cast(pl.String), subject_key(secret))
            frame = frame.filter(digest.is_in(known).fill_null(False).not_())
    return frame


def subject_key(secret: bytes) -> bytes:
    """The key under which erased subjects are remembered: by no value and by no hash that a snapshot holds."""
    return hmac.digest(secret, b"plimsoll privacy erased subjects", "sha256")


def earlier(column: str, instant: datetime, schema: Mapping[str, pl.DataType]) -> pl.Expr:
    """True for rows whose time lies before ``instant``; a row without a time is kept.

    Raises:
        InputError: when the column is missing or is no time.
    """
    dtype = schema.get(column)
    if dtype is None or dtype.base_type() not in (pl.Date, pl.Datetime):
        raise InputError(
            f"Retention goes by {column}, which is not a time column of the table", remedy="Name a time or date."
        )
    at = pl.col(column).cast(pl.Datetime("us"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        at = pl.col(column).dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(pl.Datetime("us"))
    plain = instant.astimezone(UTC).replace(tzinfo=None)
    return (at < pl.lit(plain, dtype=pl.Datetime("us"))).fill_null(False)


def _misfit(name: str, rule: Minimise, schema: pl.Schema, secret: bytes | None) -> Problem | None:
    if name not in schema:
        return Problem(f"there is no column {name}", expected=", ".join(schema.names()))
    if rule.how == "hash" and secret is None:
        return Problem(f"{name} is to be hashed, and the privacy secret is not here")
    dtype = schema[name]
    if rule.how == "generalise":
        if rule.band is not None and not dtype.is_numeric():
            return Problem(f"{name} is {dtype}: bands are for numbers")
        if rule.to is not None and dtype.base_type() not in (pl.Date, pl.Datetime):
            return Problem(f"{name} is {dtype}: only a date or time can be cut to a {rule.to}")
    return None


def _changed(name: str, rule: Minimise, dtype: pl.DataType, secret: bytes | None, table: str) -> pl.Expr:
    column = pl.col(name)
    if rule.how == "mask":
        return _masked(column.cast(pl.String), rule.keep).alias(name)
    if rule.how == "hash":
        assert secret is not None
        return _hashed(column.cast(pl.String), hash_key(secret, rule, table)).alias(name)
    return _generalised(column, rule, dtype).alias(name)


def _masked(text: pl.Expr, keep: int) -> pl.Expr:
    """Letters become x or X and digits 9; signs stay, and so do the last ``keep`` characters of longer values."""
    hidden, tail = text, pl.lit("")
    if keep:
        long = text.str.len_chars() > 2 * keep  # more than half stays hidden
        tail = pl.when(long).then(text.str.tail(keep)).otherwise(pl.lit(""))
        hidden = pl.when(long).then(text.str.head(-keep)).otherwise(text)
    for pattern, sign in _SIGNS:
        hidden = hidden.str.replace_all(pattern, sign)
    return hidden + tail


def _hashed(text: pl.Expr, key: bytes) -> pl.Expr:
    def whole(values: pl.Series) -> pl.Series:
        known = values.unique().drop_nulls()
        digests = pl.Series([hashed_value(value, key) for value in known], dtype=pl.String)
        return values.replace_strict(known, digests, default=None, return_dtype=pl.String)

    return text.map_batches(whole, return_dtype=pl.String, is_elementwise=True)


def _generalised(column: pl.Expr, rule: Minimise, dtype: pl.DataType) -> pl.Expr:
    if rule.band is not None:
        return ((column / rule.band).floor() * rule.band).cast(dtype)
    if rule.to is not None:
        return column.dt.truncate(_EVERY[rule.to])
    if rule.prefix is not None:
        return column.cast(pl.String).str.head(rule.prefix)
    old, new = list(rule.parents), list(rule.parents.values())
    parent = column.cast(pl.String).replace_strict(old, new, default=OTHER, return_dtype=pl.String)
    return pl.when(column.is_not_null()).then(parent)
