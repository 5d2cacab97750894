"""The prediction log: one JSON line per row, written in batches by one thread into numbered segments.

A segment's name never changes and segments are only appended to, so a collector can continue at a byte
offset. A server that starts opens a new segment; a torn last line can only come from a crash.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import orjson

FLUSH_S = 0.2
SEGMENT_BYTES = 16 * 1024 * 1024
SEGMENT_S = 600.0
MOST_PENDING = 200_000
PATTERN = "predictions-*.jsonl"


class PredictionLog:
    """Takes lines from the event loop and brings them to disk soon; :meth:`close` loses none."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, segment_s: float = SEGMENT_S) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segment_s = segment_s
        self._lines: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._number = _last_number(folder)
        self._file: BinaryIO | None = None
        self._written = 0
        self._opened = 0.0
        self.fault: str | None = None
        self._thread = threading.Thread(target=self._run, name="prediction-log", daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """Lines that are not on disk yet."""
        return len(self._lines)

    @property
    def full(self) -> bool:
        """Too much is pending (a full disk): predictions that could not be recorded must not be made."""
        return self.pending >= MOST_PENDING

    def add(self, lines: Iterable[dict[str, Any]]) -> None:
        """Queue lines; returns at once."""
        with self._lock:
            self._lines.extend(lines)

    def close(self) -> None:
        """Write what is pending and stop."""
        self._closing = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_S)
            self._flush()
        self._flush()
        self._end_segment()

    def _flush(self) -> None:
        """Write the pending lines in one call; on a fault they stay pending and the fault is told."""
        with self._lock:
            batch, self._lines = self._lines, []
        if not batch:
            return
        try:
            data = b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in batch)
            file = self._segment()
            file.write(data)
            self._written += len(data)
            self.fault = None
        except OSError as error:
            self.fault = f"the prediction log cannot be written: {error.strerror}"
            self._end_segment()
            with self._lock:
                self._lines[:0] = batch

    def _segment(self) -> BinaryIO:
        """The open segment; a new one when the last is full or old."""
        old = time.monotonic() - self._opened > self._segment_s
        if self._file is not None and (self._written >= self._segment_bytes or old):
            self._end_segment()
        if self._file is None:
            self._number += 1
            path = self._folder / f"predictions-{self._number:08d}.jsonl"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o640)
            self._file = os.fdopen(handle, "wb", buffering=0)
            self._written, self._opened = 0, time.monotonic()
        return self._file

    def _end_segment(self) -> None:
        if self._file is not None:
            try:
                os.fsync(self._file.fileno())
                self._file.close()
            except OSError as error:
                self.fault = f"the prediction log cannot be closed: {error.strerror}"
            self._file = None


def _last_number(folder: Path) -> int:
    numbers = [path.stem.rpartition("-")[2] for path in folder.glob(PATTERN)]
    return max((int(number) for number in numbers if number.isdecimal()), default=0)
