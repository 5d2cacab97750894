"""Records of the data room: cheap to import, no engine behind them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from core.kernel.digests import digest_json
from core.kernel.records import Record


class ColumnType(Record):
    """A column and its type in the contract's words: int, float, text, bool, time or date."""

    name: str
    type: str


class IngestResult(Record):
    """One Parquet snapshot as it was written; ``size`` is its bytes.

    ``source_digest`` names the input: the source file's content, or the query and its inputs.
    """

    table: str
    rows: int
    columns: list[ColumnType]
    source_digest: str
    schema_digest: str
    size: int


class Retyped(Record):
    """A column whose type is another than before."""

    name: str
    before: str
    after: str


class Renamed(Record):
    """A column that went and one that came and looks like it. ``alike`` is from 0 to 1."""

    before: str
    after: str
    alike: float


class SchemaDrift(Record):
    """What the columns of a source are now, against its snapshot before. A renamed column is in ``renamed`` alone."""

    new: list[str] = Field(default_factory=list)
    missing: list[str] = Field(default_factory=list)
    retyped: list[Retyped] = Field(default_factory=list)
    renamed: list[Renamed] = Field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing drifted."""
        return not (self.new or self.missing or self.retyped or self.renamed)

    def lines(self) -> list[str]:
        """The drift in words, one line a column."""
        out = [f"renamed: {item.before} to {item.after}, {item.alike:.0%} alike" for item in self.renamed]
        out += [f"missing: {name}" for name in self.missing]
        out += [f"retyped: {item.name} from {item.before} to {item.after}" for item in self.retyped]
        return out + [f"new: {name}" for name in self.new]


class Former(Record):
    """The newest snapshot of a source, as far as the next one needs it."""

    snapshot: str
    rows: int
    columns: dict[str, str]
    source_digest: str
    definition: str = ""
    watermark: dict[str, Any] = Field(default_factory=dict)


class Ingested(IngestResult):
    """A source's snapshot, and how it came about.

    ``watermark`` is how far the source was taken: with it the next ingestion goes on where this one
    ended. ``unchanged`` says that nothing came, so that the snapshot before it still holds.
    """

    unchanged: bool = False
    rows_new: int
    rows_updated: int = 0
    watermark: dict[str, Any] = Field(default_factory=dict)
    definition: str = ""
    drift: SchemaDrift = Field(default_factory=SchemaDrift)
    notes: list[str] = Field(default_factory=list)


class ChangedColumn(Record):
    """How many cells of a column differ between two snapshots, among rows in both."""

    name: str
    cells: int


class SnapshotDiff(Record):
    """What changed from one snapshot to the next. ``retyped`` gives name to (before, after)."""

    key: list[str]
    columns_added: list[str] = Field(default_factory=list)
    columns_removed: list[str] = Field(default_factory=list)
    retyped: dict[str, tuple[str, str]] = Field(default_factory=dict)
    rows_before: int
    rows_after: int
    rows_added: int
    rows_removed: int
    rows_changed: int
    cells: list[ChangedColumn] = Field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Nothing differs."""
        schema = self.columns_added or self.columns_removed or self.retyped
        return not schema and not (self.rows_added or self.rows_removed or self.rows_changed)


class CellChange(Record):
    """One cell of a row that differs, as text; null where there is no value or no row."""

    column: str
    before: str | None
    after: str | None


class RowChange(Record):
    """One row that differs between two snapshots."""

    change: Literal["changed", "added", "removed"]
    key: dict[str, str | None]
    cells: list[CellChange]


def schema_digest(columns: list[ColumnType]) -> str:
    """Digest of names and types in order."""
    return digest_json([[column.name, column.type] for column in columns])
