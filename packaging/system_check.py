"""Which system packages are missing for the window and for the tests. Prints ``LEVEL PACKAGE`` lines.

Levels: ``needed`` (Qt does not load without it, even off screen), ``window`` (no window on an X11
desktop without it) and ``tests`` (only the test suite uses it). Package names are Debian's; the
check itself loads libraries and looks for programs, so it holds on any Linux.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

LIBRARIES = {
    "libegl1": ("needed", "libEGL.so.1"),
    "libgl1": ("needed", "libGL.so.1"),
    "libxkbcommon0": ("needed", "libxkbcommon.so.0"),
    "libdbus-1-3": ("needed", "libdbus-1.so.3"),
    "libfontconfig1": ("needed", "libfontconfig.so.1"),
    "libxkbcommon-x11-0": ("window", "libxkbcommon-x11.so.0"),
    "libxcb-cursor0": ("window", "libxcb-cursor.so.0"),
    "libxcb-icccm4": ("window", "libxcb-icccm.so.4"),
    "libxcb-keysyms1": ("window", "libxcb-keysyms.so.1"),
    "libxcb-shape0": ("window", "libxcb-shape.so.0"),
    "libxcb-image0": ("window", "libxcb-image.so.0"),
    "libxcb-render-util0": ("window", "libxcb-render-util.so.0"),
}
PROGRAMS = {
    "openssh-server": "sshd",
    "xvfb": "Xvfb",
    "strace": "strace",
    "redis-server": "redis-server",
    "postgresql": "postgres",
}
PROGRAM_FOLDERS = os.pathsep.join(
    [
        *("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"),
        *map(str, Path("/usr/lib/postgresql").glob("*/bin")),
    ]
)
FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")


def loads(library: str) -> bool:
    """Whether the dynamic loader finds ``library`` and all that it needs."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def has_font() -> bool:
    """Whether any scalable font is installed for the whole machine."""
    return any(next(Path(folder).rglob("*.[to]tf"), None) for folder in FONT_FOLDERS if Path(folder).is_dir())


def missing() -> Iterator[tuple[str, str]]:
    """``(level, package)`` of everything that is not there."""
    for package, (level, library) in LIBRARIES.items():
        if not loads(library):
            yield level, package
    if not has_font():
        yield "window", "fonts-dejavu-core"
    for package, program in PROGRAMS.items():
        if shutil.which(program) is None and shutil.which(program, path=PROGRAM_FOLDERS) is None:
            yield "tests", package


if __name__ == "__main__":
    if sys.platform.startswith("linux"):
        sys.stdout.writelines(f"{level} {package}\n" for level, package in missing())
