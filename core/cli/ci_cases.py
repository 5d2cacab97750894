"""Cases of a CI run, and the two forms in which a git server reads them: JUnit XML and Markdown."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Literal

from core.kernel.errors import PlimsollError

State = Literal["passed", "failed", "skipped"]
MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}


@dataclass
class Case:
    """One thing that must hold."""

    group: str
    name: str
    state: State
    words: str = ""
    seconds: float = 0.0


@dataclass
class Cases:
    """All cases of one run, in the order in which they were found out."""

    project: str
    all: list[Case] = field(default_factory=list)

    def note(self, group: str, name: str, ok: bool, words: str = "", seconds: float = 0.0) -> None:
        """A case that holds or does not."""
        self.all.append(Case(group, name, "passed" if ok else "failed", words, seconds))

    def skip(self, group: str, name: str, why: str) -> None:
        """A case that could not be asked; it fails nothing."""
        self.all.append(Case(group, name, "skipped", why))

    @contextmanager
    def timed(self, group: str, name: str) -> Iterator[None]:
        """A case that holds unless the block raises an error for people, whose words it then has."""
        began = perf_counter()
        try:
            yield
        except PlimsollError as error:
            self.note(group, name, False, str(error), perf_counter() - began)
        else:
            self.note(group, name, True, seconds=perf_counter() - began)

    def of(self, group: str) -> list[Case]:
        """The cases of one group."""
        return [case for case in self.all if case.group == group]

    @property
    def groups(self) -> list[str]:
        """Names of the groups, in their order."""
        return list(dict.fromkeys(case.group for case in self.all))

    @property
    def failed(self) -> list[Case]:
        """What does not hold."""
        return [case for case in self.all if case.state == "failed"]


def junit(cases: Cases) -> bytes:
    """The cases as JUnit XML: a test suite for each group."""
    root = ET.Element("testsuites", name=f"plimsoll ci {cases.project}")
    for group in cases.groups:
        inside = cases.of(group)
        suite = ET.SubElement(root, "testsuite", name=group, tests=str(len(inside)))
        suite.set("failures", str(sum(case.state == "failed" for case in inside)))
        suite.set("skipped", str(sum(case.state == "skipped" for case in inside)))
        suite.set("time", f"{sum(case.seconds for case in inside):.3f}")
        for case in inside:
            made = ET.SubElement(
                suite, "testcase", classname=group, name=_printable(case.name), time=f"{case.seconds:.3f}"
            )
            if case.state == "failed":
                first, _, rest = _printable(case.words).partition("\n")
                ET.SubElement(made, "failure", message=first).text = rest or first
            elif case.state == "skipped":
                ET.SubElement(made, "skipped", message=_printable(case.words))
    ET.indent(root)
    return ('<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n").encode()


def _printable(text: str) -> str:
    """XML 1.0 has no form for most control characters."""
    return "".join(char for char in text if char.isprintable() or char in "\n\t")


def markdown(cases: Cases) -> str:
    """A summary for a merge request: what failed first, then a line for each group."""
    failed = cases.failed
    verdict = f"{len(failed)} of {len(cases.all)} failed" if failed else f"all {len(cases.all)} hold"
    lines = [f"## {cases.project}: {verdict}", ""]
    for case in failed:
        first, _, rest = case.words.partition("\n")
        lines.append(f"- **{_plain(case.group)} · {_plain(case.name)}**: {_plain(first)}")
        lines += [f"  {_plain(line)}" for line in rest.splitlines()[:5]]
    lines += ["", "| | group | passed | failed | skipped | seconds |", "|---|---|---:|---:|---:|---:|"]
    for group in cases.groups:
        inside = cases.of(group)
        count = {state: sum(case.state == state for case in inside) for state in MARKS}
        mark = MARKS["failed" if count["failed"] else "passed" if count["passed"] else "skipped"]
        cells = f"{count['passed']} | {count['failed']} | {count['skipped']} | {sum(c.seconds for c in inside):.1f}"
        lines.append(f"| {mark} | {_plain(group)} | {cells} |")
    skipped = [case for case in cases.all if case.state == "skipped"]
    if skipped:
        lines += ["", "Not asked: " + "; ".join(f"{_plain(c.name)} ({_plain(c.words)})" for c in skipped) + "."]
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
