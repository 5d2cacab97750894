"""Stock MLflow clients in environments of their own, kept between runs of the tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

EXTRAS = {"3.17.2": (), "2.13.0": ("setuptools<81",), "1.30.0": ("setuptools<81",)}
LENT = ("3.17.2",)  # clients that work beside our own scikit-learn and numpy; what they save models with, they get
BARE = ("skops", "prettytable", "wcwidth")
KEPT = Path.home() / ".cache" / "plimsoll-tests" / "clients"  # not XDG_CACHE_HOME: that is new in each run of the tests
REFUSED: list[str] = []  # why there is no index: asked once, for all clients


def client_python(version: str) -> Path:
    """The interpreter of an environment that has ``mlflow-skinny`` of that version; skips where it cannot be made."""
    root = KEPT / f"mlflow-{version}-{sys.version_info.major}.{sys.version_info.minor}"
    python, done = root / "bin" / "python", root / "complete"
    if not done.exists():
        if REFUSED:
            pytest.skip(REFUSED[0])
        KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", root], check=True, timeout=120)
        _install(python, f"mlflow-skinny=={version}", *EXTRAS[version])
        if version in LENT:
            _install(python, "--no-deps", *BARE)
        done.touch()
    if version in LENT:  # each time: the environment that made it may be gone
        inside = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (inside / "zz_lent.pth").write_text(sysconfig.get_paths()["purelib"])
    return python


def _install(python: Path, *what: str) -> None:
    """Install into an environment; skips, with pip's last words, where no index answers within seconds."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--disable-pip-version-check"]
    made = subprocess.run([*pip, "--retries", "0", "--timeout", "10", *what], capture_output=True, timeout=280)
    if made.returncode:
        words = made.stderr.decode(errors="replace").strip().splitlines() or ["pip failed"]
        REFUSED.append(f"No MLflow client to test with: {words[-1]}")
        pytest.skip(REFUSED[0])


ONE_BY_ONE = "import runpy, sys\nfor script in sys.argv[1:]: runpy.run_path(script)"


def run_client(version: str, url: str, *scripts: Path) -> list[dict[str, Any]]:
    """Run scripts with a client against a tracking port, one after the other in one process; the document of each.

    Fails with their words where one fails.
    """
    own = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [client_python(version), "-W", "ignore", "-c", ONE_BY_ONE, *scripts]
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=200, cwd=scripts[0].parent)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"')]
