"""A table as it came, before its values are looked at, and the wall between native readers and people."""

from __future__ import annotations

import csv
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb
import polars as pl
import pyarrow as pa

from core.kernel.errors import InputError, PlimsollError, SystemFault

TEXT_ROWS: Callable[[list[int]], Mapping[int, int]] = lambda rows: {row: row + 1 for row in rows}  # noqa: E731
ALL = ("int", "float", "bool", "time", "date")
TIMES = ("time", "date")
_MALFORMED = (
    pl.exceptions.PolarsError,
    pa.ArrowException,
    duckdb.Error,
    csv.Error,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    UnicodeError,
    RecursionError,
    OverflowError,
    EOFError,
)


@dataclass(frozen=True)
class Raw:
    """``frame`` holds texts or values; ``infer`` are the types that its texts may turn out to hold.

    ``rows`` is a count made by another reader, to be compared. ``lines`` gives the line of rows from 0.
    """

    frame: pl.LazyFrame
    where: str
    infer: tuple[str, ...] = ()
    rows: int | None = None
    lines: Callable[[list[int]], Mapping[int, int]] = field(default=TEXT_ROWS)


def is_panic(error: BaseException) -> bool:
    """Whether a native library broke down: its panics are no ``Exception``, so that nobody catches them by chance."""
    return type(error).__name__ == "PanicException"


@contextmanager
def readable(where: str, what: str) -> Iterator[None]:
    """Whatever a native reader says of malformed input becomes an error for people.

    Raises:
        InputError: ``where`` is not ``what`` it should be.
    """
    try:
        yield
    except PlimsollError:
        raise
    except _MALFORMED as error:
        raise _refused(where, what, error) from error
    except BaseException as error:
        if is_panic(error):
            raise _refused(where, what, error) from error
        if type(error).__module__.startswith(("_fastexcel", "fastexcel")):
            raise _refused(where, what, error) from error
        raise


def _refused(where: str, what: str, error: BaseException) -> PlimsollError:
    said = str(error).strip().splitlines() or [type(error).__name__]
    low = said[0].lower()
    if "no space left" in low or "file too large" in low:
        return SystemFault("The disk is full", where=where, remedy="Free some space and run it again.")
    return InputError(
        f"The file cannot be read as {what}",
        where=where,
        detail=said[0][:500],
        remedy="Open it with another program to see whether it is whole, or fetch it again.",
    )
