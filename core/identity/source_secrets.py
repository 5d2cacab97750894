"""Passwords and tokens of sources: in the keyring alone, by name, for one workspace each."""

from __future__ import annotations

import re

import keyring
from keyring.errors import PasswordDeleteError

from core.identity.secrets import SERVICE, keyring_state, read_entry, trusted_backend, write_entry
from core.kernel.errors import InputError, NotFound, Refused

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
LONGEST = 4096


def keep_source_secret(workspace: str, name: str, value: str) -> None:
    """Store a secret in the keyring.

    Raises:
        InputError: for a name that is none, or a value that is empty or not one line.
        Refused: when there is no keyring that may hold it.
    """
    if not NAME.fullmatch(name):
        raise InputError(f"{name!r} is not a name", remedy="Use lower-case letters, digits and _, a letter first.")
    if not value or len(value) > LONGEST or any(ord(char) < 32 for char in value):
        raise InputError(
            "The secret is empty, or not one line", remedy=f"Give one line of at most {LONGEST:,} characters."
        )
    write_entry(_backend(), _entry(workspace, name), value)


def source_secret(workspace: str, name: str) -> str:
    """A stored secret.

    Raises:
        NotFound: when the keyring holds none of that name.
        Refused: when there is no keyring that may hold one.
    """
    _backend()
    found = read_entry(_entry(workspace, name))
    if not found:
        raise NotFound(
            f"The secret {name!r} is not in the keyring",
            where=name,
            remedy=f"Store it with `plimsoll secret set {name}`, and unlock the keyring.",
        )
    return found


def drop_source_secret(workspace: str, name: str) -> None:
    """Remove a secret from the keyring; silent when there was none.

    Raises:
        Refused: when there is no keyring.
    """
    backend = _backend()
    try:
        backend.delete_password(SERVICE, _entry(workspace, name))
    except PasswordDeleteError:
        return


def _entry(workspace: str, name: str) -> str:
    return f"secret/{workspace}/{name}"


def _backend() -> keyring.backend.KeyringBackend:
    backend = trusted_backend()
    if backend is None:
        state = keyring_state()
        raise Refused(
            "Secrets of sources are kept in a keyring, and there is none here",
            detail=f"Keyring {state.backend}: {state.why}.",
            remedy="Log in to a desktop session with a keyring; on a host without one, run the engine under "
            "`dbus-run-session` with a Secret Service such as gnome-keyring.",
        )
    return backend
