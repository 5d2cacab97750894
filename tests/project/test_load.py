"""A project file is read whole: every problem with its line, what was expected and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

import resources
from core.kernel.digests import digest_bytes
from core.kernel.errors import InputError, NotFound, Problem
from core.project.load import check_project, load_project, parse_project

EXAMPLES = Path(resources.__file__).parent / "examples"
BLANK = (EXAMPLES / "blank" / "plimsoll.yaml").read_text("utf-8")


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(InputError) as caught:
        parse_project(text, Path("plimsoll.yaml"))
    return list(caught.value.problems)


def only(text: str) -> Problem:
    found = problems_of(text)
    assert len(found) == 1, [problem.line() for problem in found]
    return found[0]


def line_with(text: str, words: str) -> int:
    return next(number for number, line in enumerate(text.splitlines(), 1) if words in line)


def test_the_flights_example_is_sound() -> None:
    assert check_project(EXAMPLES / "flights") == []


def test_the_blank_example_lacks_only_its_data(tmp_path: Path) -> None:
    (tmp_path / "plimsoll.yaml").write_text(BLANK, "utf-8")
    found = check_project(tmp_path)
    assert [problem.what for problem in found] == ["There is no file 'events.csv'"]
    assert found[0].where == f"plimsoll.yaml:{line_with(BLANK, 'path: events.csv')}"
    (tmp_path / "events.csv").touch()
    assert check_project(tmp_path) == []


def test_a_loaded_project_knows_its_text_digest_and_lines() -> None:
    loaded = load_project(EXAMPLES / "blank")
    assert loaded.project.split.test == (date(2025, 10, 1), date(2026, 1, 1))
    assert loaded.text == BLANK
    assert loaded.digest == digest_bytes(BLANK.encode())
    assert loaded.place("split.test") == f"plimsoll.yaml:{line_with(BLANK, '  test: [')}"
    assert loaded.place("features.views.none") == f"plimsoll.yaml:{line_with(BLANK, 'features:')}"


def test_no_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as caught:
        load_project(tmp_path)
    assert "plimsoll init" in caught.value.remedy
    assert check_project(tmp_path)[0].what == "There is no plimsoll.yaml here"


@pytest.mark.parametrize(
    ("old", "new", "what", "expected", "remedy"),
    [
        ("sources:", "sorces:", "sources is missing", "", "Add 'sources' here"),
        ("label:", "labels: {}\nlabel:", "labels is not known here", "", "Did you mean 'label'?"),
        ("plimsoll: 1", "plimsoll: 2", "plimsoll is 2", "1", ""),
        (
            "project: my_project",
            "project: My-Project",
            "project is 'My-Project'",
            "lower-case letters, digits and _, a letter first, at most 63",
            "Use 'my_project'",
        ),
        (
            "{trainer: boosting}",
            "{trainer: bosting}",
            "training.candidates.trees.trainer is 'bosting'",
            "one of linear, logistic, boosting, mlp, sklearn, script, lightgbm, xgboost",
            "Did you mean 'boosting'?",
        ),
        ("key: [id]", "key: id", "events.key is 'id'", "a list", ""),
        ("approvals: 2", "approvals: 0", "policy.approvals is 0", "at least 1", ""),
        ("title: My first model", "title: 5", "title is 5", "text", "Put it in quotes"),
        ("  table: events", "  table: event", "There is no source or table 'event'", "", "Did you mean 'events'?"),
        ("outcome > 0", "outcome >", "The label is not a valid SQL expression", "", None),
        ("{expression: amount}", "{expression: now()}", "The feature 'amount' reads the clock", "", None),
        ("slices: [[kind]]", "slices: [[kinds]]", "'kinds' is neither a feature nor an event column", "", None),
        ("value: 0.6", "value: high", "'high' cannot be compared by size", "a number", "Or use == or !="),
        (
            "fact: metrics.roc_auc.low",
            "fact: metric.roc_auc",
            "'metric.roc_auc' is not a fact that is recorded",
            "a fact of `plimsoll policy facts`",
            "Did you mean 'metrics.roc_auc.low'?",
        ),
        (
            "fact: metrics.roc_auc.low",
            "fact: metrics.roc_auc",
            "'metrics.roc_auc' is not a fact that is recorded",
            "metrics.NAME.value, .low or .high",
            "Did you mean 'metrics.roc_auc.low'?",
        ),
        (
            "fact: metrics.roc_auc.low",
            "fact: calibration.ecee",
            "'calibration.ecee' is not a fact that is recorded",
            "a fact of `plimsoll policy facts`",
            "Did you mean 'calibration.ece'?",
        ),
        (
            "fact: metrics.roc_auc.low",
            "fact: fairness.selection_rate_ratio",
            "fairness.selection_rate_ratio is never recorded here: the project has no evaluation.fairness_group",
            "",
            "State evaluation.fairness_group, or take the gate out.",
        ),
        ("value: 0.6", "value: true", "True cannot be compared by size", "a number", "Or use == or !="),
        ("amount], min: 0}", "amount]}", "The check between(amount) needs min or max", "", ""),
        (
            "  test: [2025-10-01, 2026-01-01]",
            "  test: [2025-09-01, 2026-01-01]",
            "The test period begins before the validate period has ended",
            "a start on 2025-10-01 or later",
            "",
        ),
    ],
)
def test_one_fault_gives_one_clear_problem_at_its_line(
    old: str, new: str, what: str, expected: str, remedy: str | None
) -> None:
    text = BLANK.replace(old, new, 1)
    assert text != BLANK
    found = problems_of(text)
    match = [problem for problem in found if problem.what == what]
    assert match, [problem.line() for problem in found]
    assert match[0].expected == expected
    if remedy is not None:
        assert match[0].remedy == remedy
    if "is missing" not in what:
        assert len(found) == 1
        assert match[0].where == f"plimsoll.yaml:{line_with(text, new.splitlines()[0].strip())}"


EXTRA = """
targets: {lab: {url: "ssh://me:hunter2@host/srv"}, edge: {url: host}}
slos: {fast: {indicator: latency, objective: 99}}
triggers: [{on: schedule, action: retrain, cron: 61 * * * *}, {on: drift, action: alert, cron: 0 6 * * 1}]
"""


def test_all_problems_of_all_sections_are_reported_together() -> None:
    text = BLANK.replace("trainer: boosting", "trainer: magic").replace("key: [id]", "key: id") + EXTRA
    found = [problem.what for problem in problems_of(text)]
    assert "training.candidates.trees.trainer is 'magic'" in found
    assert "events.key is 'id'" in found
    assert "Target 'lab': the address holds a password; keys and the keyring serve for that" in found
    assert "The objective 'fast' has no threshold_ms" in found
    assert "The objective is 99" in found
    assert "Only a trigger on schedule has a cron" in found
    assert any(what.startswith("'61 * * * *' is not a valid cron line") for what in found)
    assert "hunter2" not in "".join(problem.line() for problem in problems_of(text))


def test_only_a_label_of_two_values_can_be_calibrated() -> None:
    text = BLANK.replace("{trainer: boosting}", "{trainer: boosting, calibrate: platt}")
    assert parse_project(text, Path("plimsoll.yaml")).project.training.candidates["trees"].calibrate == "platt"
    regression = text.replace("label:\n", "label:\n  task: regression\n", 1)
    found = {problem.what: problem.where for problem in problems_of(regression)}
    line = line_with(regression, "calibrate: platt")
    assert found["Only a label of two values can be calibrated; this one is for regression"] == f"plimsoll.yaml:{line}"


def test_a_matrix_of_costs_is_for_several_classes() -> None:
    text = BLANK.replace("evaluation:\n", "evaluation:\n  costs: {a: {b: 3}}\n", 1)
    assert only(text).what == "A matrix of costs is for several classes"
    several = text.replace("label:\n", "label:\n  task: multiclass\n", 1)
    assert parse_project(several, Path("plimsoll.yaml")).project.evaluation.costs == {"a": {"b": 3.0}}


VIEWS = """
  views:
    both:
      {table: events, entity: [], columns: {amount: amount},
       windows: {w: {function: mean, over: 1d, per: 1h}, v: {function: count}}}
    still: {table: events, entity: [kind], static: true, refresh: 1h, columns: {k2: kind}}
"""


def test_views_have_one_shape_and_features_one_name() -> None:
    text = BLANK.replace("\n# Periods by", VIEWS + "\n# Periods by")
    found = {problem.what for problem in problems_of(text)}
    assert found == {
        "The feature 'amount' is named twice",
        "The view 'both' has both columns and windows",
        "The view 'both' has no entity",
        "The view 'both' has no event_time",
        "The view 'both' has windows but no refresh",
        "The window 'w' has no column to mean",
        "The window 'w' is a mean, so per means nothing",
        "The window 'v' does not say how far it looks back",
        "The view 'still' is static, so refresh means nothing",
    }


def test_a_file_that_is_too_large_or_not_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plimsoll.yaml"
    file.write_bytes(b"a" * 1_000_001)
    assert "too large" in check_project(file)[0].what
    file.write_bytes(b"plimsoll: 1\ntitle: \xff\n")
    assert check_project(file)[0].where == "plimsoll.yaml:2"
    file.write_bytes(b"")
    assert check_project(file)[0].what == "The file holds no project"
    assert only("- 1").what == "The file holds no project"


def test_leaks_and_labelling_rules_are_checked_across_sections() -> None:
    text = BLANK.replace("split:\n", "split:\n  groups: [custmer]\n") + (
        "leakage:\n  accepted: {nothing: short}\n"
        "labelling:\n  balance: 1.5\n  functions:\n"
        "    cheat: {expression: CASE WHEN outcome > 0 THEN 1 END}\n"
        "    broken: {expression: amount >}\n"
    )
    found = {problem.where.split(":")[1]: problem.what for problem in problems_of(text)}
    told = [problem.what for problem in problems_of(text)]
    assert any("'custmer' is not an event column" in what for what in told)
    assert "There is no feature 'nothing'" in told
    assert "'nothing' is accepted without a reason" in told
    assert "2 labelling functions cannot be weighed against each other" in told
    assert "The balance is 1.5" in told
    assert found[str(line_with(text, "cheat:"))].startswith("The labelling function 'cheat' reads 'outcome'")
    assert "not a valid SQL expression" in found[str(line_with(text, "broken:"))]
