"""The stage machine: no illegal edge can be reached, whatever is asked in whatever order."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from core.governance.records import Stage, StageFacts, StageMove
from core.governance.stages import EDGES, allowed_moves, check_move, current_stage
from core.kernel.errors import Refused

STAGES: tuple[Stage, ...] = ("candidate", "staging", "production", "archived", "rejected")
ALL = StageFacts(gates_passed=True, approved=True, content_unchanged=True, was_in_production=True, reason="because")
FACTS = st.builds(
    StageFacts,
    gates_passed=st.booleans(),
    approved=st.booleans(),
    content_unchanged=st.booleans(),
    was_in_production=st.booleans(),
    reason=st.sampled_from(["", "  ", "because"]),
)


def test_only_the_listed_edges_exist() -> None:
    for before, after in product(STAGES, STAGES):
        if (before, after) in EDGES:
            assert check_move(before, after, ALL).after == after
        else:
            with pytest.raises(Refused, match="cannot go from"):
                check_move(before, after, ALL)
    assert allowed_moves("rejected") == []
    assert allowed_moves("candidate") == ["archived", "rejected", "staging"]


def test_every_need_is_enforced_alone_and_all_are_told() -> None:
    for (before, after), needs in EDGES.items():
        for need in needs:
            lacking = ALL.model_copy(update={need: "" if need == "reason" else False})
            with pytest.raises(Refused) as caught:
                check_move(before, after, lacking)
            assert len(caught.value.problems) == 1
        with pytest.raises(Refused) as caught:
            check_move(before, after, StageFacts())
        assert len(caught.value.problems) == len(needs)


def test_a_history_with_a_gap_is_noticed() -> None:
    good = [
        StageMove(before="candidate", after="staging", reason=""),
        StageMove(before="staging", after="production", reason=""),
    ]
    assert current_stage([]) == "candidate"
    assert current_stage(good) == "production"
    with pytest.raises(Refused, match="history of stages"):
        current_stage(good[1:])
    with pytest.raises(Refused, match="history of stages"):
        current_stage([StageMove(before="candidate", after="production", reason="")])


class Version(RuleBasedStateMachine):
    """Somebody asks for any move with any facts; a model of the rules watches."""

    def __init__(self) -> None:
        super().__init__()
        self.moves: list[StageMove] = []
        self.stage: Stage = "candidate"
        self.judged = False

    @rule(after=st.sampled_from(STAGES), facts=FACTS)
    def ask(self, after: Stage, facts: StageFacts) -> None:
        known = facts.model_copy(update={"was_in_production": any(m.after == "production" for m in self.moves)})
        try:
            move = check_move(self.stage, after, known)
        except Refused:
            return
        if after == "production":
            assert known.approved
            assert known.gates_passed
            assert known.content_unchanged
        if after in ("rejected", "archived"):
            assert known.reason.strip()
        self.moves.append(move)
        self.stage = after

    @invariant()
    def history_is_possible(self) -> None:
        assert current_stage(self.moves) == self.stage

    @invariant()
    def production_came_by_way_of_staging(self) -> None:
        path = [move.after for move in self.moves]
        if "production" in path:
            assert path.index("staging") < path.index("production")
        if "rejected" in path:
            assert path[-1] == "rejected"


Version.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestVersion = Version.TestCase
