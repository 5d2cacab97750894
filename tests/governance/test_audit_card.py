"""The auditor's five questions and the model card, with hostile text in every field (A30, A31, A32)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.contract.release import Evidence, GateOutcome
from core.governance.audit import audit_answer, audit_markdown, interval
from core.governance.card import BEGIN, END, empty_prose, missing_prose, read_prose, render_card
from core.governance.markdown import plain
from core.governance.records import (
    AuditApproval,
    AuditFacts,
    AuditFeature,
    AuditSnapshot,
    CardFacts,
    CardGroup,
    CardSlice,
)
from core.kernel.errors import InputError
from core.measures.records import Estimate

HOSTILE = "<img src=file:///etc/passwd> ![x](file:///x) [a](javascript:b) |cell| `c` # h\n\n# APPROVED \u202eesrever"
AUC = Estimate(value=0.74123, low=0.738, high=0.7444)


def snapshot(**changes: Any) -> AuditSnapshot:
    base = {
        "table": "flights",
        "snapshot": "snap-1",
        "digest": "b3:aa",
        "rows": 336_776,
        "ingested_at": "2013-11-01T00:00:00Z",
        "schema_digest": "b3:bb",
        "validation": "30 of 30 checks passed",
    }
    return AuditSnapshot.model_validate(base | changes)


def approval(person: str, **changes: Any) -> AuditApproval:
    base = {
        "name": person.title(),
        "person": person,
        "meaning": "approve",
        "signed_at": "2013-11-04T09:00:00Z",
        "comment": "fine",
        "key_id": "key-1",
        "ledger_seq": 12,
    }
    return AuditApproval.model_validate(base | changes)


GATE = GateOutcome(
    rule="auc", severity="block", passed=True, fact="f", op=">=", expected=">= 0.7", observed="0.738", why=""
)
FULL = AuditFacts(
    model="delay",
    version=3,
    release="rel-1",
    as_of="2013-11-05T00:00:00Z",
    run="run-1",
    snapshots=[snapshot(), snapshot(table="weather", rows=26_115)],
    contract_version="b3:cc",
    features=[AuditFeature(name="month", origin="request", expression="month(sched)")],
    evidence=[Evidence(kind="evaluation", id="rep-1", digest="b3:dd", summary="AUC 0.741")],
    metrics={"roc_auc": AUC},
    gates=[GATE],
    policy="release v1",
    policy_digest="b3:ee",
    approvals_needed=2,
    approvals=[approval("rita"), approval("omar"), approval("eve", counts=False, reason="the key was revoked")],
    previous="rel-0",
    changes=["Feature added: age"],
)


def test_all_five_questions_are_answered() -> None:
    answer = audit_answer(FULL)
    assert [section.question for section in answer.sections] == [
        "Which data and schema was it trained on?",
        "Which features does it use?",
        "Which evaluation justified it?",
        "Who approved it, and when?",
        "What changed since the model before?",
    ]
    assert answer.complete
    assert answer.sections[0].answer == "2 snapshots with 362,891 rows; contract version b3:cc."
    assert answer.sections[2].facts[0].value == "0.7412 (95 % 0.7380 to 0.7444)"
    assert answer.sections[3].answer == "2 people approved, 2 are needed."
    assert "not counted: the key was revoked" in answer.sections[3].facts[2].value
    assert answer.sections[3].facts[0].proof == "key-1, ledger entry 12"
    page = audit_markdown(answer)
    assert page.count("\n## ") == 5
    assert "Not provided" not in page


def test_what_is_missing_is_said() -> None:
    answer = audit_answer(AuditFacts(model="delay", version=1, release="", as_of="now"))
    assert not answer.complete
    assert all(section.missing for section in answer.sections)
    assert audit_markdown(answer).count("**Not provided:**") == sum(len(s.missing) for s in answer.sections)
    partial = audit_answer(FULL.model_copy(update={"snapshots": [snapshot(validation="")]}))
    assert partial.sections[0].missing == ["no validation report for flights"]
    same_person = audit_answer(FULL.model_copy(update={"approvals": [approval("rita"), approval("rita")]}))
    assert same_person.sections[3].missing == ["1 approvals"]


def card(**changes: Any) -> CardFacts:
    base: dict[str, Any] = {
        "title": "Flight delays",
        "model": "delay",
        "version": 3,
        "stage": "staging",
        "trainer": "boosting",
        "run": "run-1",
        "trained_at": "2013-11-01",
        "periods": {"train": "2013-01-01 .. 2013-07-01"},
        "data": [snapshot()],
        "features": FULL.features,
        "metrics": {"roc_auc": AUC, "brier": Estimate(value=0.15)},
        "threshold": 0.31,
        "slices": [CardSlice(name="carrier=OO", rows=1_200, error_rate=0.31, auc=AUC, stands_out=True)],
        "fairness_feature": "origin",
        "fairness": [CardGroup(group="EWR", rows=10, base_rate=0.2, selection_rate=0.25, tpr=None, fpr=0.1)],
        "gates": [GATE],
        "warnings": ["Worse in December"],
    }
    return CardFacts.model_validate(base | changes)


def test_the_card_shows_the_facts() -> None:
    text = render_card(card())
    assert text == render_card(card())
    for part in (
        "# Flight delays",
        "| roc\\_auc | 0.7412 (95 % 0.7380 to 0.7444) |",
        "| brier | 0.1500 |",
        "Decision threshold: 0.31.",
        "| carrier=OO | 1,200 | 31.0 % | 0.7412 (95 % 0.7380 to 0.7444) | yes |",
        "| EWR | 10 | 20.0 % | 25.0 % | — | 10.0 % |",
        "- Worse in December",
        "Personal data: none declared.",
    ):
        assert part in text
    assert not re.search(r"\|\n\n\|", text), "tables are in one piece"


def test_the_prose_survives_a_new_rendering_and_only_the_prose() -> None:
    edited = render_card(card()).replace(empty_prose(), "### Intended use\n\nOps planning only.")
    edited = edited.replace("0.7412", "0.9999")
    again = render_card(card(version=4), read_prose(edited))
    assert "Ops planning only." in again
    assert "0.9999" not in again
    assert "version 4" in again


def test_the_marks_of_the_prose_are_guarded() -> None:
    text = render_card(card())
    for broken in (text.replace(END, ""), text.replace(BEGIN, ""), text + BEGIN, END + text.replace(END, "") + ""):
        with pytest.raises(InputError, match="marks"):
            read_prose(broken)
    with pytest.raises(InputError, match="marks"):
        render_card(card(), f"{END} ## Metrics")


def test_empty_headings_are_listed() -> None:
    assert len(missing_prose(empty_prose())) == 5
    assert missing_prose("### Intended use\n\nx\n\n### Maintenance\n\ny") == [
        "Out of scope",
        "Known limitations",
        "Ethical considerations",
    ]


def test_an_empty_card_says_what_is_not_provided() -> None:
    nothing: dict[str, Any] = {"data": [], "features": [], "metrics": {}, "slices": [], "fairness": [], "gates": []}
    assert render_card(card(**nothing)).count("*Not provided.*") == 5 + 6


def test_hostile_text_stays_text() -> None:
    hostile = card(
        title=HOSTILE,
        description=HOSTILE,
        warnings=[HOSTILE],
        slices=[CardSlice(name=HOSTILE, rows=1, error_rate=0.0)],
        features=[AuditFeature(name=HOSTILE, origin="request", expression=HOSTILE)],
    )
    page = audit_markdown(audit_answer(FULL.model_copy(update={"model": HOSTILE, "changes": [HOSTILE]})))
    for text in (render_card(hostile), page):
        body = text.replace(BEGIN, "").replace(END, "")
        assert not re.search(r"(?<!\\)<", body)
        assert not re.search(r"(?<!\\)\]\(", body)
        assert "\n# APPROVED" not in body
        assert "\u202e" not in body
        assert "U+202E" in body
    rows = [line for line in render_card(hostile).splitlines() if "APPROVED" in line and line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {4, 6}


def test_plain_text_rules() -> None:
    assert plain("a\n\nb\tc") == "a b c"
    assert plain("1. x") == "1\\. x"
    assert plain("- x") == "\\- x"
    assert plain("a\u200bb") == "aU+200Bb"
    assert plain("x" * 3_000).endswith("… \\(3,000 characters\\)")
    assert interval(Estimate(value=1.0, low=None, high=2.0)) == "1.0000"
