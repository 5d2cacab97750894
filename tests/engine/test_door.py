"""The one door for change: who may do what, what is recorded, what happens twice, and when the clock runs back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import col, select

from core.engine import catalogue
from core.engine.actors import ENGINE, Actor, roles_of
from core.engine.context import Context, Done
from core.engine.engine import Engine
from core.engine.questions.governance import ledger_verify
from core.engine.registry import JOB_KINDS, OPERATIONS, QUESTIONS
from core.identity.roles import PERMISSIONS, Role, authorise
from core.kernel.clock import FixedClock
from core.kernel.errors import Conflict, InputError, NotFound, PlimsollError, Refused
from core.store.tables import LedgerEntry, RoleGrant, User

from ..faults.orders import PASSPHRASE

catalogue.load()


def entries(engine: Engine) -> list[LedgerEntry]:
    with engine.workspace.database.reading() as session:
        return list(session.exec(select(LedgerEntry).order_by(col(LedgerEntry.seq))))


def actor_as(role: Role) -> Actor:
    if role is Role.SYSTEM:
        return ENGINE
    return Actor(user=f"user-{role}", name=role, full_name=role, person=role, roles=[str(role)], proof="test")


@pytest.mark.parametrize("role", list(Role))
def test_every_operation_for_every_role(engine: Engine, role: Role) -> None:
    """Who may not is refused, with an entry that says so, before the operation sees the request."""
    actor = actor_as(role)
    for name, operation in sorted(OPERATIONS.items()):
        seen: list[str] = []
        before = engine.newest()

        def function(_context: Context, seen: list[str] = seen) -> Done:
            seen.append("ran")
            return Done(summary="allowed")

        allowed = authorise([str(role)], operation.permission)
        if allowed:
            engine.dispatcher.carry_out(name, operation.permission, actor, function)
        else:
            with pytest.raises(Refused) as refusal:
                engine.dispatcher.carry_out(name, operation.permission, actor, function)
            assert refusal.value.exit_code == 3
            assert refusal.value.remedy
        assert bool(seen) == allowed, (name, role)
        last = entries(engine)[-1]
        assert (last.seq, last.kind, last.outcome) == (before + 1, name, "done" if allowed else "refused")
        assert last.actor == actor.user
    assert ledger_verify(engine)["ok"]


def test_the_table_of_operations_is_whole() -> None:
    """Each operation and job kind names a known permission, and each has words for people."""
    assert len(OPERATIONS) >= 20
    assert len(JOB_KINDS) >= 12
    assert len(QUESTIONS) >= 20
    for operation in OPERATIONS.values():
        assert operation.permission in PERMISSIONS
        assert operation.function.__doc__
        assert operation.request.__doc__
    for kind in JOB_KINDS.values():
        assert kind.permission in PERMISSIONS
        module, _, function = kind.work.partition(":")
        assert module.startswith("core.engine.work.")
        assert function
    for question in QUESTIONS.values():
        assert question.__doc__


@pytest.mark.parametrize(
    ("who", "operation", "request_"),
    [
        ("one-viewer", "user.add", {"name": "mallory", "roles": ["admin"]}),
        ("one-reviewer", "user.grant", {"user": "one-reviewer", "role": "operator", "reason": "please"}),
        ("one-analyst", "release.sign", {"release": "latest", "meaning": "approve"}),
        ("one-admin", "release.sign", {"release": "latest", "meaning": "approve"}),
        ("one-reviewer", "release.package", {"release": "latest"}),
        ("one-viewer", "project.load", {"path": "."}),
    ],
)
def test_refused_through_the_real_operation(engine: Engine, who: str, operation: str, request_: dict[str, Any]) -> None:
    token = engine.login(who, PASSPHRASE)
    with pytest.raises(Refused):
        engine.change(token, operation, request_, PASSPHRASE, None)
    assert (entries(engine)[-1].kind, entries(engine)[-1].outcome) == (operation, "refused")


def test_a_request_id_is_answered_once(engine: Engine) -> None:
    token = engine.login("founder", None)
    request = {"name": "new", "roles": ["viewer"]}
    first = engine.change(token, "user.add", request, PASSPHRASE, "rq-1")
    before = engine.newest()
    assert engine.change(token, "user.add", request, PASSPHRASE, "rq-1") == first
    assert engine.newest() == before
    with pytest.raises(Conflict, match="already"):
        engine.change(token, "user.add", request, PASSPHRASE, "rq-2")


def test_a_request_id_answers_nobody_else(engine: Engine) -> None:
    founder = engine.login("founder", None)
    engine.change(founder, "user.add", {"name": "new", "roles": ["viewer"]}, PASSPHRASE, "rq-1")
    other = engine.login("one-viewer", PASSPHRASE)
    for token, name in ((other, "user.add"), (founder, "user.grant")):
        with pytest.raises(Conflict, match="belongs to another"):
            engine.change(
                token,
                name,
                {"name": "new", "roles": ["viewer"]}
                if name == "user.add"
                else {"user": "new", "role": "viewer", "reason": "x"},
                PASSPHRASE,
                "rq-1",
            )


def test_a_failing_operation_leaves_nothing(engine: Engine) -> None:
    before = engine.newest()

    def function(context: Context) -> Done:
        context.add(User, "user", name="half", full_name="half", person="half")
        context.session.flush()
        raise InputError("No")

    with pytest.raises(InputError):
        engine.dispatcher.carry_out("test.fail", "read", ENGINE, function)
    assert engine.newest() == before
    with engine.workspace.database.reading() as session:
        assert session.exec(select(User).where(User.name == "half")).first() is None


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"name": "Upper", "roles": ["viewer"]}, "not a valid AddUser"),
        ({"name": "new"}, "not a valid AddUser"),
        ({"name": "new", "roles": ["emperor"]}, "roles cannot be given"),
        ({"name": "new", "roles": ["admin", "reviewer"]}, "roles cannot be given"),
        ({"name": "new", "roles": ["viewer"], "more": 1}, "not a valid AddUser"),
    ],
)
def test_wrong_requests(engine: Engine, request_: dict[str, Any], words: str) -> None:
    token = engine.login("founder", None)
    before = engine.newest()
    with pytest.raises(InputError, match=words) as error:
        engine.change(token, "user.add", request_, PASSPHRASE, None)
    assert error.value.problems
    assert engine.newest() == before


def test_what_is_not_there(engine: Engine) -> None:
    token = engine.login("founder", None)
    with pytest.raises(NotFound):
        engine.change(token, "no.such", {}, None, None)
    with pytest.raises(NotFound):
        engine.ask(token, "no_such", {})
    with pytest.raises(NotFound):
        engine.login("nobody", PASSPHRASE)
    with pytest.raises(Refused, match="session has ended"):
        engine.ask("no token", "ledger", {})


def test_proof(engine: Engine) -> None:
    """Only the founder is let in by the operating system's word; a wrong passphrase is in the ledger."""
    assert engine.ask(engine.login("", None), "whoami", {})["proof"] == "operating system account"
    with pytest.raises(Refused, match="must prove"):
        engine.login("one-reviewer", None)
    with pytest.raises(Refused, match="does not open"):
        engine.login("one-reviewer", "a wrong passphrase")
    assert [(row.kind, row.outcome) for row in entries(engine)[-2:]] == [("session.login", "refused")] * 2


def test_a_locked_key_stays_locked(engine: Engine) -> None:
    for _ in range(12):
        with pytest.raises(Refused) as refusal:
            engine.login("one-viewer", "a wrong passphrase")
    assert "lock" in str(refusal.value).lower()
    with pytest.raises(Refused, match=r"(?i)lock"):
        engine.login("one-viewer", PASSPHRASE)


def test_sessions_end(engine_at: Callable[[datetime], tuple[Engine, FixedClock]]) -> None:
    engine, clock = engine_at(datetime.now(UTC))
    token = engine.login("founder", None)
    clock.advance(timedelta(hours=13))
    with pytest.raises(Refused, match="session has ended"):
        engine.ask(token, "whoami", {})


def test_a_clock_set_back(engine_at: Callable[[datetime], tuple[Engine, FixedClock]]) -> None:
    """Refused, again and again, until the clock is right; reading goes on."""
    engine, clock = engine_at(datetime.now(UTC) + timedelta(days=1))
    token = engine.login("founder", None)
    engine.change(token, "user.add", {"name": "before", "roles": ["viewer"]}, PASSPHRASE, None)
    clock.advance(-timedelta(hours=2))
    for number in range(3):
        with pytest.raises(Refused, match="clock was set back"):
            engine.change(token, "user.add", {"name": f"n{number}", "roles": ["viewer"]}, PASSPHRASE, None)
    assert "before" in engine.ask(token, "users", {})["name"].to_list()
    assert "n0" not in engine.ask(token, "users", {})["name"].to_list()
    times = [row.at for row in entries(engine)]
    assert times == sorted(times)
    clock.advance(timedelta(hours=2, minutes=1))
    engine.change(token, "user.add", {"name": "after", "roles": ["viewer"]}, PASSPHRASE, None)
    assert ledger_verify(engine)["ok"]


def test_a_small_step_back_does_not_turn_the_newest_round(
    engine_at: Callable[[datetime], tuple[Engine, FixedClock]],
) -> None:
    """A role that is taken away while the clock is corrected by a minute stays taken away."""
    engine, clock = engine_at(datetime.now(UTC) + timedelta(days=1))
    token = engine.login("founder", None)
    engine.change(token, "user.grant", {"user": "one-viewer", "role": "operator", "reason": "on call"}, None, None)
    clock.advance(-timedelta(minutes=1))
    engine.change(token, "user.revoke", {"user": "one-viewer", "role": "operator", "reason": "no more"}, None, None)
    with engine.workspace.database.reading() as session:
        user = session.exec(select(User).where(User.name == "one-viewer")).one()
        assert roles_of(session, user.id) == ["viewer"]
        grants = session.exec(select(RoleGrant).where(RoleGrant.user == user.id)).all()
    assert len({grant.created_at for grant in grants}) == 3


def test_a_workspace_opens_with_the_clock_set_back(
    workspace: Any, engine_at: Callable[[datetime], tuple[Engine, FixedClock]]
) -> None:
    engine, _clock = engine_at(datetime.now(UTC) - timedelta(days=2))
    assert engine.ask(engine.login("founder", None), "users", {}).height == 6
    with pytest.raises(PlimsollError, match="clock was set back"):
        engine.dispatcher.carry_out("test.note", "read", ENGINE, lambda context: Done(summary="x"))


def test_schedules(engine: Engine) -> None:
    """What a person must do is refused; what is not a schedule says so; a scheduled run goes through the door."""
    token = engine.login("founder", None)
    add = {"name": "nightly", "cron": "0 3 * * *", "operation": "pipeline.run", "request": {"reason": "nightly"}}
    with pytest.raises(Refused, match="needs a person"):
        engine.change(
            token, "schedule.add", {**add, "operation": "release.package", "request": {"release": "x"}}, None, None
        )
    for wrong in ({"cron": "every day"}, {"operation": "no.such"}, {"request": {"nonsense": 1}}):
        with pytest.raises(InputError):
            engine.change(token, "schedule.add", {**add, **wrong}, None, None)
    engine.change(token, "schedule.add", add, None, None)
    with pytest.raises(Conflict):
        engine.change(token, "schedule.add", add, None, None)
    assert [row["state"] for row in engine.ask(token, "schedules", {})] == ["on"]
    before = engine.newest()
    engine.scheduler.run("release.package", {"release": "x"})
    assert (entries(engine)[-1].actor, entries(engine)[-1].outcome) == ("system", "refused")
    engine.scheduler.run("pipeline.run", {})  # no project: told to the log, not to anybody's face
    assert engine.newest() == before + 1
    engine.change(token, "schedule.remove", {"name": "nightly"}, None, None)
    assert [row["state"] for row in engine.ask(token, "schedules", {})] == ["off"]
