"""Worker processes: started once, kept warm, killed when they must be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from core.engine.watch import Watch
from core.kernel.errors import Cancelled, PlimsollError, SystemFault, error_from_dict

CANCEL_PATIENCE_S = 10.0
EventSink = Callable[[dict[str, Any]], None]


class WorkerEnded(SystemFault):
    """The process died under its work. What the work left in its folder is still there: it may be tried again."""


class Worker:
    """One worker process. It handles one job folder at a time.

    ``warm`` lets it import the large libraries while it has nothing to do, so that its first job starts at once.
    """

    def __init__(self, log: Path, *, warm: bool = False) -> None:
        self._log: IO[bytes] = log.open("ab")
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1"}
        environment |= {"PLIMSOLL_WARM": "1"} if warm else {}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "core.engine.worker"],  # -P: a file of the folder we stand in is no module
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            start_new_session=True,
        )
        self._cancelled = threading.Event()
        self.paused = threading.Event()
        self._folder: Path | None = None
        self._lock = threading.Lock()
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def run(
        self,
        folder: Path,
        on_event: EventSink,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
        secrets: Mapping[str, str] | None = None,
        gpu: int = -1,
    ) -> dict[str, Any]:
        """Do one job; returns what it took of the machine. ``gpu`` is the GPU that is the job's own, if any.

        ``cancelled`` is asked once more when a cancel can reach the worker, so that none falls between.
        ``secrets`` go to the worker through its pipe and are written nowhere.

        Raises:
            Cancelled: when :meth:`cancel` was called.
            WorkerEnded: when the process died.
            SystemFault: when it took longer than ``timeout_s``; the time that it was paused does not count.
            PlimsollError: what the work itself raised.
        """
        watch = Watch(self, timeout_s)
        with self._lock:
            self._folder = folder
            self._cancelled.clear()
        try:
            if cancelled():
                raise Cancelled("The job was cancelled before it began")
            self._send({"folder": str(folder), "secrets": dict(secrets or {}), "gpu": gpu})
            error = self._follow(on_event)
            if watch.timed_out:
                raise SystemFault(f"The job took longer than {timeout_s:.0f} seconds and was stopped")
            if error is not None:
                raise error
            return watch.resources()
        finally:
            with self._lock:
                self._folder = None
                self.paused.clear()
            watch.stop()

    def cancel(self, folder: Path) -> None:
        """Ask the work on ``folder`` to stop; kill it when it does not listen. Other work is not touched."""
        with self._lock:
            if self._folder != folder:
                return
            self._cancelled.set()
            self._signal(signal.SIGCONT)
        try:
            self._send({"cancel": str(folder)})
        except SystemFault:
            return
        timer = threading.Timer(CANCEL_PATIENCE_S, self._kill_if_busy, [folder])
        timer.daemon = True
        timer.start()

    def pause(self, folder: Path) -> bool:
        """Stop the work on ``folder`` where it stands; it keeps its memory. False when it is not being worked on."""
        with self._lock:
            if self._folder != folder:
                return False
            self.paused.set()
            return self._signal(signal.SIGSTOP)

    def resume(self, folder: Path) -> bool:
        """Let it go on."""
        with self._lock:
            if self._folder != folder:
                return False
            self.paused.clear()
            return self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> bool:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def kill(self) -> None:
        """End the process and everything it started."""
        if self.alive:
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except ProcessLookupError:
                return
        self._process.wait()

    def close(self) -> None:
        """Let go of the process: closing its input ends it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        try:
            self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.kill()
        self._log.close()

    def _kill_if_busy(self, folder: Path) -> None:
        if self._cancelled.is_set() and self._folder == folder:
            self.kill()

    def _follow(self, on_event: EventSink) -> PlimsollError | None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:  # killed in the middle of a line
                break
            if event["event"] == "done":
                self._cancelled.clear()
                return None
            if event["event"] == "failed":
                self._cancelled.clear()
                return error_from_dict(event["error"])
            on_event(event)
        if self._cancelled.is_set():
            return Cancelled("The job was cancelled")
        code = self._process.wait()
        why = "It was killed; the usual reason is that the machine ran out of memory" if code == -9 else ""
        return WorkerEnded("The worker process ended in the middle of the job", detail=why or f"Exit status {code}")

    def _send(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise WorkerEnded("The worker process is gone") from error
