"""MLflow's own REST tests against our tracking port: what passes, what fails, and what is not asked and why.

Run it as ``.venv/bin/python tests/tracking/upstream/run.py CHECKOUT PYTHON [-k WORDS]``. CHECKOUT is a folder of
MLflow's source, of which ``tests/tracking/test_rest_tracking.py`` and ``tests/integration/utils.py`` are taken as they
are; PYTHON is an interpreter that has the whole of ``mlflow`` in the version to test, and ``pytest``. Nothing is
downloaded. The list that it prints is the one of ``docs/manual/mlflow-tests.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).parent
TAKEN = ("tests/tracking/test_rest_tracking.py", "tests/integration/utils.py")
WORDS = {"passed": "pass", "xfailed": "fail there too (marked so by MLflow)", "skipped": "skip themselves"}


def lay_out(checkout: Path, folder: Path) -> None:
    """The suite in a folder of its own: their two files, our server start and our choice of tests."""
    for name in TAKEN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(checkout / name, folder / name)
    for package in ("tests", "tests/tracking", "tests/integration"):
        (folder / package / "__init__.py").touch()
    (folder / "tests" / "helper_functions.py").write_text("from tests.tracking.integration_test_utils import *\n")
    shutil.copy(HERE / "server_start.py", folder / "tests" / "tracking" / "integration_test_utils.py")
    shutil.copy(HERE / "choice.py", folder / "conftest.py")


def run(python: str, folder: Path, words: str) -> int:
    """Run the suite; its outcomes come in ``outcomes.json``."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "PLIMSOLL_PYTHON": sys.executable,
        "PLIMSOLL_SERVE": str(HERE / "serve.py"),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(folder), "--tb=line", TAKEN[0]]
    return subprocess.run([*command, *(["-k", words] if words else [])], cwd=folder, env=environment).returncode


def tell(outcomes: dict[str, list[str]]) -> None:
    """The list, as Markdown."""
    by: dict[str, list[str]] = defaultdict(list)
    for name, (outcome, reason) in outcomes.items():
        by[f"{outcome}: {reason}" if reason else outcome].append(name)
    for outcome in sorted(by, key=lambda one: (not one.startswith("passed"), not one.startswith("failed"), one)):
        names = ", ".join(f"`{name}`".replace("[sqlalchemy]", "") for name in by[outcome] if "[file" not in name)
        sys.stdout.write(f"\n{len(by[outcome])} {WORDS.get(outcome, outcome)}: {names or 'the same ones once more'}\n")


def main() -> int:
    """Lay out, run, tell."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("checkout", type=Path)
    asked.add_argument("python")
    asked.add_argument("-k", dest="words", default="", help="only some of them, as pytest's -k")
    options = asked.parse_args()
    with tempfile.TemporaryDirectory() as name:
        lay_out(options.checkout, Path(name))
        code = run(options.python, Path(name), options.words)
        tell(json.loads((Path(name) / "outcomes.json").read_text()))
    return code


if __name__ == "__main__":
    sys.exit(main())
