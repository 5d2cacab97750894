"""Records of an erasure: what is asked, what was found, and what becomes of which file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from core.kernel.records import Record


class EraseTable(Record):
    """One stored table. ``who`` columns may name a person; ``keyed`` are the sources whose row keys it may hold."""

    snapshot: str
    name: str
    source: bool
    parts: list[str]
    subject: str | None = None
    key: list[str] = Field(default_factory=list)
    who: list[str] = Field(default_factory=list)
    keyed: list[str] = Field(default_factory=list)


class EraseRequest(Record):
    """What to look for: ``named`` values of one column of one table, or rows of it before an instant.

    It names a person, so it lies in a private file for as long as the search runs, and in no job or ledger.
    """

    workspace: str
    table: str
    column: str
    named: list[str] = Field(default_factory=list)
    before: str = ""
    keys: dict[str, list[str]] = Field(description="Key columns of each source")
    event_key: list[str] = Field(default_factory=list, description="Key columns of the events, in the contract's order")
    hashed: list[str] = Field(
        default_factory=list, description="Tables with a hash of their own; '' is the workspace's"
    )
    views: dict[str, list[str]] = Field(default_factory=dict, description="Entity columns of each feature view")
    tables: list[EraseTable]
    blobs: list[str]
    folder: str = Field(description="Where the blobs lie")
    prepare: bool = True


class Replaced(Record):
    """A file and what takes its place; nothing where it could only be removed."""

    old: str
    new: str | None
    what: Literal["rows", "text", "file"]
    rows: int = 0


class SearchedTable(Record):
    """How many rows of one snapshot go."""

    snapshot: str
    name: str
    rows: int


class ErasePlan(Record):
    """The whole outcome of a search. Holds counts and digests, never a value that was looked for."""

    tables: list[SearchedTable]
    replaced: list[Replaced]
    parts: int
    blobs: int
    identifiers: int
    subject: list[str] = Field(default_factory=list, description="Keyed digests of what was asked for")
    marks: dict[str, list[str]] = Field(default_factory=dict, description="table.column to keyed digests that stay out")

    @property
    def rows(self) -> int:
        """Rows that go, over all snapshots."""
        return sum(table.rows for table in self.tables)
