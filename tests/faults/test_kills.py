"""SIGKILL of the owner, or of a worker, at seeded moments all along the spine.

After each kill: the workspace opens, its ledger verifies, everything that was acknowledged is
there, and nothing is there twice. At last the spine is walked to its end.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlmodel import Session, select

from core.engine.engine import Engine
from core.engine.questions.governance import ledger_verify
from core.store.tables import (
    ModelVersion,
    Package,
    Release,
    Report,
    Run,
    SignOffRow,
    StepResult,
    Transition,
    User,
)

from .forks import Forks
from .orders import write_project

KILLS = int(os.environ.get("PLIMSOLL_SPINE_KILLS", "10"))
Told = dict[str, Any]


class Spine:
    """One start of the program ``spine.py``, with what it acknowledged."""

    def __init__(self, program: Forks, root: Path, project: Path) -> None:
        self.told: list[Told] = []
        self.errors = root.with_suffix(".errors")
        self._pipe = root.with_suffix(".told")
        os.mkfifo(self._pipe)
        self.process = program.start(str(root), str(project), out=self._pipe, errors=self.errors)
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def has(self, what: str) -> bool:
        """Whether it told of this."""
        return any(item["what"] == what for item in self.told)

    def kill_worker(self, after: float) -> bool:
        """Kill one of its workers ``after`` seconds of work; says whether there was one."""
        self._wait_for_open()
        self._pass(after)
        for worker in self._workers():
            worker.send_signal(signal.SIGKILL)
            return True
        return False

    def kill_owner(self, after: float, *, from_start: bool) -> bool:
        """Kill it ``after`` seconds; its workers must end by themselves. False: it had ended before."""
        if not from_start:
            self._wait_for_open()
        self._pass(after)
        workers = self._workers()
        self.process.send_signal(signal.SIGKILL)
        self.end()
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive, f"workers outlived their owner: {alive}"
        return self.process.returncode == -signal.SIGKILL

    def end(self) -> None:
        """Wait until it is gone and everything it said is read."""
        self.process.wait(timeout=240)
        with contextlib.suppress(OSError):  # killed before it opened the pipe: its reader waits no longer
            os.close(os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK))
        self._reader.join(timeout=10)
        self._pipe.unlink()

    def _read(self) -> None:
        with self._pipe.open() as lines:
            for line in lines:
                if line.endswith("\n"):  # a line that the kill cut was not heard
                    with self._news:
                        self.told.append(json.loads(line))
                        self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _wait_for_open(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self.has("open") or self._ended, timeout=60)

    def _pass(self, seconds: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=seconds)

    def _workers(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []


@pytest.fixture
def program() -> Iterator[Forks]:
    """The program that walks the spine, started many times."""
    forks = Forks(Path(__file__).with_name("spine.py"))
    yield forks
    forks.close()


@pytest.mark.slow(250)
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_doubled(program: Forks, tmp_path: Path) -> None:
    dice = random.Random(int(os.environ.get("PLIMSOLL_KILL_SEED", "2013")))
    project = write_project(tmp_path / "project")
    kills: Counter[str] = Counter()
    number, patience = 0, 1.5
    root, acknowledged = tmp_path / "round0", list[Told]()
    while kills.total() < KILLS:
        spine = Spine(program, root, project)
        for_worker = dice.random() < 0.35
        if for_worker and spine.kill_worker(dice.uniform(0.0, patience)):
            kills["worker"] += 1
        owner = spine.kill_owner(dice.uniform(0.0, patience), from_start=dice.random() < 0.2)
        acknowledged += spine.told
        check(root, acknowledged)
        if not owner:
            assert spine.has("closed"), spine.errors.read_text()
            number, patience, acknowledged = number + 1, 1.5, []
            root = tmp_path / f"round{number}"
            continue
        kills["owner"] += 1
        came_further = any(item["what"] == "step" and not item["cached"] for item in spine.told)
        patience = 1.5 if came_further else min(patience * 1.6, 15.0)  # a busy machine needs longer to come further
    spine = Spine(program, root, project)
    spine.end()
    assert spine.has("package"), spine.errors.read_text()
    check(root, acknowledged + spine.told)
    assert kills["owner"] >= KILLS // 2, kills


def check(root: Path, acknowledged: list[Told]) -> None:
    """The workspace opens; it is whole; what was acknowledged is there, once."""
    if not (root / "workspace.json").is_file():
        assert not acknowledged
        return
    engine = Engine(root, slots=0)
    try:
        if engine.newest() == 0:  # killed before the first user was recorded: the next start records them
            assert not acknowledged
            return
        report = ledger_verify(engine)
        assert report["ok"], report["problems"]
        with engine.workspace.database.reading() as session:
            there_once(session)
            there(session, acknowledged)
            states = {row.subject: row.state for row in session.exec(select(Transition).order_by(Transition.order))}
        assert not {"queued", "running"} & set(states.values())
        assert not list((root / "blobs").glob("new-*"))
    finally:
        engine.close()


def there_once(session: Session) -> None:
    """No step, run, version, release, signature, package or user exists twice."""
    for rows in (
        [row.key for row in session.exec(select(StepResult))],
        [row.run for row in session.exec(select(ModelVersion))],
        [row.inputs["data"] for row in session.exec(select(Run))],
        [row.environment for row in session.exec(select(Release))],
        [(row.release, row.signer) for row in session.exec(select(SignOffRow))],
        [row.blob for row in session.exec(select(Package))],
        [row.name for row in session.exec(select(User))],
        [row.subject for row in session.exec(select(Transition).where(Transition.state == "approved"))],
    ):
        assert len(rows) == len(set(rows)), rows


def there(session: Session, acknowledged: list[Told]) -> None:
    """Every result that was acknowledged is on record."""
    steps = {row.step for row in session.exec(select(StepResult))}
    users = {row.id: row.name for row in session.exec(select(User))}
    signers = {users[row.signer] for row in session.exec(select(SignOffRow))}
    if session.exec(select(ModelVersion)).first():
        steps.add("register")
    if session.exec(select(Report).where(Report.kind == "gates")).first():
        steps.add("gates:logistic")
    for item in acknowledged:
        if item["what"] == "user":
            assert item["id"] in users
        elif item["what"] == "step":
            assert item["name"] in steps
        elif item["what"] == "release":
            assert session.get(Release, item["id"]) is not None
        elif item["what"] == "signed":
            assert item["by"] in signers
        elif item["what"] == "package":
            assert session.get(Package, item["id"]) is not None
