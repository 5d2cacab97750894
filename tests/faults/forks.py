"""A program that a test starts again and again: what it imports is imported once, and each start is a fork.

Run as a program of its own, ``python forks.py PROGRAM``, it imports PROGRAM (a file with a function ``main``) and all
of the engine, then reads orders, one JSON object a line: ``{"argv": [...], "out": FILE, "errors": FILE}``. Each becomes
a process that runs ``main`` with these arguments and these files as its output. It tells the process's id at once, and
how it ended when it has. No thread runs before a fork, and nothing is open but these two pipes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any


class Fork:
    """One start of the program, spoken to as :class:`subprocess.Popen` is."""

    def __init__(self, told: Any) -> None:
        self.pid = int(json.loads(told.readline())["pid"])
        self.returncode: int | None = None
        self._waiter = threading.Thread(target=self._wait, args=(told,), daemon=True)
        self._waiter.start()

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: when it still runs after ``timeout`` seconds.
        """
        self._waiter.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("the fork", timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it is gone."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def _wait(self, told: Any) -> None:
        self.returncode = int(json.loads(told.readline())["status"])


class Forks:
    """Starts of one program, one after another."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: str, out: Path, errors: Path) -> Fork:
        """Start it. The one before must have ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"argv": arguments, "out": str(out), "errors": str(errors)}) + "\n")
        self._process.stdin.flush()
        return Fork(self._process.stdout)

    def close(self) -> None:
        """Let go of it."""
        self._process.communicate(timeout=30)


def main() -> None:
    """Import, then fork for each order."""
    program = imported(Path(sys.argv[1]))
    import core.engine.engine
    from core.engine import catalogue

    catalogue.load()
    assert core.engine.engine
    assert threading.active_count() == 1
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become(program, order)
        tell(pid=child)
        tell(status=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def imported(file: Path) -> ModuleType:
    """The program as a module."""
    sys.path.insert(0, str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def become(program: ModuleType, order: dict[str, Any]) -> None:
    """Be the program from here on."""
    from core.identity.vault import LEAST, create_key

    assert create_key.__kwdefaults__ is not None
    create_key.__kwdefaults__["cost"] = LEAST
    sys.argv = [program.__name__, *order["argv"]]
    for number, file in ((0, os.devnull), (1, order["out"]), (2, order["errors"])):
        opened = os.open(file, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    status = 1
    try:
        program.main()
        status = 0
    except Exception:  # noqa: BLE001 - a program's last line of defence: told, and an exit status
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def tell(**facts: int) -> None:
    """One line to who started us."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
