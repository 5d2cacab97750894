"""A systemd unit that keeps a target's server running over restarts; its operator installs it, not we."""

from __future__ import annotations

from importlib.resources import files

from core.delivery.records import TargetSpec
from core.kernel.errors import InputError

UNIT = "plimsoll-serving.service"


def service_unit(spec: TargetSpec, port: int) -> str:
    """The unit's text for one target. systemd wants the interpreter's absolute path.

    Raises:
        InputError: the target's record names the interpreter without its folder.
    """
    if not spec.python.startswith("/"):
        raise InputError(
            "A service unit needs the whole path of the target's Python",
            where=spec.name,
            remedy="Name it in the target's record, e.g. /usr/bin/python3",
        )
    text = (files("resources") / "targets" / UNIT).read_text(encoding="utf-8")
    values = {"NAME": spec.name, "ROOT": spec.root, "USER": spec.user, "PYTHON": spec.python, "PORT": str(port)}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
