"""Write ``lock.txt`` beside this file: the exact version of everything that this environment holds.

Run it with the environment's own Python after a change of ``pyproject.toml`` has been installed and
tested: ``.venv/bin/python packaging/make_lock.py``. The result is a pip constraints file, so it names
versions and no place to get them from; a site's own package index or wheel folder serves as well.
"""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

LOCK = Path(__file__).with_name("lock.txt")
HEADER = (
    "# Exact versions for every environment of Plimsoll. Made by packaging/make_lock.py; do not edit.\n"
    "# No build tag behind a version: the same line gives torch for the CPU or with CUDA,\n"
    "# whichever the site's index offers. CUDA's own packages follow from torch and stay free.\n"
)
LEFT_OUT = re.compile(r"^(plimsoll-console|pip|nvidia-(?!ml-py$).*|cuda-.*|triton)$")


def normal_name(name: str) -> str:
    """The name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked_lines() -> list[str]:
    """``name==version`` of all installed distributions, sorted, local version tags cut."""
    versions = {normal_name(item.metadata["Name"]): item.version.split("+")[0] for item in distributions()}
    return [f"{name}=={version}" for name, version in sorted(versions.items()) if not LEFT_OUT.match(name)]


if __name__ == "__main__":
    LOCK.write_text(HEADER + "\n".join(locked_lines()) + "\n", encoding="utf-8")
