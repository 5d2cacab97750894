"""Putting things in place: the runtime, without a network, and releases, through the runtime's own reader."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import tarfile
from pathlib import Path

from core.delivery.agent.files import sha256
from core.delivery.agent.ground import BLOCK, AgentError, Params, current, inside, link, point, run, runtime_env, tail

UNPACK = """
import sys
from pathlib import Path
from core.serving.unpack import unpack
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def runtime_there(root: Path, params: Params) -> Params:
    """Whether a runtime is installed completely."""
    return {"complete": (root / "runtimes" / params["name"] / "complete.json").is_file()}


def install(root: Path, params: Params) -> Params:
    """Install a received runtime bundle without a network; it appears under its name when it is complete."""
    final = root / "runtimes" / params["name"]
    staging = root / "runtimes" / ("." + params["name"] + ".partial")
    if not (final / "complete.json").is_file():
        for leftover in (staging, final):
            shutil.rmtree(str(leftover), ignore_errors=True)
        try:
            spread(root / "incoming" / params["tar"], staging)
            told = pip_install(staging)
            smoke(root, staging)
            for spent in ("wheels", "pip", "site/bin"):
                shutil.rmtree(str(staging / spent), ignore_errors=True)
            (staging / "complete.json").write_text(json.dumps({"pip": told, "python": platform.python_version()}))
            staging.rename(final)
        finally:
            shutil.rmtree(str(staging), ignore_errors=True)
    if (root / "incoming" / params["tar"]).exists():
        (root / "incoming" / params["tar"]).unlink()
    point(root / "runtimes" / "current", params["name"])
    return {}


def spread(tar: Path, into: Path) -> None:
    """Unpack regular files with plain relative names; anything else refuses the whole archive."""
    with tarfile.open(str(tar), "r:") as archive:
        members = archive.getmembers()
        for member in members:
            parts = member.name.split("/")
            if not member.isreg() or member.name.startswith("/") or any(part in ("", ".", "..") for part in parts):
                raise AgentError("Refused", f"The runtime bundle holds {member.name!r}")
        for member in members:
            path = into / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None
            with source, path.open("wb") as out:
                shutil.copyfileobj(source, out, BLOCK)


def pip_install(folder: Path) -> str:
    """Run pip from its own wheel: no venv, no ensurepip, no index, every wheel held to its hash."""
    wheel = next(iter((folder / "pip").glob("*.whl")))
    command = [sys.executable, str(wheel) + "/pip", "--isolated", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-warn-script-location", "--only-binary=:all:"]
    command += ["--require-hashes", "--find-links", str(folder / "wheels"), "--target", str(folder / "site")]
    command += ["--no-compile"]  # a third less work: the smoke test compiles what the server loads, and no more
    done = run([*command, "-r", str(folder / "requirements.txt")], 900)
    if done.returncode:
        raise AgentError("SystemFault", "pip could not install the runtime", tail(done), "Check the target's Python.")
    return wheel.name


def smoke(root: Path, folder: Path) -> None:
    """Load the server's libraries once: a wheel that doesn't fit this host shows here and not at the switch."""
    command = [sys.executable, "-P", "-s", "-m", "core.serving", "install-check", "--root", str(root)]
    done = run(command, 300, runtime_env(folder))
    if done.returncode:
        raise AgentError("SystemFault", "The runtime doesn't start on this host", done.stdout.decode() + tail(done))


def release_there(root: Path, params: Params) -> Params:
    """The digest of a release's manifest on the target; null when the release isn't there."""
    path = inside(root, "releases", params["release"]) / "manifest.json"
    return {"manifest": sha256(path) if path.is_file() else None}


def unpack_release(root: Path, params: Params) -> Params:
    """Unpack a received package through the runtime's own reader; the same release twice is fine."""
    final, tar = inside(root, "releases", params["release"]), inside(root, "incoming", params["tar"])
    staging = inside(root, "incoming", params["release"] + ".folder")
    shutil.rmtree(str(staging), ignore_errors=True)
    try:
        done = run([sys.executable, "-P", "-s", "-c", UNPACK, str(tar), str(staging)], 900, runtime_env(current(root)))
        if done.returncode:
            raise AgentError("Refused", "The package was refused on the target", tail(done))
        settle(root, staging, final)
    finally:
        shutil.rmtree(str(staging), ignore_errors=True)
        tar.unlink()
    return {}


def settle(root: Path, staging: Path, final: Path) -> None:
    """Put an unpacked release where it belongs. One that is there may only get other sign-offs."""
    if not final.exists():
        staging.rename(final)
    elif not same_tree(staging, final):
        remedy = "A release is never replaced: propose a new one, or remove the damaged folder on the target."
        raise AgentError("Conflict", "Another content has this release's name", final.name, remedy)
    elif not same_tree(staging / "signatures", final / "signatures", set()):
        if link(root / "current") == final.name:
            raise AgentError("Conflict", "The release is in use: its sign-offs cannot change", final.name)
        (final / "signatures").rename(staging / "earlier")
        (staging / "signatures").rename(final / "signatures")


def same_tree(one: Path, other: Path, apart: set[str] | None = None) -> bool:
    """Same files with the same bytes, the sign-offs left out unless told otherwise."""
    found = [contents(top, {"signatures"} if apart is None else apart) for top in (one, other)]
    return found[0] == found[1]


def contents(folder: Path, apart: set[str]) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path; other things have none."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
    wanted = [name for name in names if name.split("/")[0] not in apart]
    return {name: sha256(folder / name) if (folder / name).is_file() else "" for name in wanted}
