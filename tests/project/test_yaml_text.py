"""YAML is read without running, exploding or silently dropping anything."""

from __future__ import annotations

import json
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.project.yaml_text import MAX_ALIASES, MAX_DEPTH, MAX_VALUES, read_yaml

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text("ab c:#'\"-,[]{}\n\\é", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(plain)
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read(value: object) -> None:
    read = read_yaml(json.dumps(value), "x.yaml")  # JSON is YAML 1.2
    assert read.problems == []
    assert read.value == value


def test_values_are_those_of_yaml_1_2() -> None:
    read = read_yaml("on: yes\nday: 2013-01-31\nn: 010\nf: 1e-3\nq: '1'\ne:\n", "x.yaml")
    assert read.value == {"on": "yes", "day": date(2013, 1, 31), "n": 10, "f": 0.001, "q": "1", "e": None}


def test_every_path_has_its_line() -> None:
    read = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n", "x.yaml")
    assert read.lines[("a", "b")] == 2
    assert read.lines[("a", "c", 0)] == 4
    assert read.lines[("a", "c", 1)] == 5
    assert read.lines[("a", "c", 1, "e")] == 6


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: 1\nb: 2\na: 3", 3, "The key 'a' is given twice"),
        ("a: !!python/object/apply:os.system [ls]", 1, "The tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !secret x", 1, "The tag !secret is not read"),
        ("a: &x {b: 1}\nc:\n  <<: *x", 3, "Merge keys (<<) are not read"),
        ("a: 1\n? [b]\n: 2", 2, "A key is a mapping or a list"),
        ("a: *x", 1, "The alias *x names nothing"),
        ("a: &x [*x]", 1, "The alias *x names nothing"),
        ("a: 1\n---\nb: 1", 2, "A second document starts here"),
        ("a: 2013-99-99", 1, "'2013-99-99' is not a valid timestamp"),
        ("a: [1\nb: 2", 2, "YAML cannot be read"),
        ("a:\n\t- 1", 2, "YAML cannot be read"),
    ],
)
def test_what_is_not_read_is_said_with_its_line(text: str, line: int, what: str) -> None:
    found = read_yaml(text, "x.yaml").problems
    assert len(found) == 1
    assert found[0].where == f"x.yaml:{line}"
    assert found[0].what.startswith(what)


def test_reading_goes_on_after_an_error() -> None:
    read = read_yaml("a: 1\na: 2\nb: !x 1\nc: *none\nd: 5", "x.yaml")
    assert len(read.problems) == 3
    assert read.value == {"a": 1, "b": "1", "c": None, "d": 5}


def test_bombs_stop_at_their_bound() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 8)]
    assert f"{MAX_VALUES:,}" in read_yaml("\n".join(rows), "x.yaml").problems[0].expected
    many = "a: &x 1\n" + "\n".join(f"k{n}: *x" for n in range(MAX_ALIASES + 1))
    assert read_yaml(many, "x.yaml").problems[0].what == "The file uses too many aliases"
    for deep in ("[" * 5_000, "{a: " * 5_000, "\n".join(" " * n + "a:" for n in range(MAX_DEPTH + 2))):
        assert read_yaml(deep, "x.yaml").problems[0].what == "The file is nested too deeply"


@given(st.text("ab: -[]{}&*!|>'\"#\n\t%@`?,<0", max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    read = read_yaml(text, "x.yaml")
    assert all(problem.where.startswith("x.yaml") for problem in read.problems)
