"""Policies as content: their digest, what a new one changes, and where it demands less."""

from __future__ import annotations

from core.governance.records import PolicyChange
from core.kernel.digests import digest_json
from core.kernel.durations import parse_duration
from core.kernel.errors import Refused
from core.project.schema import GateRule, Policy, RequiredEvidence


def policy_digest(policy: Policy) -> str:
    """The name of a policy's exact content; sign-offs carry it."""
    return digest_json(policy.plain())


def compare_policies(old: Policy, new: Policy) -> PolicyChange:
    """What differs, which differences demand less, and whether the version number tells of it."""
    lines: list[str] = []
    weaker: list[str] = []
    _approvals(old, new, lines, weaker)
    _gates(old, new, lines, weaker)
    _evidence(old, new, lines, weaker)
    if parse_duration(old.longest_exception) != parse_duration(new.longest_exception):
        lines.append(f"Exceptions may hold for {new.longest_exception} instead of {old.longest_exception}")
        if parse_duration(new.longest_exception) > parse_duration(old.longest_exception):
            weaker.append(lines[-1])
    if parse_duration(old.sign_off_valid) != parse_duration(new.sign_off_valid):
        text = f"Sign-offs hold for {new.sign_off_valid} instead of {old.sign_off_valid}"
        lines.append(text)
        if parse_duration(new.sign_off_valid) > parse_duration(old.sign_off_valid):
            weaker.append(text)
    problems = []
    if old.name == new.name and policy_digest(old) != policy_digest(new) and new.version <= old.version:
        problems.append(f"The content of {new.name} changed but its version is {new.version} after {old.version}")
    return PolicyChange(lines=lines, weaker=weaker, problems=problems)


def refuse_weaker(change: PolicyChange, *, approved: bool) -> None:
    """A policy that demands less takes effect only when enough reviewers approved that very change.

    Raises:
        Refused: listing what would be demanded no longer.
    """
    if (change.weaker and not approved) or change.problems:
        raise Refused(
            "The policy demands less than the one in force" if change.weaker else "The policy's version must rise",
            detail="; ".join([*change.weaker, *change.problems]),
            remedy="Have the change signed off by as many reviewers as the policy in force asks for, "
            "and raise the policy's version.",
        )


def _approvals(old: Policy, new: Policy, lines: list[str], weaker: list[str]) -> None:
    if old.approvals != new.approvals:
        text = f"{new.approvals} approvals are needed instead of {old.approvals}"
        lines.append(text)
        if new.approvals < old.approvals:
            weaker.append(text)
    for role in sorted(set(new.approver_roles) - set(old.approver_roles)):
        lines.append(f"The role {role} may approve too")
        weaker.append(lines[-1])
    lines += [f"The role {role} may no longer approve" for role in old.approver_roles if role not in new.approver_roles]


def _gates(old: Policy, new: Policy, lines: list[str], weaker: list[str]) -> None:
    before, after = {rule.id: rule for rule in old.gates}, {rule.id: rule for rule in new.gates}
    for name in sorted(after.keys() - before.keys()):
        lines.append(f"New gate {name}: {_rule(after[name])}")
    for name in sorted(before.keys() - after.keys()):
        lines.append(f"Gate {name} is gone: {_rule(before[name])}")
        weaker.append(lines[-1])
    for name in sorted(before.keys() & after.keys()):
        if _demand(before[name]) != _demand(after[name]):
            lines.append(f"Gate {name}: {_rule(after[name])} instead of {_rule(before[name])}")
            if _is_weaker(before[name], after[name]):
                weaker.append(lines[-1])


def _evidence(old: Policy, new: Policy, lines: list[str], weaker: list[str]) -> None:
    before, after = {item.kind: item for item in old.evidence}, {item.kind: item for item in new.evidence}
    for kind in sorted({*before, *after}):
        was, now = before.get(kind), after.get(kind)
        if was == now:
            continue
        lines.append(f"Evidence {kind}: {_wanted(now)} instead of {_wanted(was)}")
        if was is not None and (now is None or _asks_less(was, now)):
            weaker.append(lines[-1])


def _wanted(item: RequiredEvidence | None) -> str:
    return "not asked for" if item is None else f"within {item.within or 'any age'} ({item.severity})"


def _asks_less(was: RequiredEvidence, now: RequiredEvidence) -> bool:
    ages = [parse_duration(item.within) if item.within else float("inf") for item in (was, now)]
    return ages[1] > ages[0] or (was.severity, now.severity) == ("block", "warn")


def _demand(rule: GateRule) -> tuple[str, str, float | str | bool, str, bool]:
    return rule.fact, rule.op, rule.value, rule.severity, rule.waivable


def _rule(rule: GateRule) -> str:
    fixed = "" if rule.waivable else ", no exceptions"
    return f"{rule.fact} {rule.op} {rule.value} ({rule.severity}{fixed})"


def _is_weaker(old: GateRule, new: GateRule) -> bool:
    """Not provably as strict: only a stricter bound on the same fact, or a block, is safe."""
    if (old.severity == "block" and new.severity == "warn") or (new.waivable and not old.waivable):
        return True
    same = (old.fact, old.op) == (new.fact, new.op)
    if same and old.value == new.value:
        return False
    if not same or isinstance(old.value, bool | str) or isinstance(new.value, bool | str):
        return True
    if old.op in (">=", ">"):
        return new.value < old.value
    return new.value > old.value if old.op in ("<=", "<") else True
