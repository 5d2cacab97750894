"""Carrying an erasure to the places outside the workspace, and recording what came of it."""

from __future__ import annotations

from typing import Any

from core.engine.context import Context, Done
from core.engine.erasure_places import DONE, HELD, OPEN, PLACE, REACH, place_states, queue_reach, sealed_file
from core.engine.registry import JobOutcome, job_kind, operation
from core.kernel.clock import utc_text
from core.kernel.envelope import sign_statement
from core.kernel.errors import NotFound
from core.kernel.records import Record
from core.store.tables import Decision

PROOF = "erasure place"  # kept as a decision: a file would look like a change to a search that is under way
REACHED_TYPE = "application/vnd.plimsoll.erasure-place+json"


class Reach(Record):
    """Try a place at which an erasure is still open, or all of them."""

    place: str = ""


@operation(REACH, REACH, Reach)
def reach(context: Context, request: Reach) -> Done:
    """Queue a try at each open place."""
    jobs = queue_reach(context, request.place)
    if not jobs and request.place:
        raise NotFound(f"Nothing is open at {request.place!r}", remedy="List them with `plimsoll privacy places`.")
    return Done(summary=f"{len(jobs)} places are tried", result={"jobs": jobs})


@job_kind(REACH, REACH, "core.engine.work.erasure:reach", rooms=("data", "serving", "delivery"), timeout_s=1800)
def keep_reached(context: Context, outcome: JobOutcome) -> Done:
    """Record what came of it; the station signs for a place that is done."""
    place = outcome.params["place"]["name"]
    words = [_keep(context, place, one) for one in outcome.value["places"]]
    still = {one.erasure for one in place_states(context.session) if one.state != DONE and one.place != place}
    still |= {one["erasure"] for one, word in zip(outcome.value["places"], words, strict=True) if word != DONE}
    for erasure in {one["erasure"] for one in outcome.value["places"]} - still:
        file = sealed_file(context.workspace, erasure)
        context.afterwards.append(lambda file=file: file.unlink(missing_ok=True))  # type: ignore[misc]
    summary = f"{place}: {', '.join(words)}"
    return Done(subject=place, summary=summary, result={"place": place, "states": words, **outcome.value})


def _keep(context: Context, place: str, one: dict[str, Any]) -> str:
    state, reason = _judged(one)
    context.transition(PLACE, one["erasure"], state, reason=reason, aspect=place)
    if state == DONE:
        said = {"erasure": one["erasure"], "place": place, "at": utc_text(context.now), "found": reason}
        said["workspace"] = context.workspace.info.id
        envelope = sign_statement(REACHED_TYPE, said, context.workspace.station)
        found = {"values": one["values"], "lines": one["lines"], "envelope": envelope.plain()}
        context.add(Decision, "dec", kind=PROOF, subject=one["erasure"], verdict=place, evidence=found)
    return state


def _judged(one: dict[str, Any]) -> tuple[str, str]:
    if not one["reached"]:
        return OPEN, one["why"]
    words = f"{one['values']:,} feature values and {one['lines']:,} log lines removed"
    if one["releases"]:
        held = ", ".join(one["releases"])
        return HELD, f"{words}; golden rows of {held} hold the person: deliver a newer release and remove these"
    return DONE, words
