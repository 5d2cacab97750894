"""A data sheet: what a snapshot holds, in Markdown. Facts from records only, nothing guessed."""

from __future__ import annotations

from collections.abc import Sequence

from core.contract.schema import CheckResult, ValidationReport
from core.data.records import IngestResult
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
) -> str:
    """The sheet of one table. Values of ``personal`` columns are left out."""
    lines = [f"# Data sheet: {_cell(result.table)}", ""]
    lines += [_cell(description), ""] if description else []
    lines += _identity(result, path, key, personal)
    lines += ["", "## Columns", "", *_columns(profile, frozenset(personal))]
    lines += ["", "## Validation", "", *_validation(validation)]
    return "\n".join(lines) + "\n"


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
