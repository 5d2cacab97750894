"""A data sheet: what a table holds, where it comes from and what it may be used for, in Markdown.

Facts come from records only, nothing is guessed. What people wrote stands in quotes under its section,
and comes from the project file or a Markdown file beside it, so that a sheet can always be made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.contract.schema import CheckResult, ValidationReport
from core.data.records import IngestResult
from core.data.sheet_facts import SheetFacts
from core.measures.records import ColumnProfile, TableProfile


def data_sheet(
    result: IngestResult,
    profile: TableProfile,
    validation: ValidationReport | None = None,
    *,
    description: str = "",
    path: str = "",
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    facts: SheetFacts | None = None,
) -> str:
    """The sheet of one table. Values of ``personal`` columns are left out."""
    known = facts or SheetFacts()
    lines = [f"# Data sheet: {_cell(result.table)}", ""]
    lines += [_cell(description), ""] if description else []
    lines += _identity(result, path, key, personal)
    lines += _section("Motivation", known, ())
    lines += _section("Composition", known, _composition(known))
    lines += ["", "## Columns", "", *_columns(profile, frozenset(personal))]
    lines += _section("Collection", known, _collection(known))
    lines += _section("Preprocessing", known, _preprocessing(known))
    lines += ["", "## Validation", "", *_validation(validation), *_history(known)]
    lines += _section("Lineage", known, _lineage(known))
    lines += _section("Uses", known, ())
    lines += _section("Distribution", known, _distribution(known))
    lines += _section("Maintenance", known, _maintenance(known))
    return "\n".join(lines) + "\n"


def _section(title: str, known: SheetFacts, facts: Iterator[str] | tuple[()]) -> list[str]:
    """A heading, its facts and, quoted, what people wrote; nothing where there is neither."""
    said = [text for text in (known.about.prose().get(title.lower()), known.prose.get(title.lower())) if text]
    listed = [f"- {line}" for line in facts]
    quoted = [line for text in said for line in ("", *(f"> {_cell(part)}" for part in text.splitlines()))]
    return ["", f"## {title}", *([""] if listed else []), *listed, *quoted] if listed or quoted else []


def _composition(known: SheetFacts) -> Iterator[str]:
    for tag in known.tags:
        how = f"; {tag.minimised}" if tag.minimised else ""
        kind = f"{tag.kind.replace('_', ' ')}, " if tag.kind else ""
        yield f"Personal data in {_cell(tag.column)}: {kind}{tag.state}{how} ({_cell(tag.reason)})"
    if known.anonymity:
        yield _cell(known.anonymity)


def _collection(known: SheetFacts) -> Iterator[str]:
    if known.kind:
        yield f"Read as {known.kind}" if not known.sql else "Derived by a query"
    if known.history:
        first, last = known.history[0], known.history[-1]
        yield f"{len(known.history)} snapshots, from {first.at} ({first.rows:,} rows) to {last.at} ({last.rows:,} rows)"


def _preprocessing(known: SheetFacts) -> Iterator[str]:
    if known.sql:
        yield "Query: " + _cell(known.sql)
    if known.nulls:
        yield "Texts that mean no value: " + ", ".join(_cell(text) or "(empty)" for text in known.nulls)
    if known.types:
        yield "Stated types: " + ", ".join(f"{_cell(name)} {kind}" for name, kind in known.types.items())
    for name, how in known.minimised.items():
        yield f"{_cell(name)}: {how}"


def _history(known: SheetFacts) -> list[str]:
    out = []
    seen = [item for item in known.history if item.checks is not None]
    if seen:
        out += ["", "| Snapshot | Made | Rows | Checks | Failed | Warned |", "|" + " --- |" * 6]
        out += [
            f"| {item.snapshot} | {item.at} | {item.rows:,} | {item.checks} | {item.failed} | {item.warned} |"
            for item in seen[-20:]
        ]
    if known.schema_changes:
        out += ["", "Changes of the schema:", "", *(f"- {_cell(line)}" for line in known.schema_changes)]
    return out


def _lineage(known: SheetFacts) -> Iterator[str]:
    yield from (f"Made from {_cell(name)}" for name in known.made_from)
    yield from (f"Used by {_cell(name)}" for name in known.used_by)


def _distribution(known: SheetFacts) -> Iterator[str]:
    about = known.about
    for word, text in (("Licence", about.licence), ("Cite as", about.citation), ("See", about.url)):
        if text:
            yield f"{word}: {_cell(text)}"
    yield from (f"Left on {_cell(line)}" for line in known.left)


def _maintenance(known: SheetFacts) -> Iterator[str]:
    if known.about.creator:
        yield f"Made by {_cell(known.about.creator)}"
    if known.retention:
        yield _cell(known.retention)
    yield from (f"Erased: {_cell(line)}" for line in known.erasures)


def _identity(result: IngestResult, path: str, key: Sequence[str], personal: Sequence[str]) -> list[str]:
    facts = {
        "Source": path,
        "Rows": f"{result.rows:,}",
        "Columns": str(len(result.columns)),
        "Snapshot size": f"{result.size:,} bytes",
        "Key": ", ".join(key) or "not stated",
        "Personal data": ", ".join(personal) or "none stated",
        "Source digest": result.source_digest,
        "Schema digest": result.schema_digest,
    }
    return ["| Fact | Value |", "| --- | --- |", *(f"| {n} | {_cell(v)} |" for n, v in facts.items() if v)]


def _columns(profile: TableProfile, personal: frozenset[str]) -> list[str]:
    head = "| Column | Type | Nulls | Distinct | Least | Greatest | Mean | Most frequent |"
    return [head, "|" + " --- |" * 8, *(_column(column, personal) for column in profile.columns)]


def _column(column: ColumnProfile, personal: frozenset[str]) -> str:
    hidden = column.name in personal
    top = ", ".join(f"{item.value} ({item.count:,})" for item in column.top[:3])
    cells = [
        column.name,
        column.type,
        f"{column.nulls:,} ({100 * column.null_share:.3g} %)",
        "" if column.distinct is None else f"{column.distinct:,}",
        "(personal)" if hidden else _number(column.min),
        "(personal)" if hidden else _number(column.max),
        "(personal)" if hidden else _number(column.mean if column.kind == "number" else None),
        "(personal)" if hidden else top,
    ]
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _validation(report: ValidationReport | None) -> list[str]:
    if report is None:
        return ["No checks were run."]
    failed = [result for result in report.results if not result.passed]
    verdict = "passed" if report.passed else "failed"
    words = f"{len(report.results)} checks on {report.rows:,} rows: {verdict}; {len(failed)} found something."
    return [words, *(["", *_findings(failed)] if failed else [])]


def _findings(failed: list[CheckResult]) -> list[str]:
    head = ["| Check | Severity | Expected | Observed |", "| --- | --- | --- | --- |"]
    rows = [(result.name, result.severity, result.expected, result.observed) for result in failed]
    return head + ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in rows]


def _number(value: float | str | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.6g}"


def _cell(text: str) -> str:
    """Text that cannot break out of its table cell or become markup."""
    flat = " ".join(text.split()).replace("\\", "\\\\")
    for mark in "|`*_<>[]":
        flat = flat.replace(mark, "\\" + mark)
    return flat
