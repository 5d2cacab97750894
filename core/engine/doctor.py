"""A look at this machine: what Plimsoll needs and what it finds."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import psutil

from core.delivery.loopback import sshd_path
from core.delivery.wheelhouse import wheelhouse
from core.identity.secrets import keyring_state
from core.kernel.clock import SystemClock, utc_text
from core.kernel.errors import PlimsollError
from core.training.environment import gpus


def examine() -> dict[str, Any]:
    """Facts about interpreter, GPU, keyring, Qt, disk, clock, sshd and wheels."""
    keyring = keyring_state()
    return {
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "gpu": [gpu.name for gpu in gpus()] or "none: training falls back to the CPU",
        "keyring": keyring.backend if keyring.usable else f"not usable: {keyring.why}",
        "qt": importlib.metadata.version("PySide6-Essentials"),
        "screen": os.environ.get("WAYLAND_DISPLAY")
        or os.environ.get("DISPLAY")
        or "none: pages are rendered offscreen",
        "duckdb": importlib.metadata.version("duckdb"),
        "encryption": _encryption(),
        "disk free": f"{shutil.disk_usage(Path.cwd()).free / 2**30:.1f} GiB",
        "clock": utc_text(SystemClock().now()),
        "sshd": _try(sshd_path),
        "wheelhouse": _try(lambda: f"{len(wheelhouse().wheels)} wheels"),
    }


def _encryption() -> str:
    try:
        return f"httpfs {importlib.metadata.version('duckdb-extension-httpfs')}"
    except importlib.metadata.PackageNotFoundError:
        return "not available: install duckdb-extension-httpfs"


def _try(look: Any) -> str:
    try:
        return str(look())
    except PlimsollError as error:
        return f"{error.headline}. {error.remedy}"
