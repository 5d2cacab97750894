"""The evaluation as one self-contained page: no script, no link outward, every text escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.resources import files
from typing import Any

from core.contract.release import GateOutcome
from core.evaluation import charts
from core.evaluation.binary_document import binary_document
from core.evaluation.document import Document
from core.evaluation.records import EvaluationReport
from core.evaluation.task_document import task_document
from core.evaluation.task_report_records import TaskReport

TEMPLATE = "evaluation.html.j2"


AnyReport = EvaluationReport | TaskReport


def report_html(report: AnyReport, title: str, gates: Sequence[GateOutcome] = ()) -> str:
    """The page as text. Light or dark follows the reader's system."""
    return document_html(document_of(report, title, gates))


def read_report(body: dict[str, Any]) -> AnyReport:
    """A stored report of any kind of label.

    Raises:
        InputError: when it is none.
    """
    return TaskReport.read(body) if "task" in body else EvaluationReport.read(body)


def document_of(report: AnyReport, title: str, gates: Sequence[GateOutcome] = ()) -> Document:
    """The document of a report of any kind of label."""
    if isinstance(report, TaskReport):
        return task_document(report, title, gates)
    return binary_document(report, title, gates)


def document_plain(document: Document) -> dict[str, Any]:
    """A document as plain values, for those who draw it elsewhere."""
    return asdict(document)


def document_html(document: Document) -> str:
    """A document as a page."""
    return str(_template().render(document=document, width=charts.WIDTH, height=charts.HEIGHT))


@cache
def _template() -> Any:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string((files("resources") / "templates" / TEMPLATE).read_text(encoding="utf-8"))
