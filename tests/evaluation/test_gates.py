"""Gates: every operator, and everything that must not pass."""

from __future__ import annotations

import pytest

from core.evaluation.gates import apply_gates, blocked
from core.project.schema import GateRule, Policy


def decide(fact, op, value, facts, severity="block"):
    rule = GateRule(id="rule", fact=fact, op=op, value=value, severity=severity, why="Because.")
    return apply_gates(Policy(name="p", version=1, gates=[rule]), facts)


@pytest.mark.parametrize(
    ("op", "value", "passed"),
    [(">=", 0.7, True), ("<=", 0.7, True), (">", 0.7, False), ("<", 0.8, True), ("==", 0.7, True), ("!=", 0.7, False)],
)
def test_numbers(op, value, passed):
    assert decide("a", op, value, {"a": 0.7})[0].passed is passed


def test_text_and_booleans():
    assert decide("champion.verdict", "!=", "worse", {"champion.verdict": "same"})[0].passed
    assert not decide("champion.verdict", "==", "better", {"champion.verdict": "none"})[0].passed
    assert decide("leak.clean", "==", True, {"leak.clean": True})[0].passed


@pytest.mark.parametrize(
    ("value", "observed"),
    [(0.7, float("nan")), (0.7, "0.9"), ("better", 1.0), (True, 1.0), (0.5, True), (0.7, float("inf"))],
)
@pytest.mark.parametrize("op", ["==", "!=", ">="])
def test_what_cannot_be_decided_fails(op, value, observed):
    outcome = decide("a", op, value, {"a": observed})[0]
    assert not outcome.passed
    assert outcome.why != "Because."


@pytest.mark.parametrize("op", ["!=", "==", ">=", "<"])
def test_an_unknown_fact_never_passes(op):
    outcome = decide("metrics.roc_auc.lo", op, 0.7, {"metrics.roc_auc.low": 0.9})[0]
    assert not outcome.passed
    assert outcome.observed == "not recorded"
    assert "did you mean 'metrics.roc_auc.low'" in outcome.why
    assert outcome.why.endswith("Because.")


def test_text_has_no_order():
    assert not decide("a", ">=", "a", {"a": "b"})[0].passed


def test_only_blocking_rules_block():
    assert blocked(decide("a", ">", 1.0, {"a": 0.5}))
    assert not blocked(decide("a", ">", 1.0, {"a": 0.5}, severity="warn"))
    assert not blocked(decide("a", ">", 0.1, {"a": 0.5}))
    assert not blocked([])


def test_outcomes_keep_the_order_and_the_words_of_the_policy():
    rules = [GateRule(id=name, fact=name, op=">=", value=0.123456789) for name in ("b", "a")]
    outcomes = apply_gates(Policy(name="p", version=1, gates=rules), {"a": 1, "b": 0.5})
    assert [(o.rule, o.expected, o.observed) for o in outcomes] == [("b", "0.123457", "0.5"), ("a", "0.123457", "1")]


def test_numbers_that_round_alike_are_shown_in_full():
    outcome = decide("a", ">=", 0.72, {"a": 0.71999999})[0]
    assert (outcome.passed, outcome.expected, outcome.observed) == (False, "0.72", "0.71999999")
