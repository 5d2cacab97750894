"""packaging/lock.txt names exactly what is declared, and what this environment holds."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def locked() -> dict[str, str]:
    lines = (ROOT / "packaging" / "lock.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + [
        text for name in ("serving", "train", "scale", "demo", "dev") for text in extras[name]
    ]
    return [Requirement(text) for text in wanted]


def test_every_line_is_a_name_and_an_exact_version() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in locked())
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", number) for number in locked().values())


def test_the_lock_fits_what_is_declared() -> None:
    pins = locked()
    for wanted in declared():
        name = canonicalize_name(wanted.name)
        assert name in pins, f"{name} is not locked: run packaging/make_lock.py"
        assert wanted.specifier.contains(pins[name]), f"{name}=={pins[name]} against {wanted}"


def test_the_environment_holds_what_is_locked() -> None:
    different = {}
    for name, pinned in locked().items():
        try:
            here = version(name).split("+")[0]
        except PackageNotFoundError:
            here = "nothing"
        if here != pinned:
            different[name] = (pinned, here)
    assert different == {}


def test_torch_stays_free_to_bring_cuda() -> None:
    assert locked()["torch"] == "2.13.0"
    assert not [name for name in locked() if re.match(r"nvidia-(?!ml-py$)|cuda|triton$", name)]


def test_setting_up_says_which_python_it_needs() -> None:
    environment = {**os.environ, "PYTHON": "no-such-python"}
    script = ROOT / "packaging" / "setup.sh"
    done = subprocess.run(["sh", str(script)], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer; 'no-such-python' is not there" in done.stderr
