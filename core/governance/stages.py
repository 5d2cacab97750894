"""The stages of a model version: which moves are legal, and what each must have established first."""

from __future__ import annotations

from collections.abc import Sequence

from core.governance.records import Stage, StageFacts, StageMove
from core.kernel.errors import Problem, Refused

# (from, to) -> the facts that must hold
EDGES: dict[tuple[Stage, Stage], tuple[str, ...]] = {
    ("candidate", "staging"): ("gates_passed", "content_unchanged"),
    ("candidate", "rejected"): ("reason",),
    ("candidate", "archived"): ("reason",),
    ("staging", "production"): ("gates_passed", "approved", "content_unchanged"),
    ("staging", "rejected"): ("reason",),
    ("staging", "archived"): ("reason",),
    ("production", "archived"): ("reason",),
    ("archived", "production"): ("was_in_production", "gates_passed", "approved", "content_unchanged", "reason"),
}

_MISSING: dict[str, Problem] = {
    "gates_passed": Problem("A blocking gate has not passed", remedy="Run the gates and read their outcomes."),
    "approved": Problem("The sign-offs are not complete", remedy="Ask the reviewers who are still missing."),
    "content_unchanged": Problem(
        "The content is not what was judged", remedy="Propose the changed content as a new release."
    ),
    "was_in_production": Problem(
        "It was never in production, so this is no rollback", remedy="Promote it by way of staging."
    ),
    "reason": Problem("No reason was given", remedy="Say why."),
}


def allowed_moves(stage: Stage) -> list[Stage]:
    """Where a version can go from here, in alphabetical order."""
    return sorted(after for before, after in EDGES if before == stage)


def check_move(before: Stage, after: Stage, facts: StageFacts) -> StageMove:
    """Decide a move.

    Raises:
        Refused: when there is no such move, or with everything that it still lacks.
    """
    needs = EDGES.get((before, after))
    if needs is None:
        choice = ", ".join(allowed_moves(before)) or "nowhere: this is final"
        raise Refused(f"A version cannot go from {before} to {after}", remedy=f"From {before} it can go to: {choice}.")
    problems = [_MISSING[need] for need in needs if not _holds(facts, need)]
    if problems:
        raise Refused(f"The version cannot go from {before} to {after} yet", problems=problems)
    return StageMove(before=before, after=after, reason=facts.reason.strip())


def _holds(facts: StageFacts, need: str) -> bool:
    value = getattr(facts, need)
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def current_stage(moves: Sequence[StageMove]) -> Stage:
    """The stage after a history of moves, oldest first.

    Raises:
        Refused: when the history has a gap or an illegal move: it was not written by this code.
    """
    stage: Stage = "candidate"
    for number, move in enumerate(moves, start=1):
        if move.before != stage or (move.before, move.after) not in EDGES:
            raise Refused(
                "The recorded history of stages is not possible",
                where=f"move {number}",
                detail=f"It goes from {move.before} to {move.after}, and the stage was {stage}.",
                remedy="Verify the ledger: a row was changed or removed.",
            )
        stage = move.after
    return stage
