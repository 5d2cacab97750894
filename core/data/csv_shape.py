"""The shape of a CSV file: one header, every row as wide as it, before any value is looked at."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import duckdb

from core.data.writing import interruptible
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress

_SHOWN = 20
_WORDS = {
    "MISSING COLUMNS": "the row has too few values",
    "TOO MANY COLUMNS": "the row has too many values",
    "UNQUOTED VALUE": "a quote is not closed, or stands inside a value",
    "LINE SIZE OVER MAXIMUM": "the line is longer than 2 MB",
    "INVALID ENCODING": "the line is not UTF-8",
}


def read_header(file: Path, name: str) -> list[str]:
    """Column names of the first line.

    Raises:
        InputError: for empty or repeated names, all at once.
    """
    with file.open(encoding="utf-8-sig", newline="") as text:
        names = next(csv.reader(text), [])
    if not names:
        raise InputError("The file has no header", where=f"{name}:1", remedy="The first line must name the columns.")
    require_names(names, f"{name}:1", name)
    return names


def require_names(names: list[str], where: str, name: str) -> None:
    """Every column has a name of its own.

    Raises:
        InputError: for empty or repeated names, all at once.
    """
    problems = []
    for place, column in enumerate(names, start=1):
        if not column.strip():
            problems.append(Problem(what=f"column {place} has no name", where=where))
        elif names.index(column) != place - 1:
            first = names.index(column) + 1
            problems.append(Problem(what=f"columns {first} and {place} are both called {column!r}", where=where))
    if problems:
        raise InputError(
            "The header is not usable", where=name, problems=problems, remedy="Give each column a name of its own."
        )


def require_even_rows(file: Path, name: str, header: list[str], progress: Progress) -> int:
    """Read every row, in bounded memory, and refuse ragged ones; the number of rows.

    Raises:
        InputError: with line numbers, up to 20 at once; or when there is no row at all.
    """
    with duckdb.connect(":memory:", config={"threads": 2, "memory_limit": "512MB"}) as con:
        con.execute("SET enable_progress_bar = false")
        try:
            rows: int = interruptible(lambda: _count(con, file, header), con.interrupt, progress)
        except duckdb.InvalidInputException:  # it gives up on lines that end now this way, now that
            return _require_even_rows_slowly(file, name, len(header), progress)
        found = _rejected(con)
    if found:
        raise _ragged(file, name, found, len(header))
    if not rows:
        raise InputError("The file has a header and no rows", where=name, remedy="Export the table again.")
    return rows


def _require_even_rows_slowly(file: Path, name: str, width: int, progress: Progress) -> int:
    """The same by the standard library, which takes every mix of line ends, at a tenth of the speed."""
    problems: list[Problem] = []
    rows = 0
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        next(reader)
        for values in reader:
            rows += bool(values)
            if values and len(values) != width and len(problems) < _SHOWN:
                what = f"the row has too {'few' if len(values) < width else 'many'} values ({len(values)})"
                problems.append(Problem(what=what, where=f"{name}:{reader.line_num}", expected=f"{width} values"))
            if rows % 10_000 == 0:
                progress.check()
    if problems:
        raise InputError("Some rows do not fit the header", where=problems[0].where, problems=problems)
    return rows


def _rejected(con: duckdb.DuckDBPyConnection) -> list[Any]:
    """What the reader refused: kind, byte, message, and how many there are in all."""
    try:
        return con.execute(
            "SELECT error_type::VARCHAR, line_byte_position, error_message, count(*) OVER () FROM reject_errors "
            f"ORDER BY line_byte_position LIMIT {_SHOWN}"
        ).fetchall()
    except duckdb.CatalogException:  # the table is made when there is something to put into it
        return []


def _count(con: duckdb.DuckDBPyConnection, file: Path, header: list[str]) -> int:
    answer = con.execute(
        "SELECT count(*) FROM read_csv(?, auto_detect=false, delim=',', quote='\"', escape='\"', header=true, "
        "columns=?, store_rejects=true, rejects_limit=1000, strict_mode=true)",
        [str(file), {f"c{place}": "VARCHAR" for place in range(len(header))}],
    ).fetchall()  # to the end: only then are the refused rows recorded
    return int(answer[0][0])


def _ragged(file: Path, name: str, found: list[Any], width: int) -> InputError:
    problems = []
    for kind, byte, message, _ in found:
        line = line_at(file, byte or 0)
        what = _WORDS.get(kind, kind.lower())
        if "Found:" in message:
            what += f" ({message.rpartition('Found:')[2].split()[0]})"
        problems.append(Problem(what=what, where=f"{name}:{line}", expected=f"{width} values"))
    total = found[0][3]
    more = f"{total:,} or more" if total >= 1000 else f"{total:,}"
    return InputError(
        f"{more} rows do not fit the header",
        where=problems[0].where,
        problems=problems,
        remedy='Quote values that hold a comma or a quote ("a, b"), and give every row the same number of values.',
    )


def line_at(file: Path, byte: int) -> int:
    """The line, from 1, on which a byte lies."""
    line, left = 1, byte
    with file.open("rb") as data:
        while left > 0 and (chunk := data.read(min(left, 1 << 20))):
            line += chunk.count(b"\n")
            left -= len(chunk)
    return line


def lines_of_rows(file: Path, rows: list[int]) -> dict[int, int]:
    """The lines, from 1, on which data rows (from 0, in any order) begin; quoted newlines counted."""
    wanted, out = set(rows), {}
    last = max(wanted, default=-1)
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text)
        next(reader, None)
        row, line = 0, reader.line_num + 1
        for values in reader:
            if values:
                if row in wanted:
                    out[row] = line
                row += 1
            line = reader.line_num + 1
            if row > last:
                break
    return out
