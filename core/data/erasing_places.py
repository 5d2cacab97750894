"""Where in a table a person may stand: its own columns, fields of nested ones, and keys joined into one text."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

SEPARATOR = "\x1f"
Group = dict[str, pl.Expr]


def places(schema: pl.Schema) -> list[Group]:
    """Columns by name, as text, in the groups in which they belong together.

    The table's own columns are one group; each struct, and the columns of one prefix such as ``field:``, another.
    """
    groups: dict[str, Group] = {"": {}}
    for name, dtype in schema.items():
        _add(groups, "", name, pl.col(name), dtype)
    return [group for group in groups.values() if group]


def _add(groups: dict[str, Group], path: str, name: str, value: pl.Expr, dtype: pl.DataType) -> None:
    if isinstance(dtype, pl.Struct):
        for field in dtype.fields:
            _add(groups, f"{path}{name}.", field.name, value.struct.field(field.name), field.dtype)  # type: ignore[arg-type]
        return
    if dtype.is_nested() or dtype == pl.Binary:
        return
    prefix, colon, plain = name.rpartition(":")
    groups.setdefault(path + prefix if colon else path, {})[plain if colon else name] = value.cast(pl.String)


def joined(columns: Sequence[str], group: Group | None = None) -> pl.Expr:
    """The columns of a key as one text; null where one of them is."""
    return pl.concat_str(
        [group[name] if group else pl.col(name).cast(pl.String) for name in columns], separator=SEPARATOR
    )


def key_texts(rows: pl.DataFrame, columns: Sequence[str]) -> set[str]:
    """The two forms in which other tables hold a whole key as one text.

    Predictions of a run join the values by ``|``, prediction logs hold ``name=value`` in the order of names
    with times as seconds since 1970.
    """
    plain = pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator="|")
    named = pl.concat_str(
        [pl.lit(f"{name}=") + _told(name, rows.schema[name]) for name in sorted(columns)], separator=SEPARATOR
    )
    both = rows.select(plain=plain, named=named)
    return {*both["plain"].drop_nulls(), *both["named"].drop_nulls()}


def _told(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    return (column.dt.epoch("s") if isinstance(dtype, pl.Datetime) else column).cast(pl.String)
