"""The runtime bundle: wheels and our runtime's source in one tar, named by what is in it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

from core.delivery.archive import Entry, Written, write_tar
from core.delivery.records import WheelhouseInfo
from core.kernel.digests import PREFIX, canonical_json, digest_bytes, digest_json
from core.kernel.errors import SystemFault

ENTRY = "core.serving"
ALLOWED = frozenset({"serving", "contract", "measures", "kernel"})
SOURCE = Path(__file__).parents[2]


class RuntimeBundle(NamedTuple):
    """A runtime ready to travel: ``name`` is its folder's name on targets (32 hex digits)."""

    name: str
    path: Path
    written: Written


def runtime_name(wheels: WheelhouseInfo) -> str:
    """The name of the runtime that these wheels and today's source make: 128 bits of a BLAKE3 digest."""
    source = {path: digest_bytes(content) for path, content in runtime_source().items()}
    listed = [[wheel.file, wheel.sha256] for wheel in wheels.wheels]
    return digest_json({"wheels": listed, "source": source}).removeprefix(PREFIX)[:32]


def build_runtime(wheels: WheelhouseInfo, folder: Path) -> RuntimeBundle:
    """Write ``runtime-<name>.tar`` into ``folder``: wheels, pip's wheel, hashed requirements, source."""
    name = runtime_name(wheels)
    house = Path(wheels.folder)
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels.wheels]
    about = {"name": name, "python": wheels.python, "platform": wheels.platform, "pip": wheels.pip}
    entries = [Entry("runtime.json", canonical_json(about)), Entry("requirements.txt", "".join(lines).encode())]
    entries += [Entry(f"wheels/{wheel.file}", house / wheel.file) for wheel in wheels.wheels]
    entries += [Entry(f"pip/{wheels.pip}", house / wheels.pip)]
    entries += [Entry(path, content) for path, content in runtime_source().items()]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"runtime-{name}.tar"
    return RuntimeBundle(name, path, write_tar(entries, path))


def runtime_source() -> dict[str, bytes]:
    """Our source that the server needs: ``core.serving`` and the rooms that it imports, sorted by path.

    Raises:
        SystemFault: when the server imports a room that may not ship.
    """
    rooms, waiting = set[str](), ["serving"]
    while waiting:
        room = waiting.pop()
        if room in rooms:
            continue
        rooms.add(room)
        waiting.extend(_imported_rooms(room))
    if rooms - ALLOWED:
        raise SystemFault(f"The serving runtime imports rooms that may not ship: {', '.join(sorted(rooms - ALLOWED))}")
    files = [SOURCE / "core" / "__init__.py"]
    for room in rooms:
        files += [path for path in (SOURCE / "core" / room).rglob("*") if path.is_file() and _ships(path)]
    return {path.relative_to(SOURCE).as_posix(): path.read_bytes() for path in sorted(files)}


def _ships(path: Path) -> bool:
    return "__pycache__" not in path.parts and path.suffix not in (".pyc", ".pyo") and not path.name.startswith(".")


def _imported_rooms(room: str) -> set[str]:
    """Rooms of core that the modules of one room import anywhere."""
    names: set[str] = set()
    for path in sorted((SOURCE / "core" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.update({node.module} if node.module != "core" else {f"core.{alias.name}" for alias in node.names})
    return {name.split(".")[1] for name in names if name.startswith("core.")}
