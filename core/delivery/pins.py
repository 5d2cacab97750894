"""The packages of the serving runtime, pinned to what is installed here: one list for wheels and for the SBOM."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from core.kernel.errors import SystemFault

DISTRIBUTION = "plimsoll-console"
GROUP = "serving"


class Pin(NamedTuple):
    """One package at one version; the name is normalised (PEP 503)."""

    name: str
    version: str


def serving_pins() -> list[Pin]:
    """Every package that the ``serving`` group needs, dependencies included, sorted by name.

    Raises:
        SystemFault: when one of them is not installed here.
    """
    found: dict[str, str] = {}
    missing: set[str] = set()
    waiting = [item for item in _requirements(DISTRIBUTION, GROUP, missing) if _only_in_group(item)]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in found or name in missing:
            continue
        needs = [need for extra in ("", *requirement.extras) for need in _requirements(name, extra, missing)]
        if name not in missing:
            found[name] = distribution(name).version
            waiting.extend(needs)
    if missing:
        raise SystemFault(
            "Packages of the serving runtime are not installed: " + ", ".join(sorted(missing)),
            remedy=f"Install them with: pip install '{DISTRIBUTION}[{GROUP}]'",
        )
    return [Pin(name, found[name]) for name in sorted(found)]


def _requirements(name: str, extra: str, missing: set[str]) -> list[Requirement]:
    try:
        texts = distribution(name).requires or []
    except PackageNotFoundError:
        missing.add(name)
        return []
    items = [Requirement(text) for text in texts]
    return [item for item in items if item.marker is None or item.marker.evaluate({"extra": extra})]


def _only_in_group(requirement: Requirement) -> bool:
    """The console's own dependencies have no marker; those of the group name it."""
    return requirement.marker is not None and GROUP in str(requirement.marker)
