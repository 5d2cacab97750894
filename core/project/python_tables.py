"""Tables that the project's own Python makes: what the file must say of them, and which code they mean."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from core.kernel.digests import digest_bytes
from core.kernel.errors import InputError, Problem
from core.project.document import Document
from core.project.schema import Project


def python_tables(doc: Document) -> Iterator[Problem]:
    """Each table has a query or a function, and a function's inputs, entity, time and views fit together."""
    for name in doc.mapping("tables"):
        path = ("tables", name)
        sql, python = doc.text(*path, "sql"), doc.mapping(*path, "python")
        if bool(sql) == bool(python):
            both = "both sql and python" if sql else "neither sql nor python"
            yield doc.problem(path, f"The table {name!r} has {both}", "one of them")
        if python:
            yield from _one(doc, name)


def _one(doc: Document, name: str) -> Iterator[Problem]:
    path = ("tables", name, "python")
    outputs = doc.mapping(*path, "outputs")
    plain = set(doc.mapping("sources")) | {table for table in doc.mapping("tables") if doc.text("tables", table, "sql")}
    for table in doc.mapping(*path, "inputs"):
        if table not in plain:
            yield doc.problem((*path, "inputs", table), f"{table!r} is neither a source nor an SQL table")
    for column in [*doc.texts(*path, "entity"), doc.text(*path, "available")]:
        if column and column not in outputs:
            yield doc.problem((*path, "outputs"), f"{column!r} is not among the outputs of {name!r}")
    time = doc.text(*path, "available")
    if time and outputs.get(time) not in ("time", None):
        yield doc.problem((*path, "outputs", time), f"{time!r} says when a row is known, so it is a time", "time")
    if doc.text(*path, "source"):
        yield doc.problem((*path, "source"), "The digest of the code is filled in by Plimsoll", remedy="Remove it")
    for view in doc.mapping("features", "views"):
        where = ("features", "views", view)
        used = doc.text(*where, "available") or doc.text(*where, "event_time")
        if doc.text(*where, "table") == name and time and used != time:
            yield doc.problem(
                where, f"The view {view!r} does not use {time!r}, from which {name!r} says its rows are known",
                f"available: {time}",
            )  # fmt: skip


def missing_functions(project: Project, folder: Path, doc: Document) -> list[Problem]:
    """Functions that are named and cannot be found in the project's folder."""
    out = []
    for name, table in project.tables.items():
        if table.python is not None:
            try:
                function_text(table.python.function, folder)
            except InputError as error:
                out.append(doc.problem(("tables", name, "python", "function"), error.headline, remedy=error.remedy))
    for name, candidate in project.training.candidates.items():
        if candidate.function:
            try:
                function_text(candidate.function, folder)
            except InputError as error:
                path = ("training", "candidates", name, "function")
                out.append(doc.problem(path, error.headline, remedy=error.remedy))
    return out


def with_digests(project: Project, folder: Path) -> Project:
    """The project with the digest of the code of each Python table and candidate; empty where a file is not there."""
    return _tables_digested(_candidates_digested(project, folder), folder)


def _candidates_digested(project: Project, folder: Path) -> Project:
    candidates = {
        name: candidate.model_copy(update={"source": _digest_of(candidate.function, folder)})
        if candidate.function
        else candidate
        for name, candidate in project.training.candidates.items()
    }
    return project.model_copy(update={"training": project.training.model_copy(update={"candidates": candidates})})


def _digest_of(function: str, folder: Path) -> str:
    file = folder / function.partition(":")[0]
    return digest_bytes(file.read_bytes()) if file.is_file() else ""


def _tables_digested(project: Project, folder: Path) -> Project:
    if not any(table.python for table in project.tables.values()):
        return project
    tables = {}
    for name, table in project.tables.items():
        tables[name] = table
        if table.python is not None:
            python = table.python.model_copy(update={"source": _digest_of(table.python.function, folder)})
            tables[name] = table.model_copy(update={"python": python})
    return project.model_copy(update={"tables": tables})


def function_text(function: str, folder: Path) -> bytes:
    """The source of the file that holds a function, read once: what is digested is what will run.

    Raises:
        InputError: when the file is outside the folder, is not Python, or has no such function.
    """
    name, _, wanted = function.partition(":")
    file = (folder / name).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise InputError(f"{name!r} lies outside the project's folder", remedy="Keep the code in the project")
    if not file.is_file():
        raise InputError(f"There is no file {name!r} in the project's folder", remedy="Correct the path")
    data = file.read_bytes()
    try:
        parsed = ast.parse(data, name)
    except (SyntaxError, ValueError) as error:
        raise InputError(f"{name!r} is not Python", detail=str(error), remedy="Correct the code") from error
    if wanted not in {node.name for node in parsed.body if isinstance(node, ast.FunctionDef)}:
        raise InputError(f"{name!r} has no function {wanted!r}", remedy=f"Write: def {wanted}(...)")
    return data
