"""Jobs: how soon the next one starts in a warm worker, and what it costs a trainer to tell of its progress.

    python tests/benchmarks/jobs.py [EVENTS]

The floor of a start is a fresh process that imports what a training job needs. The floor of progress is the same
loop that tells nobody. Events are told at about 100,000 a second: between two of them the loop does the work that
takes the rest of ten microseconds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.engine.actors import ENGINE
from core.engine.context import Context, Done
from core.engine.curves import FILE, read_curves
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.jobs import JobView, submit
from core.engine.pool import Worker
from core.engine.registry import JOB_KINDS, JobKind, JobOutcome
from core.engine.workfolder import JobFolder, write_job
from core.kernel.progress import Progress, Silent

IMPORTS = "import polars, sklearn.ensemble, sklearn.linear_model, onnxruntime, torch"
WORK = 130  # additions between two events: some ten microseconds


def hello(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """The smallest job."""
    progress.step(1, 1, "here")
    return {"began": time.time()}


def tells(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """CPU and wall seconds of the loop that tells, and of the one that does not, taken in turns."""
    events = int(folder.params["events"])
    told, silent, wall = [], [], []
    for _ in range(5):
        told.append(_loop(progress, events, wall))
        silent.append(_loop(Silent(), events, []))
    return {"told": told, "silent": silent, "wall": wall}


def _loop(progress: Progress, events: int, wall: list[float]) -> float:
    began, clock = time.thread_time(), time.perf_counter()
    tell = progress.metric
    for step in range(events):
        total = 0.0
        for number in range(WORK):
            total += number
        tell("loss", step, total)
    wall.append(time.perf_counter() - clock)
    return time.thread_time() - began


def keep(context: Context, outcome: JobOutcome) -> Done:
    """Nothing is kept."""
    return Done(summary="kept", result=outcome.value)


def start(engine: Engine) -> tuple[float, JobView]:
    """Queue the smallest job; when it was asked for, and its view."""

    def queue(context: Context) -> Done:
        return Done(summary="queued", result={"job": submit(context, "bench.hello", "Hello", params={}, inputs={})})

    asked = time.time()
    view = engine.jobs.view(str(engine.dispatcher.carry_out("bench.queue", "read", ENGINE, queue)["job"]))
    view.ended.wait()
    return asked, view


def main(events: int) -> None:
    """Print the figures."""
    JOB_KINDS["bench.hello"] = JobKind("bench.hello", "read", f"{Path(__file__).stem}:hello", keep, (), 60.0)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "workspace"
        found_workspace(root, "bench", "a passphrase of the benchmark")
        engine = Engine(root, slots=1)
        waits = []
        for _ in range(12):
            asked, view = start(engine)
            assert view.state == "done", view.error
            waits.append(view.result["began"] - asked)
        engine.close()
        fresh = []
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", IMPORTS], check=True)
            fresh.append(time.perf_counter() - began)
        warm = statistics.median(waits[2:])
        print(f"next job in a warm worker: {warm * 1e3:.0f} ms after it was asked for (target: under 150 ms)")
        slow = statistics.median(fresh)
        print(f"a fresh process that imports the same: {slow:.2f} s, {slow / warm:.0f}x")

        folder = Path(name) / "job"
        write_job(folder, f"{Path(__file__).stem}:tells", {"events": events}, {})
        worker = Worker(Path(name) / "log.txt")
        worker.run(folder, lambda _event: None, 600.0)
        worker.close()
        seen = json.loads((folder / "outcome.json").read_text())
        told, silent = min(seen["told"]), min(seen["silent"])
        rate = events / statistics.median(seen["wall"])
        kept = read_curves(folder / FILE).height
        print(f"{events:,} points told at {rate:,.0f}/s, {kept:,} of them kept")
        more = f"{told / silent - 1:+.1%} (target: at most 2 %)"
        print(f"CPU of the trainer's own thread: {told:.3f} s against {silent:.3f} s, {more}")


if __name__ == "__main__":
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
