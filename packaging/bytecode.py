"""Import every module of Plimsoll once, so that the bytecode of all that it uses is written beside it.

pip would compile every module of every package, which takes longer than all the rest of the set-up; most are never
imported. Call it without PYTHONDONTWRITEBYTECODE.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

ROOMS = ("core", "app")
PROGRAMS = (".__main__", ".migrations.env")  # they run when they are imported


def main() -> int:
    """Import what can be imported; a module that can't is the tests' business, not the set-up's."""
    for room in ROOMS:
        package = importlib.import_module(room)
        for found in pkgutil.walk_packages(package.__path__, f"{room}."):
            if not found.name.endswith(PROGRAMS):
                importlib.import_module(found.name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
