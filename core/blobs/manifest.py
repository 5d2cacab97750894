"""What a table of several parts consists of. Its canonical JSON is a blob like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from core.kernel.digests import canonical_json, strict_json
from core.kernel.records import Record

_START = b'{"format":"plimsoll-table-1"'


class TablePart(Record):
    """One Parquet file of a table: the name of its blob, its rows, its size in bytes."""

    digest: str
    rows: int
    size: int


class TableManifest(Record):
    """A table as its parts, in the order of its rows."""

    format: Literal["plimsoll-table-1"] = "plimsoll-table-1"
    parts: list[TablePart]
    rows: int
    schema_digest: str

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def canonical(self) -> bytes:
        """The bytes whose digest names the table."""
        return canonical_json(self.plain())


def manifest_at(file: Path) -> TableManifest | None:
    """The manifest that ``file`` holds, or none when it holds something else, such as Parquet."""
    with file.open("rb") as opened:
        if opened.read(len(_START)) != _START:
            return None
    return TableManifest.read(strict_json(file.read_bytes()), where=file.name)
