"""Jobs: progress, live curves, cancel, time limit, killed workers, order, and what the store says afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

from core.engine import pool
from core.engine.actors import ENGINE
from core.engine.context import Context, Done, state_of
from core.engine.engine import Engine
from core.engine.jobs import JobView, submit
from core.engine.questions.governance import ledger_verify
from core.engine.registry import JOB_KINDS, JobKind, JobOutcome
from core.store.tables import Job

LONG_S = 90.0


@pytest.fixture
def running(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with one worker that knows the sample jobs."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    for name in ("counts", "waits", "deaf", "refuses", "breaks"):
        timeout = 1.5 if name == "deaf" else 600.0
        kind = JobKind(f"test.{name}", "read", f"job_samples:{name}", keep, (), timeout)
        monkeypatch.setitem(JOB_KINDS, kind.name, kind)
    engine = Engine(workspace, slots=1)
    open_still = [engine]
    real_close = engine.close

    def close_once() -> None:
        if open_still:
            open_still.pop()
            real_close()

    monkeypatch.setattr(engine, "close", close_once)
    yield engine
    engine.close()


def keep(context: Context, outcome: JobOutcome) -> Done:
    return Done(summary="kept", result=outcome.value)


def start(engine: Engine, name: str, **params: Any) -> JobView:
    def queue(context: Context) -> Done:
        job = submit(context, f"test.{name}", f"Sample {name}", params=params, inputs={})
        return Done(summary="queued", result={"job": job})

    return engine.jobs.view(str(engine.dispatcher.carry_out("test.queue", "read", ENGINE, queue)["job"]))


def ended(view: JobView) -> JobView:
    assert view.ended.wait(LONG_S)
    return view


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stored_state(engine: Engine, job: str) -> str | None:
    with engine.workspace.database.reading() as session:
        return state_of(session, "job", job)


def test_progress_results_and_order(running: Engine) -> None:
    """Jobs of one worker run in the order in which they were queued, in one warm process."""
    views = [start(running, "counts", said=number) for number in range(3)]
    for number, view in enumerate(views):
        ended(view)
        assert view.state == "done", view.error
        assert view.result["said"] == number
        assert (view.done, view.total, view.message) == (10, 10, "number 9")
        assert view.metrics["loss"][-1] == (9, 0.1)
        assert view.log == ["counted"]
        assert stored_state(running, view.job) == "done"
    assert len({view.result["pid"] for view in views}) == 1
    assert [view.started_at for view in views] == sorted(view.started_at for view in views)
    assert list(running.workspace.jobs.iterdir()) == []
    assert b"a library that prints" in (running.workspace.root / "workers.log").read_bytes()


def test_live_curve_and_cancel(running: Engine, tmp_path: Path) -> None:
    view = start(running, "waits", **{"for": str(tmp_path / "never")})
    queued = start(running, "counts", said="queued")
    until(lambda: view.message == "waiting" and bool(view.metrics))
    running.jobs.cancel(queued.job)
    running.jobs.cancel(view.job)
    assert ended(view).state == "cancelled"
    assert ended(queued).state == "cancelled"
    assert ended(start(running, "counts", said="after")).state == "done"
    assert stored_state(running, view.job) == "cancelled"


def test_a_cancel_at_any_moment_is_heard(running: Engine, tmp_path: Path) -> None:
    """Also between the queue and the worker's first look."""
    for number in range(8):
        view = start(running, "waits", **{"for": str(tmp_path / "never")})
        time.sleep(number * 0.01)
        running.jobs.cancel(view.job)
        assert ended(view).state == "cancelled"


def test_a_deaf_job_is_killed(running: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CANCEL_PATIENCE_S", 0.1)
    view = start(running, "deaf")
    until(lambda: view.message == "deaf")
    running.jobs.cancel(view.job)
    assert ended(view).state == "cancelled"
    assert ended(start(running, "counts", said=1)).state == "done"


def test_the_time_limit(running: Engine) -> None:
    view = ended(start(running, "deaf"))
    assert view.state == "failed"
    assert view.error is not None
    assert "longer than" in view.error["headline"]


def test_a_killed_worker(running: Engine, tmp_path: Path) -> None:
    view = start(running, "waits", **{"for": str(tmp_path / "never")})
    until(lambda: view.message == "waiting")
    assert view.worker is not None
    os.kill(view.worker.pid, signal.SIGKILL)
    assert ended(view).state == "failed"
    assert view.error is not None
    assert view.error["headline"] == "The worker process ended in the middle of the job"
    assert stored_state(running, view.job) == "failed"
    assert ended(start(running, "counts", said=1)).state == "done"
    assert ledger_verify(running)["ok"]


def test_failures_have_words(running: Engine) -> None:
    wrong = ended(start(running, "refuses"))
    assert wrong.error is not None
    assert (wrong.error["error"], wrong.error["headline"], wrong.error["remedy"]) == (
        "InputError", "The input is wrong", "Mend it."
    )  # fmt: skip
    fault = ended(start(running, "breaks"))
    assert fault.error is not None
    assert fault.error["headline"] == "The work failed"
    assert "Traceback" not in str(fault.error)
    assert "Traceback" in (running.workspace.jobs / fault.job / "log.txt").read_text()


def test_a_closed_engine_leaves_no_job_behind(running: Engine, tmp_path: Path, workspace: Path) -> None:
    """Nobody waits for ever; the next owner says what became of running and queued jobs."""
    views = [start(running, "waits", **{"for": str(tmp_path / "never")}) for _ in range(3)]
    until(lambda: views[0].message == "waiting")
    running.close()
    assert [ended(view).state for view in views] == ["interrupted"] * 3
    again = Engine(workspace, slots=0)
    try:
        with again.workspace.database.reading() as session:
            assert {state_of(session, "job", job.id) for job in session.exec(select(Job))} == {"interrupted"}
    finally:
        again.close()
