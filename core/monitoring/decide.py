"""What signals lead to: the project's triggers, their cool-downs, and when a retraining would be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from core.kernel.clock import parse_utc, utc_text
from core.kernel.durations import span
from core.monitoring.records import Action, Decision, PastAction, Signal, SignalKind
from core.project.schema import Trigger

KINDS: tuple[SignalKind, ...] = ("data", "slo", "quality", "drift")


def decide(
    signals: Sequence[Signal], triggers: Sequence[Trigger], last_actions: Sequence[PastAction], now: datetime
) -> list[Decision]:
    """One decision for each model, kind of signal and trigger: a thousand breaches lead to one action.

    - Signals of severity ``info`` and kinds without a trigger are logged.
    - Within a trigger's cool-down since its last action the signals are logged.
    - While columns look broken (all null, constant, gone) nothing is retrained: a model must not learn
      from a fault of logging. That is an alert about data, whatever kind the signals are.
    - Two triggers that ask for the same action on the same model act once.
    """
    decisions: list[Decision] = []
    for model in sorted({signal.model for signal in signals}):
        mine = [signal for signal in signals if signal.model == model]
        broken = sorted({signal.subject for signal in mine if signal.fault})
        for kind in KINDS:
            group = [signal for signal in mine if signal.kind == kind]
            if group:
                decisions += _for_kind(kind, model, group, triggers, last_actions, now, broken)
    return _once(decisions)


def _for_kind(
    kind: SignalKind,
    model: str,
    group: list[Signal],
    triggers: Sequence[Trigger],
    last_actions: Sequence[PastAction],
    now: datetime,
    broken: list[str],
) -> list[Decision]:
    keys = [signal.key for signal in group]
    serious = [signal for signal in group if signal.severity != "info"]
    mine = [trigger for trigger in triggers if trigger.on == kind]
    if not serious:
        return [_decision("log", kind, model, keys, "below what anybody must be told of")]
    if not mine:
        fault = any(signal.fault for signal in serious)
        reason = f"{', '.join(broken)} look broken" if fault else "no trigger speaks of it"
        return [_decision("alert" if fault else "log", kind, model, keys, reason)]
    return [_for_trigger(trigger, kind, model, serious, last_actions, now, broken) for trigger in mine]


def _for_trigger(
    trigger: Trigger,
    kind: SignalKind,
    model: str,
    serious: list[Signal],
    last_actions: Sequence[PastAction],
    now: datetime,
    broken: list[str],
) -> Decision:
    keys = [signal.key for signal in serious]
    if trigger.action == "retrain" and broken:
        reason = f"{', '.join(broken)} look broken: a fault of logging, not of the world; repair the data first"
        return _decision("alert", kind, model, keys, reason, held="retrain")
    until = _cooling(trigger, last_actions, now)
    if until is not None:
        reason = f"cool-down of {trigger.cooldown} until {utc_text(until)}"
        return _decision("log", kind, model, keys, reason, held=trigger.action)
    return _decision(trigger.action, kind, model, keys, "; ".join(signal.summary for signal in serious[:5]))


def _cooling(trigger: Trigger, last_actions: Sequence[PastAction], now: datetime) -> datetime | None:
    """The end of the trigger's cool-down if it still runs. A last action in the future (a clock set back) holds too."""
    if trigger.action == "log":
        return None
    past = [parse_utc(item.at) for item in last_actions if item.on == trigger.on and item.action == trigger.action]
    until = max(past) + span(trigger.cooldown) if past else now - timedelta(seconds=1)
    return until if now < until else None


def _decision(
    action: Action, kind: SignalKind, model: str, keys: list[str], reason: str, held: Action | None = None
) -> Decision:
    return Decision(action=action, on=kind, model=model, signals=sorted(set(keys)), reason=reason, held=held)


def _once(decisions: list[Decision]) -> list[Decision]:
    """A model is retrained or rolled back once; and what is rolled back is not retrained in the same breath."""
    rolled = {item.model for item in decisions if item.action == "rollback"}
    done: set[tuple[str, Action]] = set()
    out = []
    for item in decisions:
        change: dict[str, object] = {}
        if item.action == "retrain" and item.model in rolled:
            change = {"action": "log", "held": "retrain", "reason": "the model is being rolled back"}
        elif item.action in ("retrain", "rollback") and (item.model, item.action) in done:
            change = {"action": "log", "held": item.action, "reason": f"{item.action} is decided already"}
        done.add((item.model, item.action))
        out.append(item.model_copy(update=change))
    return out
