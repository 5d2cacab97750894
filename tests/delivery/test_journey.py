"""Runs the whole path in a network namespace that has a loopback and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

JOURNEY = Path(__file__).with_name("journey_offline.py")
OFFLINE = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


def _offline() -> bool:
    try:
        return subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(
    not os.environ.get("PLIMSOLL_DELIVERY"),
    reason="70 CPU seconds: with PLIMSOLL_DELIVERY=1; the demo's journey delivers without a network in each run",
)
@pytest.mark.slow(60)
@pytest.mark.timeout(600)
def test_the_whole_path_without_a_network() -> None:
    offline = _offline()
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:xdist", str(JOURNEY)]
    environment = {**os.environ, "PLIMSOLL_TEST_OFFLINE": "1" if offline else "0"}
    done = subprocess.run(
        [*OFFLINE, *command] if offline else command,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
        cwd=JOURNEY.parents[2],
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
