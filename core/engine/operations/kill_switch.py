"""The kill switch of a target: who pulled it, why, and who let it go again."""

from __future__ import annotations

from pydantic import Field

from core.engine.context import Context, Done
from core.engine.jobs import submit
from core.engine.operations.delivery import target_row
from core.engine.registry import JobOutcome, job_kind, operation
from core.kernel.records import Record
from core.store.tables import Decision


class SwitchTarget(Record):
    """Stop a target from answering, or let it answer again."""

    target: str
    reason: str = Field(min_length=1)


@operation("deploy.kill", "deploy.rollback", SwitchTarget)
def start_kill(context: Context, request: SwitchTarget) -> Done:
    """Queue pulling the kill switch."""
    return _queue(context, request, True)


@operation("deploy.revive", "deploy.rollback", SwitchTarget)
def start_revive(context: Context, request: SwitchTarget) -> Done:
    """Queue releasing the kill switch."""
    return _queue(context, request, False)


def _queue(context: Context, request: SwitchTarget, kill: bool) -> Done:
    target = target_row(context.session, request.target)
    title = f"{'Kill' if kill else 'Revive'} {target.name}"
    params = {"target": target.spec, "kill": kill, "reason": request.reason, "actor": context.actor.name}
    job = submit(context, "deploy.kill_switch", title, params=params, inputs={})
    return Done(subject=target.id, summary=f"{title}: {request.reason}", result={"job": job})


@job_kind(
    "deploy.kill_switch",
    "deploy.rollback",
    "core.engine.work.kill_switch:set_kill_switch",
    rooms=("delivery", "serving"),
)
def keep_kill_switch(context: Context, outcome: JobOutcome) -> Done:
    """Record that it was done, by whom and why."""
    params = outcome.params
    target = target_row(context.session, params["target"]["name"])
    state = "killed" if params["kill"] else "revived"
    context.transition("target", target.name, state, aspect="kill_switch", reason=params["reason"])
    evidence = {"reason": params["reason"], "by": params["actor"]}
    context.add(Decision, "dec", kind="kill_switch", subject=target.name, verdict=state, evidence=evidence)
    return Done(subject=target.id, summary=f"{target.name} is {state}", result=outcome.value)
