"""The local socket's frames: a length, a JSON header, and for a table its Arrow bytes."""

from __future__ import annotations

import io
import json
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any

from core.kernel.errors import SystemFault

if TYPE_CHECKING:
    import polars as pl

LARGEST = 1 << 30
HEAD = struct.Struct(">II")


class Gone(SystemFault):
    """The other end closed the connection."""


def send(connection: socket.socket, header: dict[str, Any], frame: pl.DataFrame | None = None) -> None:
    """Send one message."""
    payload = b""
    if frame is not None:
        buffer = io.BytesIO()
        frame.write_ipc(buffer)
        payload = buffer.getvalue()
    text = json.dumps(header, default=str).encode()
    try:
        connection.sendall(HEAD.pack(len(text), len(payload)) + text + payload)
    except OSError as error:
        raise Gone("The workspace's owner is gone") from error


def receive(connection: socket.socket, *, frames: bool = True) -> tuple[dict[str, Any], pl.DataFrame | None]:
    """Receive one message; without ``frames``, one that carries a table is refused.

    Raises:
        Gone: when the other end closed.
    """
    sizes = HEAD.unpack(_exactly(connection, HEAD.size))
    if max(sizes) > LARGEST or (sizes[1] and not frames):
        raise SystemFault("A message on the local socket is too large")
    header = json.loads(_exactly(connection, sizes[0]))
    return header, _frame(_exactly(connection, sizes[1])) if sizes[1] else None


def is_frame(value: object) -> bool:
    """Whether an answer is a table. Polars is only imported where there are tables."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(value, polars.DataFrame)


def _frame(payload: bytes) -> pl.DataFrame:
    import polars  # half a second that a window's first page can do without

    return polars.read_ipc(io.BytesIO(payload))


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        try:
            part = connection.recv(min(size, 1 << 20))
        except OSError as error:
            raise Gone("The workspace's owner is gone") from error
        if not part:
            raise Gone("The workspace's owner is gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
