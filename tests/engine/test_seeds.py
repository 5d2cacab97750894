"""Runs that differ in their seed alone, among runs that differ in more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlmodel import Session, create_engine

from core.engine.seeds import seeds_of
from core.store.tables import Run

SAME = {"training_set": "snap-1", "features": "f", "label": "l", "split": "s"}


def run(number: int, seed: int, value: float | None, **changes: object) -> Run:
    moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    given = {"name": "trees", "project": "p", "trainer": "boosting", "settings": {"leaves": 7}, "inputs": SAME}
    metrics = {} if value is None else {"test.roc_auc": value}
    rest = {"environment": {}, "resources": {}, "artefacts": {}, "started_at": moment, "seconds": 1.0}
    made = {**given, **rest, "id": f"run-{number}", "seed": seed, "metrics": metrics}
    return Run(**{**made, "created_at": moment, "created_by": "u", **changes})


def test_the_newest_value_of_each_seed_of_the_same_candidate_on_the_same_data() -> None:
    engine = create_engine("duckdb:///:memory:")
    Run.__table__.create(engine)  # type: ignore[attr-defined]
    rows = [
        run(1, 7, 0.70),
        run(2, 8, 0.72),
        run(3, 8, 0.73),  # the same seed again: the newest counts
        run(4, 9, 0.10, settings={"leaves": 9}),
        run(5, 10, 0.20, inputs={**SAME, "training_set": "snap-2"}),
        run(6, 11, 0.30, name="other"),
        run(7, 12, None),
    ]
    with Session(engine) as session:
        session.add(rows[0])
        session.commit()
        assert seeds_of(session, "run-1", "test.roc_auc") is None  # one seed is no spread
        session.add_all(rows[1:])
        session.commit()
        found = seeds_of(session, "run-1", "test.roc_auc")
    assert found == {"metric": "test.roc_auc", "seeds": [7, 8], "values": [0.70, 0.73]}
