"""Stock MLflow clients in environments of their own, kept between runs of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

EXTRAS = {"3.17.2": (), "2.13.0": ("setuptools<81",), "1.30.0": ("setuptools<81",)}
LENT = ("3.17.2",)  # clients that work beside our own scikit-learn and numpy; what they save models with, they get
BARE = ("skops", "prettytable", "wcwidth")


def client_python(version: str) -> Path:
    """The interpreter of an environment that has ``mlflow-skinny`` of that version; skips where it cannot be made."""
    root = Path(tempfile.gettempdir()) / f"plimsoll-test-clients-{os.getuid()}" / f"mlflow-{version}"
    python, done = root / "bin" / "python", root / "complete"
    if done.exists():
        return python
    root.parent.mkdir(mode=0o700, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", root], check=True, timeout=120)
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    made = subprocess.run([*command, f"mlflow-skinny=={version}", *EXTRAS[version]], capture_output=True, timeout=280)
    if made.returncode:
        pytest.skip(f"mlflow-skinny {version} cannot be installed here: no package index answers")
    if version in LENT:
        subprocess.run([*command, "--no-deps", *BARE], check=True, capture_output=True, timeout=120)
        inside = root / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (inside / "zz_lent.pth").write_text(sysconfig.get_paths()["purelib"])
    done.touch()
    return python


def run_client(version: str, script: Path, url: str, *arguments: str, **environment: str) -> str:
    """Run a script with a client against a tracking port; what it printed. Fails with its words where it fails."""
    own = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        **environment,
    }
    command = [client_python(version), "-W", "ignore", script, *arguments]
    done = subprocess.run(command, env=own, capture_output=True, text=True, timeout=150, cwd=script.parent)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
