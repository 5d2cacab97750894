"""Work for worker processes, made for tests."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

from core.engine.curves import FILE, read_curves
from core.engine.workfolder import JobFolder
from core.kernel.errors import InputError
from core.kernel.progress import Progress


def counts(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Tells of its progress and of a curve, prints what it should not, and ends."""
    for number in range(10):
        progress.check()
        progress.metric("loss", number, 1.0 / (number + 1))
        progress.step(number + 1, 10, f"number {number}")
    os.write(1, b"a library that prints\n")
    progress.log("counted")
    return {"pid": os.getpid(), "said": folder.params["said"]}


def waits(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Waits for a file, or for a cancel."""
    progress.metric("loss", 0, 1.0)
    progress.step(0, 1, "waiting")
    while not Path(folder.params["for"]).exists():
        progress.check()
        threading.Event().wait(0.02)
    return {}


def deaf(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Never looks whether somebody wants it to stop."""
    progress.step(0, 1, "deaf")
    threading.Event().wait(300)
    return {}


def refuses(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Fails with words."""
    raise InputError("The input is wrong", where="line 3", remedy="Mend it.")


def breaks(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Fails with a fault of ours."""
    raise ZeroDivisionError("nobody expected this")


def dies_twice(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Is killed in its first two tries, and goes on from what it left behind."""
    mark = folder.out("checkpoint")
    tries = int(mark.read_text()) if mark.is_file() else 0
    progress.metric("loss", tries, float(tries))
    mark.write_text(str(tries + 1))
    threading.Event().wait(0.3)  # longer than the time in which a point reaches the file
    if tries < 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"tries": tries + 1, "points": read_curves(folder.out(FILE)).height}


def ticks(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Tells of its progress until a file is there."""
    number = 0
    while not Path(folder.params["for"]).exists():
        progress.check()
        number += 1
        progress.step(number, 0, "tick")
        threading.Event().wait(0.01)
    return {"ticks": number}
