"""The wheelhouse: wheels of the serving runtime, fetched once at set-up, so that targets need no network.

``python -m core.delivery.wheelhouse DIR`` fills one with ``pip download``; that is the only thing here
that uses a network, and only a person at set-up runs it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from core.delivery.archive import measure
from core.delivery.pins import Pin, serving_pins
from core.delivery.records import Wheel, WheelhouseInfo
from core.kernel.digests import digest_json
from core.kernel.errors import InputError, PlimsollError, Problem, SystemFault

REMEDY = "Run once, with a network or a mirror at hand: make wheelhouse"
VARIABLE = "PLIMSOLL_WHEELHOUSE"
_GLIBC = re.compile(r"manylinux_(\d+)_(\d+)_")
_OLD_NAMES = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}


def default_wheelhouse() -> Path:
    """$PLIMSOLL_WHEELHOUSE, or ``.wheelhouse`` in the checkout."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(__file__).parents[2] / ".wheelhouse"


def wheelhouse(path: Path | None = None) -> WheelhouseInfo:
    """Read a wheelhouse and make sure that it holds every pinned package of the serving runtime, and pip.

    Raises:
        InputError: listing every wheel that is missing, with the command that fetches them.
    """
    folder = path or default_wheelhouse()
    files = sorted(folder.glob("*.whl")) if folder.is_dir() else []
    if not files:
        raise InputError("There is no wheelhouse for targets yet", where=str(folder), remedy=REMEDY)
    wheels = [_wheel(file) for file in files]
    ours = [wheel for wheel in wheels if wheel.name != "pip"]
    pip = [wheel.file for wheel in wheels if wheel.name == "pip"]
    problems = list(_gaps(ours, pip, serving_pins()))
    if problems:
        raise InputError("The wheelhouse is not complete", where=str(folder), problems=problems, remedy=REMEDY)
    python, platform, glibc = _compatibility(ours)
    return WheelhouseInfo(
        folder=str(folder),
        digest=digest_json([wheel.plain() for wheel in wheels]),
        python=python,
        platform=platform,
        glibc=glibc,
        pip=pip[0],
        wheels=ours,
    )


def kept(folder: Path) -> WheelhouseInfo | None:
    """The wheelhouse as it is, if nothing is missing and nothing is old: then no network is needed."""
    try:
        return wheelhouse(folder)
    except InputError:
        return None


def fill(folder: Path) -> WheelhouseInfo:
    """Download the pinned wheels and pip's; the folder is replaced when all of them have come.

    Raises:
        SystemFault: when pip fails, with what it said.
    """
    pins = [f"{pin.name}=={pin.version}" for pin in serving_pins()]
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest"]
    try:
        done = subprocess.run([*command, str(staging), "pip", *pins], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemFault("pip could not fetch the wheels", detail=done.stderr.strip()[-2000:])
        wheelhouse(staging)
        shutil.rmtree(folder, ignore_errors=True)
        staging.chmod(0o755)
        staging.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return wheelhouse(folder)


def _wheel(file: Path) -> Wheel:
    try:
        name, version, _, _ = parse_wheel_filename(file.name)
    except InvalidWheelFilename as error:
        raise InputError("This is not a wheel", where=str(file), remedy=REMEDY) from error
    written = measure(file)
    return Wheel(file=file.name, name=name, version=str(version), size=written.size, sha256=written.sha256)


def _gaps(wheels: list[Wheel], pip: list[str], pins: list[Pin]) -> list[Problem]:
    there = [(wheel.name, wheel.version) for wheel in wheels]
    out = [Problem(f"no wheel of {pin.name} {pin.version}") for pin in pins if tuple(pin) not in there]
    out += [
        Problem(f"{name} {version} is not part of the runtime")
        for name, version in there
        if (name, version) not in pins
    ]
    if len(pip) != 1:
        out.append(Problem(f"{len(pip)} wheels of pip", expected="one"))
    return out


def _compatibility(wheels: list[Wheel]) -> tuple[str, str, tuple[int, int] | None]:
    """Interpreter, platform, and the newest C library that any wheel insists on."""
    python, platform, needs = f"cp{sys.version_info.major}{sys.version_info.minor}", "any", []
    for wheel in wheels:
        tags = parse_wheel_filename(wheel.file)[3]
        python = next((tag.interpreter for tag in tags if tag.abi == tag.interpreter), python)
        native = [tag.platform for tag in tags if tag.platform != "any"]
        if native:
            machine = re.sub(r"^(manylinux(_\d+_\d+|\d+)|linux|macosx_\d+_\d+|win)_", "", native[0])
            platform = f"{sys.platform}_{machine}"
            needs.append(min(_glibc(name) for name in native))
    return python, platform, max(needs, default=None)


def _glibc(platform: str) -> tuple[int, int]:
    if match := _GLIBC.match(platform):
        return int(match[1]), int(match[2])
    return next((version for name, version in _OLD_NAMES.items() if platform.startswith(name)), (0, 0))


def main(arguments: list[str]) -> int:
    """Fill the folder that is named, or the default one, unless it is complete."""
    folder = Path(arguments[0]) if arguments else default_wheelhouse()
    try:
        info = kept(folder) or fill(folder)
    except PlimsollError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    size = sum(wheel.size for wheel in info.wheels) / 1e6
    sys.stdout.write(f"{len(info.wheels)} wheels, {size:.0f} MB, for {info.python} on {info.platform}: {info.folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
