"""Gives each test an empty workspace behind a tracking port: reads a line, answers with the port of a new one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.engine.tracking.door import Door


def main() -> None:
    """One workspace at a time, each a copy of one that was founded once, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    sys.stdout = sys.stderr
    with tempfile.TemporaryDirectory() as name:
        for variable in ("XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            os.environ[variable] = name
        os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.fail.Keyring"
        folder = Path(name)
        found_workspace(folder / "first", "founder", "a long enough passphrase")
        opened: list[Door | Engine] = []
        for number, _ in enumerate(sys.stdin):
            root = folder / f"workspace{number}"
            shutil.copytree(folder / "first", root)
            for one in opened:
                one.close()
            shutil.rmtree(folder / "plimsoll" / "heads", ignore_errors=True)  # each copy has a past of its own
            engine = Engine(root, slots=0)
            door = Door(engine, 0)
            opened = [door, engine]
            answers.write(f"{door.port}\n")
            answers.flush()


if __name__ == "__main__":
    main()
