"""Verifying a package file without a target: unpacked beside nothing that is kept, checked, forgotten."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from core.contract.release import Dossier, TrustRoot, VerifiedRelease
from core.kernel.clock import SystemClock
from core.kernel.digests import strict_json
from core.kernel.errors import InputError
from core.serving.names import part_complaint
from core.serving.unpack import unpack
from core.serving.verify import verify_release


def verify_package(file: Path, trust_for: Callable[[Dossier], TrustRoot]) -> VerifiedRelease:
    """Check inventory, digests and signatures of a package by the code that a target runs.

    ``trust_for`` names whom to believe about the project and environment that the dossier states;
    nothing else of the dossier is believed before it is verified.

    Raises:
        InputError: when the file is no package that may be unpacked.
    """
    with tempfile.TemporaryDirectory(prefix="plimsoll-verify-") as place:
        folder = unpack(file, Path(place) / "package")
        dossier = Dossier.read(strict_json((folder / "dossier.json").read_bytes()), where="dossier.json")
        if "/" in dossier.release or part_complaint(dossier.release) or dossier.release == "package":
            raise InputError("The package names a release that cannot be one", where="dossier.json")
        named = folder.rename(Path(place) / dossier.release)
        trust = trust_for(dossier)
        return verify_release(named, trust, now=SystemClock().now(), environment=trust.environment)
