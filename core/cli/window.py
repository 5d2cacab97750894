"""Starting the window, or its pictures, as a process of its own: core knows nothing of Qt."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from core.kernel.errors import SystemFault


def open_on(root: Path, user: str) -> int:
    """Open the window on a workspace; returns its exit status when it is closed."""
    return subprocess.call([sys.executable, "-m", "app", str(root), *(["--as", user] if user else [])])


def pictures_of(root: Path, user: str, folder: Path) -> None:
    """Render every page offscreen into ``folder``, both themes, two sizes."""
    command = [sys.executable, "-m", "app.pictures", str(root), str(folder), "--as", user]
    done = subprocess.run(
        command, env={**os.environ, "QT_QPA_PLATFORM": "offscreen"}, stderr=subprocess.PIPE, check=False
    )
    if done.returncode != 0:
        raise SystemFault("The pages could not be rendered", detail=done.stderr.decode(errors="replace")[-2000:])
