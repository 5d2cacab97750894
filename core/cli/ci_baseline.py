"""What the project's models could do when somebody last looked, and how much worse is called a regression.

The file lies in the project and is committed with it: a change of what is allowed is a change that people review.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from core.cli.ci_cases import Cases
from core.cli.walk import write_whole
from core.kernel.digests import strict_json
from core.kernel.records import Record
from core.measures.direction import lower_is_better

FILE = "plimsoll.baseline.json"
TIMES = ("inference.p99_us", "seconds")
SLACK = 3.0  # another machine, another load: a time is a regression only when it is this many times what it was


class Bound(Record):
    """A figure as it was, and by how much it may be worse."""

    value: float
    allowed: float


class Baseline(Record):
    """Figures and slices of each candidate, and the fields of a request."""

    figures: dict[str, dict[str, Bound]] = Field(default_factory=dict)
    slices: dict[str, dict[str, Bound]] = Field(default_factory=dict)
    fields: dict[str, str] = Field(default_factory=dict, description="Field of a request to its type")


def read_baseline(project: Path) -> Baseline | None:
    """The project's baseline, or none.

    Raises:
        InputError: when the file is not one.
    """
    file = project / FILE
    return Baseline.read(strict_json(file.read_bytes()), where=FILE) if file.is_file() else None


def write_baseline(project: Path, baseline: Baseline) -> None:
    """Write it, sorted and indented, so that a change of it reads well."""
    text = json.dumps(baseline.plain(), indent=1, sort_keys=True, ensure_ascii=False)
    write_whole(project / FILE, (text + "\n").encode())


def figures_of(run: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Bound]:
    """Figures with half the width of their interval as what is allowed, and times with a factor."""
    found = {
        f"test.{name}": Bound(value=item["value"], allowed=round((item["high"] - item["low"]) / 2, 6))
        for name, item in evaluation["metrics"].items()
        if item.get("low") is not None
    }
    times = {**run["metrics"], "seconds": run["seconds"]}
    return found | {
        name: Bound(value=times[name], allowed=round(times[name] * (SLACK - 1), 3)) for name in TIMES if name in times
    }


def slices_of(evaluation: dict[str, Any]) -> dict[str, Bound]:
    """The error rate of each slice that is large enough, with two standard errors as what is allowed."""
    found = {}
    for item in evaluation.get("slices", []):
        rate = item.get("error_rate")
        if item["adequate"] and rate is not None:
            name = " · ".join(f"{f}={v}" for f, v in zip(item["features"], item["values"], strict=True))
            found[name] = Bound(value=rate, allowed=round(2 * (rate * (1 - rate) / item["rows"]) ** 0.5, 6))
    return found


def compare(cases: Cases, group: str, candidate: str, now: dict[str, Bound], then: dict[str, Bound] | None) -> None:
    """A case for each figure that the baseline has; one that is gone fails, a new one is skipped."""
    if then is None:
        cases.skip(group, candidate, "the baseline does not know it; add it with --update-baseline")
        return
    for name, bound in then.items():
        found = now.get(name)
        if found is None:
            cases.note(group, f"{candidate} {name}", False, f"{name} was {bound.value:.5g} and is no longer there")
            continue
        lower = lower_is_better(name) or name in TIMES or group == "slices"
        worse = found.value - bound.value if lower else bound.value - found.value
        words = f"{name} is {found.value:.5g}, was {bound.value:.5g}; {bound.allowed:.2g} worse is allowed"
        cases.note(group, f"{candidate} {name}", worse <= bound.allowed, words)


def compare_fields(cases: Cases, now: dict[str, str], then: dict[str, str]) -> None:
    """Whoever sent requests before can go on: no field vanishes, changes its type, or is new and needed."""
    problems = [f"{name} was {kind} and is no longer there" for name, kind in then.items() if name not in now]
    problems += [
        f"{name} was {then[name]} and is {kind}" for name, kind in now.items() if name in then and then[name] != kind
    ]
    problems += [
        f"{name} ({kind}) is new and must be sent"
        for name, kind in now.items()
        if name not in then and not kind.endswith("or null")
    ]
    cases.note("contract", "requests of before still fit", not problems, "\n".join(problems))
