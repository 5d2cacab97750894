"""Checks across the sections of a project: names that must exist, shapes that must fit, orders, expressions.

Leaks that the file alone shows (a random split, a nearest join, an undeclared column) are found by
``core.features``; what is wrong with a single field by the schema.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from itertools import pairwise

from core.contract.definitions import definition_problems
from core.contract.expressions import parse_expression
from core.contract.schema import Check
from core.kernel.errors import InputError, Problem
from core.project.document import Document
from core.project.explain import nearest
from core.project.python_tables import python_tables
from core.project.source_rules import sources
from core.project.trainers import task_shapes, trainer_names
from core.project.yaml_text import Path_

Problems = Iterator[Problem]


def semantic_problems(doc: Document) -> list[Problem]:
    """Everything that is wrong across sections."""
    checks = (
        sources,
        table_names,
        python_tables,
        feature_names,
        view_shapes,
        suite_checks,
        expressions,
        evaluation_names,
        split_order,
        leak_names,
        labelling,
        trainings,
        trainer_names,
        task_shapes,
    )
    return [problem for check in checks for problem in check(doc)]


def table_names(doc: Document) -> Problems:
    """Tables that are used exist, and no name means two things."""
    known = doc.tables()
    if not doc.mapping("sources"):
        yield doc.problem(("sources",), "There is no source", "at least one table to read")
    for name in doc.mapping("tables"):
        if name in doc.mapping("sources"):
            yield doc.problem(("tables", name), f"{name!r} is a source already", remedy="Give the table another name")
    used: list[Path_] = [("events", "table")]
    used += [("features", "views", view, "table") for view in doc.mapping("features", "views")]
    for suite in doc.mapping("suites"):
        count = len(doc.items("suites", suite, "checks"))
        used += [("suites", suite, "checks", index, "table") for index in range(count)]
        if suite not in known:
            yield doc.problem(("suites", suite), f"There is no source or table {suite!r}", remedy=_near(suite, known))
    for name in doc.mapping("retention"):
        if name not in known | set(doc.mapping("sources")) and name != f"{doc.text('project')}_features":
            yield doc.problem(("retention", name), f"There is no source or table {name!r}", remedy=_near(name, known))
    for path in used:
        name = doc.text(*path)
        if name and name not in known:
            yield doc.problem(path, f"There is no source or table {name!r}", remedy=_near(name, known))


def feature_names(doc: Document) -> Problems:
    """A feature's name is used once and is not the label's."""
    first: dict[str, Path_] = {}
    for name, path in doc.features():
        if name in first:
            line = doc.line(first[name])
            yield doc.problem(path, f"The feature {name!r} is named twice", remedy=f"It stands on line {line} already")
        elif name == doc.text("label", "name"):
            yield doc.problem(path, f"The feature {name!r} has the label's name", remedy="Rename one of them")
        first.setdefault(name, path)
    if not first and doc.mapping("features"):
        yield doc.problem(("features",), "There is no feature", "at least one")


def view_shapes(doc: Document) -> Problems:
    """A view is static, latest or windows, and has what its shape needs."""
    for name in doc.mapping("features", "views"):
        yield from _view_shape(doc, ("features", "views", name))


def _view_shape(doc: Document, path: Path_) -> Problems:
    view = doc.mapping(*path)
    columns, windows = doc.mapping(*path, "columns"), doc.mapping(*path, "windows")
    title = f"The view {path[-1]!r}"
    if not columns and not windows:
        yield doc.problem(path, f"{title} has no feature", "columns or windows")
    if columns and windows:
        yield doc.problem(
            (*path, "windows"), f"{title} has both columns and windows", "one shape", "Split it into two views"
        )
    if isinstance(view.get("entity"), list) and not view["entity"]:
        yield doc.problem((*path, "entity"), f"{title} has no entity", "at least one key column")
    if view.get("static") is True:
        for key in ("event_time", "available", "windows", "refresh", "tolerance", "delay"):
            if view.get(key):
                yield doc.problem((*path, key), f"{title} is static, so {key} means nothing", remedy="Remove it")
    elif not view.get("event_time"):
        yield doc.problem(
            path, f"{title} has no event_time", "the time column of its rows", "Add event_time, or static: true"
        )
    if windows and not view.get("refresh"):
        yield doc.problem(path, f"{title} has windows but no refresh", "how often they are recomputed, such as 1h")
    for window in windows:
        yield from _window(doc, (*path, "windows", window))


def _window(doc: Document, path: Path_) -> Problems:
    """A window has what its function needs, and nothing that means nothing to it."""
    inner, title = doc.mapping(*path), f"The window {path[-1]!r}"
    function = inner.get("function")
    needs_column = function in ("sum", "mean", "distinct", "last", "min", "max", "std", "lag")
    if (needs_column or (function == "rate" and not inner.get("per"))) and not inner.get("column"):
        yield doc.problem(path, f"{title} has no column to {function}")
    if function not in ("last", "lag", None) and not inner.get("over"):
        yield doc.problem(path, f"{title} does not say how far it looks back", "over, such as 7d")
    for key, owner in (("per", "rate"), ("n", "lag")):
        if inner.get(key) and function != owner:
            yield doc.problem((*path, key), f"{title} is a {function}, so {key} means nothing", remedy="Remove it")


def suite_checks(doc: Document) -> Problems:
    """Each check has what its kind needs."""
    for suite in doc.mapping("suites"):
        for index, value in enumerate(doc.items("suites", suite, "checks")):
            try:
                check = Check.read(value)
            except InputError:
                continue  # the schema reports it
            for found in definition_problems(check):
                yield doc.problem(("suites", suite, "checks", index), f"The {found.where} {found.what}")


def expressions(doc: Document) -> Problems:
    """Every expression over single rows parses, in the dialect that serves offline and online alike."""
    for path, who in _expression_paths(doc):
        text = doc.text(*path)
        if not text:
            continue
        try:
            parse_expression(text, who=who)
        except InputError as error:
            yield doc.problem(path, error.headline, remedy=". ".join(filter(None, (error.detail, error.remedy))))


def _expression_paths(doc: Document) -> Iterator[tuple[Path_, str]]:
    yield ("label", "expression"), "The label"
    yield ("training", "weight"), "The weight"
    for name in doc.mapping("features", "request"):
        yield ("features", "request", name, "expression"), f"The feature {name!r}"
    for name in doc.mapping("labelling", "functions"):
        yield ("labelling", "functions", name, "expression"), f"The labelling function {name!r}"
    for view in doc.mapping("features", "views"):
        for name in doc.mapping("features", "views", view, "columns"):
            yield ("features", "views", view, "columns", name), f"The feature {name!r}"
        for name in doc.mapping("features", "views", view, "windows"):
            yield ("features", "views", view, "windows", name, "column"), f"The window {name!r}"
    for suite in doc.mapping("suites"):
        for index in range(len(doc.items("suites", suite, "checks"))):
            for part in ("where", "expression"):
                yield ("suites", suite, "checks", index, part), f"The check's {part}"


def evaluation_names(doc: Document) -> Problems:
    """Slices, the fairness group and ignored drift columns are features or event columns."""
    known = {name for name, _ in doc.features()} | doc.event_columns()
    paths: list[Path_] = [("evaluation", "fairness_group")]
    for index, names in enumerate(doc.items("evaluation", "slices")):
        count = len(names) if isinstance(names, list) else 0
        paths += [("evaluation", "slices", index, inner) for inner in range(count)]
    paths += [("drift", "ignore", index) for index in range(len(doc.items("drift", "ignore")))]
    for path in paths:
        name = doc.text(*path)
        if name and name not in known:
            yield doc.problem(path, f"{name!r} is neither a feature nor an event column", remedy=_near(name, known))


def split_order(doc: Document) -> Problems:
    """Periods run forwards and do not overlap."""
    periods = []
    for name in ("train", "validate", "test", "production"):
        ends = doc.items("split", name)
        if len(ends) == 2 and all(isinstance(end, date) for end in ends):
            periods.append((name, ends))
            if ends[0] >= ends[1]:
                yield doc.problem(("split", name), f"The {name} period ends before it begins", f"after {ends[0]}")
    for (before, early), (after, late) in pairwise(periods):
        if late[0] < early[1]:
            yield doc.problem(
                ("split", after),
                f"The {after} period begins before the {before} period has ended",
                f"a start on {early[1]} or later",
            )


def leak_names(doc: Document) -> Problems:
    """Groups are event columns; what is accepted is a feature, and says why."""
    columns = doc.event_columns()
    for index, name in enumerate(doc.texts("split", "groups")):
        if name not in columns:
            what = f"{name!r} is not an event column"
            yield doc.problem(("split", "groups", index), what, "a column of events", _near(name, columns))
    known = {name for name, _ in doc.features()}
    for name, why in doc.mapping("leakage", "accepted").items():
        path = ("leakage", "accepted", name)
        if name not in known:
            yield doc.problem(path, f"There is no feature {name!r}", remedy=_near(name, known))
        if isinstance(why, str) and len(why.strip()) < 10:
            yield doc.problem(path, f"{name!r} is accepted without a reason", "why it is known before the outcome")


def labelling(doc: Document) -> Problems:
    """Three rules or more, none of which reads the label, and a balance between 0 and 1."""
    if not doc.mapping("labelling"):
        return
    functions = doc.mapping("labelling", "functions")
    if len(functions) < 3:
        yield doc.problem(
            ("labelling", "functions"),
            f"{len(functions)} labelling functions cannot be weighed against each other",
            "at least 3",
        )
    balance = doc.number("labelling", "balance")
    if balance is not None and not 0 < balance < 1:
        yield doc.problem(("labelling", "balance"), f"The balance is {balance:g}", "between 0 and 1")
    target = {doc.text("label", "name"), "label"} | _reads(doc.text("label", "expression"))
    for name in functions:
        path = ("labelling", "functions", name, "expression")
        for column in sorted(_reads(doc.text(*path)) & target):
            what = f"The labelling function {name!r} reads {column!r}, from which the label is made"
            yield doc.problem(path, what, remedy="Vote by something else: this is the label itself")


def _reads(text: str) -> set[str]:
    """The columns of an expression; none when it does not parse, which is reported elsewhere."""
    try:
        return set(parse_expression(text, who="").meta.root_names()) if text else set()
    except InputError:
        return set()


def trainings(doc: Document) -> Problems:
    """There is a candidate, and its settings are plain values."""
    if doc.mapping("training") and not doc.mapping("training", "candidates"):
        yield doc.problem(("training",), "There is no candidate to train", "at least one under candidates")
    for name in doc.mapping("training", "candidates"):
        for key, value in doc.mapping("training", "candidates", name, "settings").items():
            plain = value if isinstance(value, list) else [value]
            if not all(isinstance(item, str | int | float | bool | None) for item in plain):
                path = ("training", "candidates", name, "settings", key)
                yield doc.problem(path, f"The setting {key!r} is not plain", "a number, a text, true, false or a list")


def _near(name: str, known: set[str]) -> str:
    return nearest(name, sorted(known))
