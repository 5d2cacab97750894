"""The search language as people use it: names without a kind, nearest names for a typo, completion while typing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rapidfuzz import process

from core.kernel.errors import InputError, Problem
from core.store.run_query import KINDS, WORDS, Both, Comparison, Negation, Query, parse
from core.store.run_search import ATTRIBUTES

Names = Mapping[str, Sequence[str]]  # metric, param, tag: the names that any run has
PLURALS = {"metric": "metrics", "param": "params", "tag": "tags"}
STARTERS = ("metrics.", "params.", "tags.")
STATUSES = ("'RUNNING'", "'FINISHED'", "'FAILED'", "'KILLED'")
UNFINISHED = re.compile(r"[\w./\-]*$")
MOST = 40


def understood(text: str, names: Names) -> Query | None:
    """Read a search and find what its names mean.

    Raises:
        InputError: for a text that makes no sense, or names that no run has, each with its nearest neighbours.
    """
    query = parse(text)
    problems: list[Problem] = []
    resolved = _resolved(query, names, problems) if query is not None else None
    if problems:
        raise InputError("This search names what no run has", detail=text, problems=problems)
    return resolved


def _resolved(query: Query, names: Names, problems: list[Problem]) -> Query:
    if isinstance(query, Both):
        return Both(query.word, tuple(_resolved(part, names, problems) for part in query.parts))
    if isinstance(query, Negation):
        return Negation(_resolved(query.part, names, problems))
    if query.kind in PLURALS:
        if query.name not in names[query.kind]:
            problems.append(_unknown(query, [f"{PLURALS[query.kind]}.{one}" for one in names[query.kind]]))
        return query
    if query.kind in ("attribute", "dataset") or query.name.lower() in ATTRIBUTES:
        return query
    return _guessed(query, names, problems)


def _guessed(query: Comparison, names: Names, problems: list[Problem]) -> Comparison:
    """A name without a kind: a metric, one of the test period, a parameter or a tag, in that order."""
    for kind, name in (
        ("metric", query.name),
        ("metric", f"test.{query.name}"),
        ("metric", f"validate.{query.name}"),
        ("param", query.name),
        ("tag", query.name),
    ):
        if name in names[kind]:
            return Comparison(kind, name, query.operator, query.values, query.place)
    every = [f"{PLURALS[kind]}.{one}" for kind in PLURALS for one in names[kind]]
    problems.append(_unknown(query, [*ATTRIBUTES, *every]))
    return query


def _unknown(query: Comparison, known: list[str]) -> Problem:
    wanted = f"{PLURALS[query.kind]}.{query.name}" if query.kind in PLURALS else query.name
    near = [found[0] for found in process.extract(wanted, known, limit=4, score_cutoff=50)]
    remedy = f"Did you mean {' or '.join(near)}?" if near else "Nothing is named alike: see `plimsoll runs names`."
    return Problem(f"No run has {wanted}", where=f"character {query.place + 1}", remedy=remedy)


def completions(text: str, names: Names) -> list[str]:
    """What may follow the text: whole new texts up to the end of the word that is being typed."""
    found = UNFINISHED.search(text)
    word = found.group() if found else ""
    before = text[: len(text) - len(word)]
    options = _options(before, names)
    fit = [one for one in options if one.lower().startswith(word.lower()) and one != word]
    if not fit and word:
        fit = [one for one in options if word.lower() in one.lower()]
    return [before + one for one in fit[:MOST]]


def _options(before: str, names: Names) -> list[str]:
    """Words that make sense after what stands before them."""
    last = re.findall(r"'[^']*'|[\w./\-]+|[<>=!]+|[(),]", before)
    previous = last[-1].lower() if last else ""
    if not last or previous in ("and", "or", "not", "("):
        every = [f"{PLURALS[kind]}.{_safe(one)}" for kind in PLURALS for one in names[kind]]
        return [*STARTERS, *sorted(ATTRIBUTES), *every, "not "]
    if previous in ("=", "!="):
        return list(STATUSES) if len(last) > 1 and last[-2].lower() in ("status", "state") else []
    if re.fullmatch(r"[<>=!]+|like|ilike|in|between|is|,", previous):
        return ["null", "not null"] if previous == "is" else []
    if re.fullmatch(r"[\w./\-]+", previous) and _is_name(last):
        return ["=", "!=", ">", ">=", "<", "<=", "like ", "ilike ", "in (", "is null", "between "]
    return ["and ", "or "]


def _is_name(last: list[str]) -> bool:
    """Whether the last word is the name of a comparison and not its value."""
    return len(last) < 2 or last[-2].lower() in ("and", "or", "not", "(")


def _safe(name: str) -> str:
    return name if re.fullmatch(r"[\w./\-:@]+", name) and name.lower() not in WORDS else f"`{name}`"


def split_column(text: str) -> tuple[str, str]:
    """``metrics.auc`` as (metric, auc).

    Raises:
        InputError: for what is no column of a run.
    """
    head, _, name = text.partition(".")
    kind = KINDS.get(head.lower(), "")
    if kind not in PLURALS or not name:
        raise InputError(f"{text!r} is no column of runs", remedy="Write metrics.NAME, params.NAME or tags.NAME.")
    return kind, name
