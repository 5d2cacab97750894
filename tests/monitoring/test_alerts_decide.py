"""Signals become few incidents, and decisions follow the project's triggers."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.kernel.clock import utc_text
from core.kernel.errors import Conflict, InputError
from core.monitoring.alerts import absorb, acknowledge, close, mute
from core.monitoring.decide import decide
from core.monitoring.playbooks import playbook, read_playbook
from core.monitoring.records import Incident, PastAction, Signal
from core.project.schema import Trigger

NOW = datetime(2013, 11, 4, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def signal(kind: Any = "drift", subject: str = "distance", severity: Any = "warning", **changes: Any) -> Signal:
    base = {"kind": kind, "model": "delay", "subject": subject, "severity": severity, "summary": f"{subject} moved"}
    return Signal.model_validate(base | changes)


def test_a_thousand_breaches_are_one_incident_and_one_call() -> None:
    incidents: list[Incident] = []
    told: list[str] = []
    for number in range(1000):
        out = absorb(incidents, [signal("slo", "up")], NOW + number * timedelta(minutes=1))
        incidents, told = out.incidents, told + out.notify
    assert len(incidents) == 1
    assert (incidents[0].breaches, len(incidents[0].alerts), told) == (1000, 1, [incidents[0].id])
    assert incidents[0].alerts[0].last_at == utc_text(NOW + timedelta(minutes=999))


def test_one_cause_with_many_columns_is_one_incident() -> None:
    out = absorb([], [signal(subject=f"c{n}") for n in range(1000)], NOW)
    assert len(out.incidents) == 1
    assert len(out.incidents[0].alerts) == 1000
    assert len(out.notify) == 1


def test_different_causes_are_different_incidents() -> None:
    kinds = [signal("drift"), signal("data", "x"), signal("slo", "up"), signal("slo", "fast"), signal("quality", "auc")]
    out = absorb([], [*kinds, signal(model="other")], NOW)
    assert len({incident.id for incident in out.incidents}) == 6
    assert len(out.notify) == 6


def test_info_opens_nothing_and_a_rise_tells_again() -> None:
    assert absorb([], [signal(severity="info")], NOW).incidents == []
    first = absorb([], [signal("slo", "up")], NOW)
    again = absorb(first.incidents, [signal("slo", "up")], NOW + HOUR)
    assert again.notify == []
    worse = absorb(again.incidents, [signal("slo", "up", "critical")], NOW + 2 * HOUR)
    assert worse.notify == [first.incidents[0].id]
    assert absorb(worse.incidents, [signal("slo", "up")], NOW + 3 * HOUR).incidents[0].severity == "critical"


def test_mutes_record_and_keep_quiet_until_they_end() -> None:
    quiet = mute("drift/delay/dist", NOW + HOUR, "omar", "known: new route", NOW)
    out = absorb([], [signal()], NOW, [quiet])
    assert (len(out.incidents), out.notify, out.muted) == (1, [], 1)
    mixed = absorb([], [signal(), signal(subject="origin")], NOW, [quiet])
    assert len(mixed.notify) == 1
    late = absorb([], [signal()], NOW + HOUR, [quiet])
    assert (len(late.notify), late.muted) == (1, 0)
    for bad in (("", HOUR, "x"), ("a", -HOUR, "x"), ("a", HOUR, " ")):
        with pytest.raises(InputError):
            mute(bad[0], NOW + bad[1], "omar", bad[2], NOW)


def test_acknowledge_and_close() -> None:
    incident = absorb([], [signal()], NOW).incidents[0]
    taken = acknowledge(incident, "omar", NOW + HOUR)
    assert taken.state == "acknowledged"
    assert absorb([taken], [signal()], NOW + HOUR).incidents[0].state == "acknowledged"
    with pytest.raises(InputError, match="reason"):
        close(taken, "omar", NOW, "  ")
    done = close(taken, "omar", NOW + 2 * HOUR, "a new route")
    assert [note.what for note in done.notes] == ["acknowledged", "closed"]
    with pytest.raises(Conflict):
        acknowledge(done, "omar", NOW)
    reopened = absorb([done], [signal()], NOW + 3 * HOUR)
    assert len(reopened.notify) == 1
    assert reopened.incidents[0].id != done.id


# --- decisions ----------------------------------------------------------------------------------------


def trigger(on: Any = "drift", action: Any = "retrain", cooldown: str = "7d") -> Trigger:
    return Trigger(on=on, action=action, cooldown=cooldown)


def actions(signals: list[Signal], triggers: list[Trigger], past: list[PastAction] | None = None) -> list[str]:
    return [decision.action for decision in decide(signals, triggers, past or [], NOW)]


def test_policy_decides() -> None:
    assert actions([signal()], [trigger()]) == ["retrain"]
    assert actions([signal()], [trigger(action="alert")]) == ["alert"]
    assert actions([signal()], []) == ["log"]
    assert actions([signal("slo", "up")], [trigger("slo", "rollback")]) == ["rollback"]
    assert actions([signal()], [trigger(), trigger(action="alert")]) == ["retrain", "alert"]
    assert actions([signal(severity="info")], [trigger()]) == ["log"]
    assert actions([], [trigger()]) == []
    assert actions([signal()], [Trigger(on="schedule", action="retrain", cron="0 3 * * 1")]) == ["log"]


def test_a_thousand_signals_are_one_decision() -> None:
    assert actions([signal(subject=f"c{n}") for n in range(1000)], [trigger()]) == ["retrain"]


def test_cool_down() -> None:
    def after(hours: float) -> list[PastAction]:
        return [PastAction(on="drift", action="retrain", at=utc_text(NOW - timedelta(hours=hours)))]

    decision = decide([signal()], [trigger(cooldown="24h")], after(23), NOW)[0]
    assert (decision.action, decision.held) == ("log", "retrain")
    assert "cool-down of 24h until 2013-11-04T10:00:00" in decision.reason
    assert actions([signal()], [trigger(cooldown="24h")], after(24)) == ["retrain"]
    assert actions([signal()], [trigger(cooldown="24h")], after(-5)) == ["log"]  # a clock set back holds
    other = [PastAction(on="slo", action="retrain", at=utc_text(NOW))]
    assert actions([signal()], [trigger()], other) == ["retrain"]


def test_broken_data_holds_every_retraining_and_nothing_else() -> None:
    broken = signal("data", "mean_delay", "critical", fault=True)
    triggers = [trigger(), trigger("quality"), trigger("slo", "rollback")]
    found = decide([broken, signal(), signal("quality", "auc"), signal("slo", "up")], triggers, [], NOW)
    assert {item.on: (item.action, item.held) for item in found} == {
        "data": ("alert", None),
        "drift": ("alert", "retrain"),
        "quality": ("alert", "retrain"),
        "slo": ("rollback", None),
    }
    elsewhere = broken.model_copy(update={"model": "other"})
    assert "retrain" in actions([elsewhere, signal()], [trigger()])


def test_one_retraining_for_two_reasons_and_none_beside_a_rollback() -> None:
    both = [signal(), signal("quality", "auc")]
    found = decide(both, [trigger(), trigger("quality")], [], NOW)
    assert [item.action for item in found] == ["retrain", "log"]
    assert found[1].held == "retrain"
    rolled = decide(both, [trigger(), trigger("quality", "rollback")], [], NOW)
    assert sorted(item.action for item in rolled) == ["log", "rollback"]


# --- playbooks, imports ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["data", "drift", "quality", "slo"])
def test_every_kind_has_a_playbook(kind: Any) -> None:
    book = playbook(kind)
    assert book.title
    assert len(book.steps) >= 5
    assert len(book.about) > 40


def test_a_playbook_without_steps_is_refused() -> None:
    with pytest.raises(InputError, match="numbered steps"):
        read_playbook("drift", "# Title\n\nwords\n")


def test_records_are_cheap_to_import() -> None:
    code = (
        "import sys, core.monitoring.records, core.governance.records, core.identity.roles, core.contract.signoffs;"
        "print(sorted({'polars','numpy','scipy','keyring','jinja2','sklearn'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ))
    assert out.stdout.strip() == "[]"
