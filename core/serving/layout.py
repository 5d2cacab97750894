"""Where things lie on a target, and how its small state files are read and replaced."""

from __future__ import annotations

import json
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.kernel.digests import strict_json
from core.kernel.errors import InputError, NotFound, SystemFault

STATE_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True)
class Layout:
    """The folders and files under one target's root."""

    root: Path

    @property
    def trust(self) -> Path:
        return self.root / "trust.json"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def current(self) -> Path:
        return self.root / "current"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def online(self) -> Path:
        return self.root / "online" / "features.db"

    @property
    def switches(self) -> Path:
        return self.state / "switches.jsonl"

    @property
    def highest(self) -> Path:
        return self.state / "highest.json"

    @property
    def status(self) -> Path:
        return self.state / "status.json"

    @property
    def killed(self) -> Path:
        return self.state / "killed"

    @property
    def token(self) -> Path:
        return self.state / "token"

    @property
    def pid(self) -> Path:
        return self.state / "server.pid"

    @property
    def port(self) -> Path:
        return self.state / "port"

    def release(self, release: str) -> Path:
        """The folder of a release.

        Raises:
            InputError: when the name could lead out of the releases folder.
        """
        if not release or release in (".", "..") or "/" in release or "\\" in release or "\0" in release:
            raise InputError(f"{release!r} is not the name of a release")
        return self.releases / release

    def current_release(self) -> str | None:
        """The release that ``current`` points to; None when nothing was ever switched on.

        Raises:
            SystemFault: when ``current`` is not a link into the releases folder.
        """
        try:
            target = self.current.readlink()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SystemFault(
                "current is not a link to a release", detail=str(error), where=str(self.current)
            ) from error
        if target.parent not in (Path("releases"), self.releases):
            raise SystemFault("current points outside the releases folder", detail=str(target), where=str(self.current))
        return target.name

    def prepare(self) -> None:
        """Make the folders that the server and the commands write to; others may not read the state."""
        for folder in (self.releases, self.logs, self.online.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(parents=True, exist_ok=True, mode=0o700)


def replace_file(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a whole file and rename it into place, so that a reader sees the old or the new one."""
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SystemFault(f"Cannot write {path.name}", detail=str(error), where=str(path)) from error


def write_json(path: Path, value: Any) -> None:
    """Replace a state file by the JSON of ``value``."""
    replace_file(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: Path, default: Any = None) -> Any:
    """The JSON of a state file; ``default`` when it is absent.

    Raises:
        InputError: when it is not JSON. SystemFault: when it cannot be read.
    """
    try:
        return strict_json(read_limited(path, STATE_LIMIT))
    except NotFound:
        return default


def read_limited(path: Path, limit: int) -> bytes:
    """A regular file's bytes through a handle that follows no link.

    Raises:
        NotFound: absent. InputError: a link, not a regular file, or beyond ``limit`` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise NotFound(f"{path.name} is not there", where=str(path)) from error
    except OSError as error:
        raise InputError(f"{path.name} cannot be opened", detail=str(error), where=str(path)) from error
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise InputError(f"{path.name} is not a regular file", where=str(path))
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{path.name} is larger than {limit} bytes", where=str(path))
    return data
