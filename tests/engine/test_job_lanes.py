"""Jobs by priority, one to a GPU, tried again when their process dies, paused and resumed; curves whole and thinned."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.engine import jobs
from core.engine.curves import FILE, SHOWN, Curves, read_curves, thinned, write_frame
from core.engine.engine import Engine
from core.engine.job_queue import JobQueue, Ticket
from core.engine.job_view import KEEP_POINTS, JobView
from core.engine.registry import JOB_KINDS, JobKind
from core.kernel.errors import Refused

from .test_jobs import LONG_S, ended, keep, start, until


@pytest.fixture
def running(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with one worker; ``dies_twice`` may be tried three times."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setattr(jobs, "BACK_OFF_S", 0.05)
    for name, retries in (("dies_twice", 2), ("ticks", 0)):
        kind = JobKind(f"test.{name}", "read", f"job_samples:{name}", keep, (), 600.0, retries)
        monkeypatch.setitem(JOB_KINDS, kind.name, kind)
    engine = Engine(workspace, slots=1)
    yield engine
    engine.close()


def test_urgent_jobs_first_and_one_to_a_gpu() -> None:
    queue = JobQueue(lambda: 1)
    queue.put("late", priority=-1)
    queue.put("first on the gpu", gpu=True)
    queue.put("second on the gpu", gpu=True, priority=5)
    queue.put("plain")
    assert queue.take() == Ticket("second on the gpu", 0)
    assert queue.take() == Ticket("plain")  # the GPU is taken: what needs none goes past
    assert queue.take() == Ticket("late")
    got: list[Ticket | None] = []
    waiter = threading.Thread(target=lambda: got.append(queue.take()))
    waiter.start()
    queue.give_back(Ticket("second on the gpu", 0))
    waiter.join(LONG_S)
    assert got == [Ticket("first on the gpu", 0)]
    queue.close()
    assert queue.take() is None


def test_without_a_gpu_nobody_waits_for_one() -> None:
    queue = JobQueue(lambda: 0)
    queue.put("a", gpu=True)
    queue.put("b", gpu=True)
    assert [queue.take(), queue.take()] == [Ticket("a"), Ticket("b")]


def test_a_job_whose_process_dies_is_tried_again_from_where_it_was(running: Engine) -> None:
    view = ended(start(running, "dies_twice"))
    assert view.state == "done", view.error
    assert view.result == {"tries": 3, "points": 3}  # also the points of the tries that were killed
    assert [line.rsplit(" (", 1)[1] for line in view.log] == ["1 of 2)", "2 of 2)"]


def test_a_paused_job_stands_still_and_goes_on(running: Engine, tmp_path: Path) -> None:
    view = start(running, "ticks", **{"for": str(tmp_path / "go")})
    until(lambda: view.done > 3)
    running.jobs.pause(view.job, paused=True)
    assert view.plain()["paused"] is True
    time.sleep(0.2)  # what was in the pipe arrives
    stood = view.done
    time.sleep(0.3)
    assert view.done == stood
    running.jobs.pause(view.job, paused=False)
    until(lambda: view.done > stood)
    running.jobs.pause(view.job, paused=True)
    running.jobs.cancel(view.job)  # a cancel wakes it, or it would never hear
    assert ended(view).state == "cancelled"
    with pytest.raises(Refused, match="cancelled"):
        running.jobs.pause(view.job, paused=True)


def test_a_curve_is_whole_in_its_file_and_thin_on_its_way(tmp_path: Path) -> None:
    curves, file = Curves(), tmp_path / FILE
    with file.open("wb", buffering=0) as out:
        for start_at in (0, 5_000, 4_000):  # the last piece is told again after a kill, and differs
            for step in range(start_at, start_at + 5_000):
                curves.add("loss", step, start_at / 1000 + step)
            for name, steps, values in curves.take():
                shown = thinned(steps, values)
                assert len(shown) <= SHOWN + 1
                assert shown[-1] == (steps[-1], values[-1])
                write_frame(out, name, steps, values)
        write_frame(out, "torn", array("q", [1]), array("d", [1.0]))
    file.write_bytes(file.read_bytes()[:-3])
    whole = read_curves(file)
    assert whole["name"].unique().to_list() == ["loss"]
    assert whole["step"].to_list() == list(range(10_000))
    assert whole["value"][4_500] == 4.0 + 4_500
    assert curves.take() == []


def test_a_view_forgets_no_end_of_a_long_curve() -> None:
    view = JobView("job-1", "test", "A long one")
    for begin in range(0, 20_000, 100):
        points = [(step, float(step)) for step in range(begin, begin + 100)]
        view.hear({"event": "metrics", "name": "loss", "points": points})
    curve = view.metrics["loss"]
    assert len(curve) <= KEEP_POINTS
    assert (curve[0][0], curve[-1][0]) == (0, 19_999)
