"""Each kind of source needs its own fields; what is missing, means nothing or gives away a password has its line."""

from __future__ import annotations

from pathlib import Path

import pytest

import resources
from core.kernel.errors import InputError, Problem
from core.project.load import parse_project
from core.project.source_rules import file_of
from core.project.uses import words_about

BLANK = (Path(resources.__file__).parent / "examples" / "blank" / "plimsoll.yaml").read_text("utf-8")


def project_with(source: str) -> str:
    """The blank project with this source instead of its own, on one line."""
    lines = BLANK.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("sources:"))
    end = next(number for number, line in enumerate(lines[start + 1 :], start + 1) if line and line[0] not in " #")
    return "\n".join([*lines[: start + 1], f"  events: {source}", *lines[end:]]) + "\n"


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        parse_project(text, Path("plimsoll.yaml"))
    return list(caught.value.problems)


@pytest.mark.parametrize(
    "source",
    [
        "{path: a.csv}",
        "{kind: excel, path: a.xlsx, sheet: Orders, header: 3}",
        "{kind: folder, path: in, pattern: '*.csv', key: [id], on_conflict: update}",
        "{kind: sql, url: 'postgresql://reader@db.example:5432/shop', table: orders, watermark: id, secret: shop}",
        "{kind: sql, url: 'postgresql:///shop?host=/run/postgresql', query: SELECT 1 AS id}",
        "{kind: sql, url: 'sqlite:shop.db', table: orders}",
        "{kind: http, url: 'https://data.example/a.csv.gz', secret: token}",
        "{kind: http, url: 'http://127.0.0.1:8000/a', format: csv}",
        "{kind: http, url: 'http://data.example/a.csv', insecure: true}",
        "{kind: stream, url: 'rediss://host/0', stream: orders, key: [id], on_conflict: update}",
    ],
)
def test_sound_sources(source: str) -> None:
    assert parse_project(project_with(source), Path("plimsoll.yaml")).project.sources["events"]


@pytest.mark.parametrize(
    ("source", "what", "remedy"),
    [
        ("{}", "The source 'events' has no path", "Add path here"),
        ("{kind: folder}", "The source 'events' has no path", "Add path here"),
        ("{kind: sql, table: a}", "The source 'events' has no url", "Add url here"),
        ("{kind: stream, url: 'redis://localhost'}", "The source 'events' has no stream", "Add stream here"),
        ("{kind: folder, path: in, pattern: ../*}", "The source 'events' looks outside its folder", ""),
        ("{path: a.csv, watermark: id}", "The source 'events' is csv, so watermark means nothing", "Remove it"),
        ("{path: a.csv, on_conflict: update}", "The source 'events' is csv, so on_conflict means nothing", "Remove it"),
        ("{kind: sql, url: 'sqlite:a.db'}", "The source 'events' needs a table or a query", ""),
        ("{kind: sql, url: 'sqlite:a.db', table: a, query: b}", "The source 'events' needs a table or a query", ""),
        ("{kind: folder, path: a, on_conflict: update}", "Rows can only be updated by a key", "Add key: [...]"),
        (
            "{kind: sql, url: 'sqlite:a.db', table: a, key: [id], on_conflict: update}",
            "Without a watermark the whole table is read each time: there is nothing to update",
            "Add watermark, or remove on_conflict",
        ),
        (
            "{kind: sql, url: 'postgresql://me:hunter2@host/db', table: a}",
            "The source 'events': the address holds a password; store it with `plimsoll secret set NAME` and state "
            "secret: NAME",
            "",
        ),
        (
            "{kind: http, url: 'https://host/a.csv', secret: 'hunter2!'}",
            "The source 'events' has a secret that is not a name",
            "Store it: plimsoll secret set NAME, and write NAME here",
        ),
        (
            "{kind: sql, url: 'mysql://host/db', table: a}",
            "The source 'events': the address has no scheme that is known (postgresql, sqlite, duckdb)",
            "",
        ),
        ("{kind: sql, url: 'postgresql://host', table: a}", "The source 'events': the address has no database", ""),
        ("{kind: sql, url: 'duckdb:', table: a}", "The source 'events': the address has no file", ""),
        (
            "{kind: http, url: 'http://host/a.csv'}",
            "The source 'events' would be read unencrypted from host",
            "Or state insecure: true if nobody can listen there",
        ),
        (
            "{kind: stream, url: 'redis://host/0', stream: a}",
            "The source 'events' would be read unencrypted from host",
            "Or state insecure: true if nobody can listen there",
        ),
        (
            "{kind: http, url: 'https://host/export'}",
            "The source 'events' does not say which form the file has",
            "Or state format",
        ),
    ],
)
def test_one_fault_gives_one_problem_at_its_line(source: str, what: str, remedy: str) -> None:
    text = project_with(source)
    found = problems_of(text)
    assert [(problem.what, problem.remedy) for problem in found] == [(what, remedy)]
    line = next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith("  events: {"))
    assert found[0].where == f"plimsoll.yaml:{line}"
    assert "hunter2" not in found[0].line()


def test_files_of_addresses() -> None:
    assert [file_of(url) for url in ("sqlite:a.db", "sqlite:///a.db", "duckdb:/x/a.db", "postgresql://h/d")] == [
        "a.db",
        "/a.db",
        "/x/a.db",
        "",
    ]


def test_words_that_may_be_columns() -> None:
    project = parse_project(BLANK, Path("plimsoll.yaml")).project
    words = words_about(project, "events")
    assert {"id", "amount", "outcome"} <= words
    assert "nothing" not in words
