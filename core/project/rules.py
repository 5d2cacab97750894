"""Checks of the sections that decide: numbers in range, the policy, targets, objectives, triggers."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from apscheduler.triggers.cron import CronTrigger

from core.kernel.errors import Problem
from core.project.document import Document
from core.project.explain import nearest
from core.project.fact_names import FACTS, FAMILIES, NUMBER, TEXT, TRUTH, FactName, is_known, nearest_fact
from core.project.yaml_text import Path_

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
        value = doc.at(*path, "value")
        if fact and not is_known(fact, doc.text("label", "task") or "binary"):
            yield _unknown_fact(doc, path, fact)
        elif fact in FACTS and value is not None:
            yield from _other_kind(doc, path, FACTS[fact])
        if fact:
            yield from _never_recorded(doc, path, fact)
        if doc.text(*path, "op") in ("<", "<=", ">", ">=") and value is not None and doc.number(*path, "value") is None:
            yield doc.problem((*path, "value"), f"{value!r} cannot be compared by size", "a number", "Or use == or !=")
    kinds = [doc.text("policy", "evidence", index, "kind") for index in range(len(doc.items("policy", "evidence")))]
    for index, kind in enumerate(kinds):
        if kind and kind in kinds[:index]:
            yield doc.problem(("policy", "evidence", index, "kind"), f"Evidence {kind!r} is asked for twice")
    if doc.mapping("policy") and doc.at("policy", "approver_roles") == []:
        yield doc.problem(("policy", "approver_roles"), "Nobody may approve", "at least one role")


def _unknown_fact(doc: Document, path: Path_, fact: str) -> Problem:
    """The nearest fact by name; for another family the nearest family."""
    near = nearest_fact(fact)
    expected = (
        "metrics.NAME.value, .low or .high" if fact.startswith("metrics.") else "a fact of `plimsoll policy facts`"
    )
    hint = f"Did you mean {near!r}?" if near else nearest(fact.split(".")[0], FAMILIES)
    return doc.problem((*path, "fact"), f"{fact!r} is not a fact that is recorded", expected, hint)


def _other_kind(doc: Document, path: Path_, fact: FactName) -> Problems:
    """A value that cannot be compared with what the fact is."""
    value = doc.at(*path, "value")
    kind = TRUTH if isinstance(value, bool) else TEXT if isinstance(value, str) else NUMBER
    ordered = doc.text(*path, "op") in ("<", "<=", ">", ">=")
    if kind != fact.kind and not (ordered and kind != NUMBER):  # that one is said for any fact
        yield doc.problem((*path, "value"), f"{fact.name} is {fact.kind}, and this is {kind}", fact.kind)
    elif ordered and fact.kind != NUMBER:
        yield doc.problem((*path, "op"), f"{fact.name} is {fact.kind}, which has no order", "== or !=")


def _never_recorded(doc: Document, path: Path_, fact: str) -> Problems:
    """A fact that this project gives no cause to record: its gate would stop every model."""
    needs = (
        ("fairness.", doc.at("evaluation", "fairness_group"), "evaluation.fairness_group"),
        ("decision.", doc.mapping("evaluation", "costs"), "evaluation.costs"),
        ("features.", doc.mapping("features", "views"), "features.views"),
        ("inference.cost_per_million", doc.at("policy", "cost_per_cpu_hour") is not None, "policy.cost_per_cpu_hour"),
    )
    for start, there, section in needs:
        if fact.startswith(start) and not there:
            what = f"{fact} is never recorded here: the project has no {section}"
            yield doc.problem((*path, "fact"), what, remedy=f"State {section}, or take the gate out.")


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
