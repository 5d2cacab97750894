"""Checks of the sections that decide: numbers in range, the policy, targets, objectives, triggers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from apscheduler.triggers.cron import CronTrigger

from core.kernel.errors import Problem
from core.project.document import Document
from core.project.explain import nearest

# What evaluation, validation, the leak report and the export to ONNX record, by the first part of the
# name, each with an example. A gate never passes on a fact that is not there, so it is said early.
FACT_FAMILIES = {
    "metrics": "metrics.roc_auc.low",
    "confusion": "confusion.fp",
    "calibration": "calibration.ece",
    "slices": "slices.worst_auc",
    "fairness": "fairness.selection_rate_ratio",
    "stability": "stability.worst_auc",
    "seeds": "seeds.range",
    "recalibration": "recalibration.best_ece",
    "explanation": "explanation.top_share",
    "residuals": "residuals.skew",
    "champion": "champion.verdict",
    "validation": "validation.passed",
    "leakage": "leakage.passed",
    "onnx": "onnx.parity_max",
    "inference": "inference.p50_us",
}
WHOLE_FACTS = ("rows", "positives", "base_rate", "unlabelled_share", "threshold")
TARGET_SCHEMES = ("ssh", "https", "http", "file")
Problems = Iterator[Problem]


def rule_problems(doc: Document) -> list[Problem]:
    """Everything that is wrong with the sections that decide."""
    checks = (numbers_in_range, gates, targets, slos, triggers)
    return [problem for check in checks for problem in check(doc)]


def numbers_in_range(doc: Document) -> Problems:
    """Thresholds, costs, counts and shares make sense."""
    limits: list[tuple[str, str, float, float, str]] = [
        ("evaluation", "threshold", 0.0, 1.0, "from 0 to 1"),
        ("evaluation", "cost_false_positive", 0.0, float("inf"), "0 or more"),
        ("evaluation", "cost_false_negative", 0.0, float("inf"), "0 or more"),
        ("evaluation", "min_slice_rows", 1, float("inf"), "1 or more"),
        ("evaluation", "bootstrap", 0, 100_000, "0 to 100,000"),
        ("drift", "false_alarm", 1e-6, 0.5, "more than 0, at most 0.5"),
        ("drift", "min_effect", 0.0, float("inf"), "0 or more"),
    ]
    for section, key, low, high, words in limits:
        value = doc.number(section, key)
        if value is not None and not low <= value <= high:
            yield doc.problem((section, key), f"{section}.{key} is {value:g}", words)


def gates(doc: Document) -> Problems:
    """Rules have their own ids, facts of a known family, and values that their operator can compare."""
    seen: dict[str, int] = {}
    for index in range(len(doc.items("policy", "gates"))):
        path = ("policy", "gates", index)
        name, fact = doc.text(*path, "id"), doc.text(*path, "fact")
        if name and name in seen:
            yield doc.problem((*path, "id"), f"The gate {name!r} is there twice", remedy=f"First on line {seen[name]}")
        seen.setdefault(name, doc.line(path))
        if fact and (expected := _fact_expected(fact)):
            hint = nearest(fact.split(".")[0], [*FACT_FAMILIES, *WHOLE_FACTS])
            what = f"{fact!r} is not a fact that is recorded"
            yield doc.problem((*path, "fact"), what, expected, hint if not fact.startswith("metrics.") else "")
        value = doc.at(*path, "value")
        if doc.text(*path, "op") in ("<", "<=", ">", ">=") and value is not None and doc.number(*path, "value") is None:
            yield doc.problem((*path, "value"), f"{value!r} cannot be compared by size", "a number", "Or use == or !=")
    if doc.mapping("policy") and doc.at("policy", "approver_roles") == []:
        yield doc.problem(("policy", "approver_roles"), "Nobody may approve", "at least one role")


def _fact_expected(fact: str) -> str:
    """What a gate's fact should look like; empty when it looks like one that is recorded."""
    family, _, rest = fact.partition(".")
    if family == "metrics" and not re.search(r".\.(value|low|high)$", rest):
        return "metrics.NAME.value, .low or .high"
    if fact in WHOLE_FACTS or (family in FACT_FAMILIES and rest):
        return ""
    return f"a dotted path such as {FACT_FAMILIES.get(family, 'metrics.roc_auc.low')}"


def targets(doc: Document) -> Problems:
    """Addresses of targets are complete and hold no password."""
    for name in doc.mapping("targets"):
        url = doc.text("targets", name, "url")
        reason = _url_problem(url) if url else ""
        if reason:
            yield doc.problem(("targets", name, "url"), f"Target {name!r}: {reason}", "ssh://user@host:port/path")


def _url_problem(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "the address is not a URL"
    if parts.scheme not in TARGET_SCHEMES:
        return "the address has no scheme that is known (" + ", ".join(TARGET_SCHEMES) + ")"
    if parts.password:
        return "the address holds a password; keys and the keyring serve for that"
    if parts.scheme != "file" and not parts.hostname:
        return "the address has no host"
    if parts.scheme in ("ssh", "file") and parts.path in ("", "/"):
        return "the address has no folder"
    return ""


def slos(doc: Document) -> Problems:
    """Objectives are shares, and a latency says what is fast enough."""
    for name in doc.mapping("slos"):
        path = ("slos", name)
        indicator, objective = doc.text(*path, "indicator"), doc.number(*path, "objective")
        if objective is not None and not 0 < objective < 1:
            yield doc.problem((*path, "objective"), f"The objective is {objective:g}", "between 0 and 1, such as 0.99")
        threshold = doc.number(*path, "threshold_ms")
        if indicator == "latency" and threshold is None:
            yield doc.problem(path, f"The objective {name!r} has no threshold_ms", "the latency that counts as good")
        if threshold is not None and (indicator != "latency" or threshold <= 0):
            expected = "more than 0" if indicator == "latency" else "none, unless the indicator is latency"
            yield doc.problem((*path, "threshold_ms"), f"threshold_ms is {threshold:g}", expected)


def triggers(doc: Document) -> Problems:
    """A schedule has a valid cron line; nothing else has one."""
    for index in range(len(doc.items("triggers"))):
        path = ("triggers", index)
        cron, scheduled = doc.text(*path, "cron"), doc.text(*path, "on") == "schedule"
        if scheduled and not cron:
            yield doc.problem(path, "The trigger has no cron", "five fields such as '0 6 * * 1'")
        if cron and not scheduled:
            yield doc.problem((*path, "cron"), "Only a trigger on schedule has a cron", remedy="Remove it")
        if cron and (reason := cron_problem(cron)):
            yield doc.problem((*path, "cron"), f"{cron!r} is not a valid cron line: {reason}", "minute hour day month")


def cron_problem(text: str) -> str:
    """Why a crontab line is not valid; empty when it is."""
    try:
        CronTrigger.from_crontab(text, timezone="UTC")
    except ValueError as error:
        return str(error)
    return ""
