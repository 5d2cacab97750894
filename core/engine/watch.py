"""What a running job takes of its machine: time, processor, memory, and energy where the machine counts it."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import psutil

LOOK_EVERY_S = 0.5
METER_EVERY_S = 10.0  # often enough that no counter goes round twice
RAPL = Path("/sys/class/powercap")
PACKAGE = re.compile(r"intel-rapl:\d+")  # Linux gives AMD's processors the same name; parts of a package are not added


class Watched(Protocol):
    """What it needs of the worker that does the job."""

    pid: int
    paused: threading.Event

    def kill(self) -> None:
        """End the process and everything it started."""
        ...


class Watch:
    """Looks at a running job each half second: time limit, CPU, memory, energy."""

    def __init__(self, worker: Watched, timeout_s: float) -> None:
        self._worker, self._deadline = worker, time.monotonic() + timeout_s
        self._stop = threading.Event()
        self._process = psutil.Process(worker.pid)
        self._cpu = self._cpu_seconds()
        self._energy = EnergyMeter()
        self._peak = 0
        self.timed_out = False
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def resources(self) -> dict[str, Any]:
        """CPU seconds that the job took, the most memory it was seen to hold (bytes), and the machine's joules.

        Energy is that of the whole machine while the job ran, whoever used it, and is left out where no counter
        can be read.
        """
        taken = {"cpu_seconds": round(self._cpu_seconds() - self._cpu, 3), "peak_memory": self._peak}
        joules = self._energy.joules()
        return taken if joules is None else {**taken, "machine_energy_joules": round(joules, 1)}

    def stop(self) -> None:
        """Look no longer."""
        self._stop.set()
        self._thread.join(timeout=2)

    def _look(self) -> None:
        last = time.monotonic()
        metered = last
        while not self._stop.wait(LOOK_EVERY_S):
            now = time.monotonic()
            if self._worker.paused.is_set():
                self._deadline += now - last
            last = now
            if now - metered > METER_EVERY_S:
                metered = now
                self._energy.read()
            try:
                self._peak = max(self._peak, self._process.memory_info().rss)
            except psutil.Error:
                return
            if now > self._deadline:
                self.timed_out = True
                self._worker.kill()
                return

    def _cpu_seconds(self) -> float:
        try:
            times = self._process.cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)


class EnergyMeter:
    """Joules since it was made, by the machine's own counters: RAPL for processors, NVML for GPUs of NVIDIA.

    Sources: Linux kernel, Documentation/power/powercap; NVML, ``nvmlDeviceGetTotalEnergyConsumption``.
    """

    def __init__(self, rapl: Path = RAPL) -> None:
        self._rapl = rapl
        self._lock = threading.Lock()
        self._last = self._counters()
        self._sum = 0.0

    def joules(self) -> float | None:
        """What was used until now; None where nothing counts it or may be read."""
        self.read()
        return self._sum if self._last else None

    def read(self) -> None:
        """Add what the counters say since the last look; one that went round began again at zero."""
        with self._lock:
            now = self._counters()
            for name, (value, range_) in now.items():
                before = self._last.get(name, (value, range_))[0]
                self._sum += value - before if value >= before else value + range_ - before
            self._last = now

    def _counters(self) -> dict[str, tuple[float, float]]:
        """Joules by counter, and where it goes round."""
        return {**_processors(self._rapl), **_gpus()}


def _processors(folder: Path) -> dict[str, tuple[float, float]]:
    found = {}
    for zone in sorted(folder.glob("intel-rapl:*")) if folder.is_dir() else []:
        if PACKAGE.fullmatch(zone.name):
            try:
                micro, range_ = (int((zone / name).read_text()) for name in ("energy_uj", "max_energy_range_uj"))
            except (OSError, ValueError):  # since 2020 only root may read it, on most machines
                continue
            found[zone.name] = (micro / 1e6, range_ / 1e6)
    return found


def _gpus() -> dict[str, tuple[float, float]]:
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return {}
    found = {}
    try:
        for number in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(number)
            found[f"gpu:{number}"] = (pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1e3, 0.0)
    except pynvml.NVMLError:  # an older card does not count
        return found
    finally:
        pynvml.nvmlShutdown()
    return found
