"""Private files: written whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from core.kernel.errors import Refused, SystemFault


def private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 if it is missing."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def write_private(path: Path, data: bytes, *, replace: bool = True) -> None:
    """Write ``data`` to ``path`` with mode 0600 through a synced temporary file beside it.

    Raises:
        FileExistsError: when ``replace`` is off and somebody was first.
        SystemFault: when the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path, replace)
    except FileExistsError:
        raise
    except OSError as error:
        raise SystemFault(f"Cannot write {path.name}", detail=str(error), where=str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path, replace: bool) -> None:
    if replace:
        temporary.replace(path)
    else:
        path.hardlink_to(temporary)  # a link fails if the name is taken: the first writer wins
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refuse_if_open_to_others(path: Path) -> None:
    """Refuse a secret file that group or others may read, as OpenSSH does with its keys."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise Refused(
            f"Other users of this machine can read {path.name}",
            where=str(path),
            detail=f"Its mode is {mode:04o}.",
            remedy=f"If nobody did, run: chmod 600 {path}. Otherwise revoke the key and make a new one.",
        )
