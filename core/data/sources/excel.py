"""One sheet of an Excel workbook as a raw table. Excel has no whole numbers and no dates: both are found again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import fastexcel
import polars as pl

from core.data.csv_shape import require_names
from core.data.sources.raw import ALL, Raw
from core.kernel.errors import InputError
from core.project.schema import Source

_UNPACKED = 2 << 30
_RATIO = 400  # sheets of one repeated value pack about 100-fold


def read_excel(path: Path, source: Source) -> Raw:
    """The sheet that the source names, below its header row. A cell with an error has no value.

    Raises:
        InputError: when the workbook, the sheet or the header is not usable.
    """
    _refuse_bomb(path)
    book = fastexcel.read_excel(path)
    sheet = _sheet(book, source, path.name)
    names = _header(book, sheet, source, path.name)
    body = book.load_sheet(
        sheet, header_row=None, skip_rows=source.header, column_names=names, schema_sample_rows=None
    ).to_polars()
    if body.height == 0:
        raise InputError("The sheet has a header and no rows", where=f"{path.name} sheet {sheet}")
    if body.width > len(names):
        raise InputError(
            f"The sheet has {body.width - len(names)} columns without a name",
            where=f"{path.name} sheet {sheet} row {source.header}",
            remedy="Name every column, or empty the cells beyond the table.",
        )
    frame = body.select(_found_again(body[name], source) for name in body.columns)
    first = source.header + 1
    return Raw(
        frame.lazy(), f"{path.name} sheet {sheet}", ALL, body.height, lambda rows: {row: row + first for row in rows}
    )


def _sheet(book: fastexcel.ExcelReader, source: Source, name: str) -> str:
    names = book.sheet_names
    wanted = source.sheet
    if isinstance(wanted, int) and 1 <= wanted <= len(names):
        return str(names[wanted - 1])
    if wanted in names:
        return str(wanted)
    raise InputError(
        f"The workbook has no sheet {wanted!r}", where=name, remedy="There are " + ", ".join(map(repr, names))
    )


def _header(book: fastexcel.ExcelReader, sheet: str, source: Source, name: str) -> list[str]:
    place = f"{name} sheet {sheet} row {source.header}"
    row = book.load_sheet(sheet, header_row=None, skip_rows=source.header - 1, n_rows=1, dtypes="string").to_polars()
    if not row.height:
        raise InputError("The sheet is empty", where=place, remedy="Name another sheet or another header row.")
    names = ["" if cell is None else str(cell) for cell in row.row(0)]
    while names and not names[-1].strip():
        names.pop()
    require_names(names, place, name)
    return names


def _found_again(column: pl.Series, source: Source) -> pl.Series:
    if column.dtype == pl.String:
        return column.set(column.is_in(source.nulls), None)
    if column.dtype == pl.Float64 and column.name not in source.types:
        known = column.drop_nulls()
        if known.len() and known.is_finite().all() and ((known == known.round()) & (known.abs() < 2**53)).all():
            return column.cast(pl.Int64)
    if isinstance(column.dtype, pl.Datetime) and column.name not in source.types:
        known = column.drop_nulls()
        if known.len() and (known.dt.truncate("1d") == known).all():
            return column.cast(pl.Date)
    return column if column.dtype != pl.Null else column.cast(pl.String)


def _refuse_bomb(path: Path) -> None:
    """An .xlsx file is a zip; one that unpacks to far more than it should is not opened."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(item.file_size for item in archive.infolist())
    if size > _UNPACKED or size > max(64 << 20, _RATIO * path.stat().st_size):
        raise InputError(
            "The workbook unpacks to far more than its size",
            where=path.name,
            detail=f"{path.stat().st_size:,} bytes hold {size:,}: this looks like a zip bomb",
            remedy="If it is genuine, save the sheet as CSV and name that.",
        )
