"""Gates: a policy's rules applied to recorded facts. What is not known never passes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from core.contract.release import GateOutcome
from core.project.schema import GateRule, Policy

Fact = float | str | bool
OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "==": operator.eq,
    "!=": operator.ne,
}
ORDERED = {">=", "<=", ">", "<"}


def apply_gates(policy: Policy, facts: Mapping[str, Fact]) -> list[GateOutcome]:
    """One outcome for each rule, in the policy's order.

    A rule fails, with the reason in ``why``, when its fact is not recorded, is not finite, or is
    of another kind than the rule's value (a number against text).
    """
    return [_outcome(rule, facts) for rule in policy.gates]


def blocked(outcomes: Sequence[GateOutcome]) -> bool:
    """Some rule of severity ``block`` failed: there is no promotion by any route."""
    return any(not outcome.passed and outcome.severity == "block" for outcome in outcomes)


def _outcome(rule: GateRule, facts: Mapping[str, Fact]) -> GateOutcome:
    observed = facts.get(rule.fact)
    problem = _problem(rule, observed, facts)
    expected, shown = text_of(rule.value), "not recorded" if observed is None else text_of(observed)
    if expected == shown and observed is not None and observed != rule.value:
        expected, shown = repr(rule.value), repr(observed)  # rounding would hide why they differ
    return GateOutcome(
        rule=rule.id,
        severity=rule.severity,
        passed=not problem and OPERATORS[rule.op](observed, rule.value),
        fact=rule.fact,
        op=rule.op,
        expected=expected,
        observed=shown,
        why=" ".join(part for part in (problem, rule.why) if part),
    )


def _problem(rule: GateRule, observed: Fact | None, facts: Mapping[str, Fact]) -> str:
    """Why the rule cannot be decided; empty when it can."""
    if observed is None:
        near = _nearest(rule.fact, facts)
        return f"The fact {rule.fact!r} is not recorded" + (f"; did you mean {near!r}?" if near else ".")
    if kind_of(observed) != kind_of(rule.value):
        return f"The fact is {kind_of(observed)} but the rule expects {kind_of(rule.value)}."
    if kind_of(observed) != "a number":
        return f"{rule.op} does not order {kind_of(observed)}." if rule.op in ORDERED else ""
    return "" if isfinite(float(observed)) and isfinite(float(rule.value)) else "The number is not finite."


def kind_of(value: Fact) -> str:
    """What a fact is, in words."""
    if isinstance(value, bool):
        return "true or false"
    return "text" if isinstance(value, str) else "a number"


def _nearest(name: str, facts: Mapping[str, Fact]) -> str:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, list(facts), n=1)), "")


def text_of(value: Fact) -> str:
    """The value as it is shown and signed: booleans as in YAML, numbers to six significant digits."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else f"{value:.6g}"
