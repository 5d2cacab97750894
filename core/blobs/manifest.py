"""What a table of several parts, or a set of files, consists of. The canonical JSON of it is a blob like any other."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from core.kernel.digests import canonical_json, strict_json
from core.kernel.records import Record

_FILES = b'{"files":['
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


class FileEntry(Record):
    """One file: its path relative to the root, and its chunks in order with their sizes."""

    path: str
    chunks: list[str]
    sizes: list[int]


class FilesManifest(Record):
    """Files as they are, sorted by path."""

    files: list[FileEntry]
    format: Literal["plimsoll-files-1"] = "plimsoll-files-1"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(sum(entry.sizes) for entry in self.files)

    def canonical(self) -> bytes:
        """The bytes whose digest names the set."""
        return canonical_json(self.plain())


def files_at(file: Path) -> FilesManifest | None:
    """The files that the manifest in ``file`` lists, or none when it holds something else."""
    with file.open("rb") as opened:
        if opened.read(len(_FILES)) != _FILES:
            return None
    value = strict_json(file.read_bytes())
    return FilesManifest.read(value, where=file.name) if value.get("format") == "plimsoll-files-1" else None


def manifest_at(file: Path) -> TableManifest | None:
    """The manifest that ``file`` holds, or none when it holds something else, such as Parquet."""
    with file.open("rb") as opened:
        if opened.read(len(_START)) != _START:
            return None
    return TableManifest.read(strict_json(file.read_bytes()), where=file.name)
