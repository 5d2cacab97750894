"""A worker process: takes job folders one after another, runs the work, tells of its progress.

It is started as ``python -m core.engine.worker``. Requests arrive on standard input, one JSON
object a line; events leave on the pipe that was standard output. It never opens the store. When
standard input closes, its owner is gone, and it ends at once.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, TextIO

from core.blobs.store import TABLE
from core.engine.curves import Curves, thinned
from core.engine.workfolder import BEFORE, JobFolder
from core.kernel.errors import Cancelled, PlimsollError, SystemFault

STEP_INTERVAL_S = 0.05
FLUSH_INTERVAL_S = 0.1
WARM = ("polars", "sklearn.linear_model", "sklearn.ensemble", "onnxruntime", "torch", "core.engine.work.training")


class PipeProgress:
    """Progress that travels to the owner: steps are thinned, metric points are sent in batches."""

    def __init__(self, out: TextIO, folder: JobFolder) -> None:
        self._out = out
        self._folder = folder
        self._cancelled = threading.Event()
        self._curves = Curves()
        self.metric = self._curves.add  # one call less for each point of a live curve
        self._last = 0.0
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._ended = threading.Event()
        threading.Thread(target=self._flush_often, daemon=True).start()

    def step(self, done: float, total: float, message: str = "") -> None:
        """``done`` of ``total`` units are finished."""
        now = time.monotonic()
        if now - self._last >= STEP_INTERVAL_S or done >= total:
            self._last = now
            self.send({"event": "step", "done": done, "total": total, "message": message})

    def log(self, text: str) -> None:
        """One line for the job's log."""
        self._folder.note_log(text)
        self.send({"event": "log", "text": text})

    def check(self) -> None:
        """Stop here when somebody asked to."""
        if self._cancelled.is_set():
            raise Cancelled("The job was cancelled")

    def cancel(self) -> None:
        """Called from the thread that listens to the owner."""
        self._cancelled.set()

    def flush(self) -> None:
        """Keep the points that have gathered, and send as many of them as a screen shows."""
        with self._flushing:
            for name, steps, values in self._curves.take():
                self._folder.note_points(name, steps, values)
                self.send({"event": "metrics", "name": name, "points": thinned(steps, values)})

    def end(self) -> None:
        """Nothing more will come."""
        self._ended.set()
        self.flush()

    def _flush_often(self) -> None:
        while not self._ended.wait(FLUSH_INTERVAL_S):
            self.flush()

    def send(self, event: dict[str, Any]) -> None:
        """Write one event."""
        with self._lock:
            self._out.write(self._folder.without_secrets(json.dumps(event)) + "\n")
            self._out.flush()


class Listener:
    """Reads the owner's requests in a thread of its own, so that a cancel reaches running work."""

    def __init__(self) -> None:
        self.folders: queue.Queue[dict[str, Any]] = queue.Queue()
        self._progress: PipeProgress | None = None
        self._cancelled: Path | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            request = json.loads(line)
            if "folder" in request:
                self._cancelled = None
                self.folders.put(request)
            elif "cancel" in request:
                self._cancel(Path(request["cancel"]))
        os._exit(0)

    def begin(self, folder: Path, progress: PipeProgress) -> None:
        """Work on ``folder`` begins: a cancel that came before it is not lost."""
        with self._lock:
            self._progress = progress
            if self._cancelled == folder:
                progress.cancel()

    def _cancel(self, folder: Path) -> None:
        with self._lock:
            self._cancelled = folder
            if self._progress is not None:
                self._progress.cancel()

    def end(self) -> None:
        """The work is over."""
        with self._lock:
            self._progress = None


def run_job(path: Path, out: TextIO, listener: Listener, secrets: dict[str, str]) -> None:
    """Run the work of one folder and send its last event. No event and no log line holds a secret."""
    folder = JobFolder(path, secrets)
    progress = PipeProgress(out, folder)
    listener.begin(path, progress)
    try:
        outcome = _work(folder.work)(folder, progress)
        if folder.out(TABLE).is_file():
            before = folder.input(BEFORE) if folder.has(BEFORE) else None
            _work("core.data.parts:cut_table")(path, progress, before)
        progress.end()
        folder.write_outcome(outcome)
        progress.send({"event": "done"})
    except PlimsollError as error:
        progress.send({"event": "failed", "error": error.as_dict()})
    except MemoryError:
        progress.send({"event": "failed", "error": SystemFault("The machine ran out of memory").as_dict()})
    except OSError as error:
        fault = SystemFault("A file could not be read or written", detail=str(error), where=str(error.filename or ""))
        folder.note_log(traceback.format_exc())
        progress.send({"event": "failed", "error": fault.as_dict()})
    except Exception as error:  # noqa: BLE001 - the last line of defence: told to a person, kept in the log
        folder.note_log(traceback.format_exc())
        fault = SystemFault("The work failed", detail=f"{type(error).__name__}: {error}", remedy="See the job's log.")
        progress.send({"event": "failed", "error": fault.as_dict()})
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # a native library's panic, which is no Exception
            raise
        folder.note_log(traceback.format_exc())
        fault = SystemFault("A library broke down on this input", detail=str(error).splitlines()[0], where=path.name)
        progress.send({"event": "failed", "error": fault.as_dict()})
    finally:
        listener.end()
        progress.end()
        folder.close()


def _work(dotted: str) -> Any:
    module, _, name = dotted.partition(":")
    return getattr(importlib.import_module(module), name)


def main() -> None:
    """Serve job folders until standard input closes."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever libraries print goes where logs go, never into the events
    listener = Listener()
    waiting = list(WARM) if os.environ.get("PLIMSOLL_WARM") else []
    while True:
        while waiting and listener.folders.empty():
            _import_ahead(waiting.pop(0))
        request = listener.folders.get()
        os.environ["PLIMSOLL_GPU"] = str(request.get("gpu", -1))
        run_job(Path(request["folder"]), out, listener, request.get("secrets") or {})


def _import_ahead(module: str) -> None:
    """Import what the next job will most likely need, while nobody waits for it; what is not installed is left out."""
    if importlib.util.find_spec(module.partition(".")[0]) is not None:
        importlib.import_module(module)


if __name__ == "__main__":
    main()
