"""Starting the window, or its pictures, as a process of its own: core knows nothing of Qt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

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


def pdf_of(document: dict[str, Any]) -> bytes:
    """A report's document as PDF, drawn by a program of its own.

    Raises:
        SystemFault: when Qt is not there or the drawing failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.pdf"
        done = subprocess.run(
            [sys.executable, "-m", "app.report_pdf", str(file)],
            input=json.dumps(document).encode(),
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
            capture_output=True,
            check=False,
        )
        if done.returncode != 0 or not file.is_file():
            detail = done.stderr.decode(errors="replace")[-2000:]
            raise SystemFault("The PDF could not be drawn", detail=detail, remedy="Write an .html file instead.")
        return file.read_bytes()
