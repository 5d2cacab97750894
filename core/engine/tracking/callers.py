"""Who calls: a passphrase, an access token, or, without either, the operating system's word about a local process."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3
from sqlmodel import Session, col, select

from core.kernel.digests import digest_bytes
from core.kernel.errors import AnswerIsNo, Conflict, InputError, NotFound, PlimsollError, Refused
from core.store.tables import Transition

if TYPE_CHECKING:
    from core.engine.engine import Engine

TOKEN_KIND = "access token"
KNOWN_FOR_S = 10.0  # so long a token that was revoked may still be let in
SEPARATOR = ":"


class Callers:
    """Turns the head of a request into a session's token."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._secret = secrets.token_bytes(32)
        self._known: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()

    def token_of(self, authorization: str, client: str, server: str) -> str:
        """The session of whoever sent the request; made at the first one.

        Raises:
            Refused: when nobody is behind it that may be let in.
        """
        key = blake3(authorization.encode() or b"-", key=self._secret).hexdigest()
        if not authorization:
            self._must_be_us(client, server)
        with self._lock:
            found = self._known.get(key)
            if found is not None and found[1] > time.monotonic():
                return found[0]
        made, lasts = self._enter(authorization)
        with self._lock:
            self._known[key] = (made, time.monotonic() + lasts)
        return made

    def _enter(self, authorization: str) -> tuple[str, float]:
        if not authorization:
            return self._engine.login("", None), 3600.0
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() == "basic":
            name, passphrase = _decoded(value)
            return self._engine.login(name, passphrase), 3600.0
        if scheme.lower() != "bearer":
            raise Refused("Authenticate by user and passphrase, or by an access token")
        with self._engine.workspace.database.reading() as session:
            row = token_row(session, value.strip())
        return self._engine.sessions.enter(row.created_by, "access token"), KNOWN_FOR_S

    @staticmethod
    def _must_be_us(client: str, server: str) -> None:
        if peer_uid(client, server) != os.getuid():
            raise Refused(
                "Say who you are",
                remedy="Set MLFLOW_TRACKING_TOKEN (made by `plimsoll user token`), or MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD.",
            )


def token_row(session: Session, token: str) -> Transition:
    """The record of an access token that holds.

    Raises:
        Refused: for one that was never made, or was revoked.
    """
    query = select(Transition).where(Transition.kind == TOKEN_KIND, Transition.subject == digest_bytes(token.encode()))
    row = session.exec(query.order_by(col(Transition.order).desc())).first()
    if row is None or row.state != "active":
        raise Refused("The access token is not valid", remedy="Make one with `plimsoll user token`.")
    return row


def tokens_of(session: Session, user: str) -> list[Transition]:
    """The access tokens of a user that hold, oldest first. Their makers are their owners."""
    query = select(Transition).where(Transition.kind == TOKEN_KIND, Transition.created_by == user)
    newest = {row.subject: row for row in session.exec(query.order_by(col(Transition.order)))}
    return [row for row in newest.values() if row.state == "active"]


def _decoded(value: str) -> tuple[str, str]:
    try:
        name, found, passphrase = base64.b64decode(value, validate=True).decode().partition(SEPARATOR)
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("The credentials cannot be read") from error
    if not found or not name:
        raise Refused("The credentials name no user")
    return name, passphrase


def peer_uid(client: str, server: str) -> int | None:
    """The user whose process holds the other end of a connection over loopback, by the kernel's table; or none."""
    near, far = _hex_address(client), _hex_address(server)
    if near is None or far is None:
        return None
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1] == near and fields[2] == far:
            return int(fields[7])
    return None


def _hex_address(address: str) -> str | None:
    host, _, port = address.rpartition(":")
    parts = host.split(".")
    if len(parts) != 4 or parts[0] != "127":
        return None
    return "".join(f"{int(part):02X}" for part in reversed(parts)) + f":{int(port):04X}"


def status_of(error: PlimsollError) -> tuple[int, str]:
    """The HTTP status and MLflow's code of an error."""
    if isinstance(error, NotFound):
        return 404, "RESOURCE_DOES_NOT_EXIST"
    if isinstance(error, Conflict):
        return 400, "RESOURCE_ALREADY_EXISTS"
    if isinstance(error, InputError):
        return 400, "INVALID_PARAMETER_VALUE"
    if isinstance(error, Refused):
        return 403, "PERMISSION_DENIED"
    return (400, "INVALID_STATE") if isinstance(error, AnswerIsNo) else (500, "INTERNAL_ERROR")
