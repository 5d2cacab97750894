"""What MLflow's tests start their server with, replaced: a fresh workspace of ours for each test."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from typing import Any

import mlflow
import requests

STARTED: list[subprocess.Popen[str]] = []


class ServerThread:
    """Asked for by name only, in tests that are not chosen."""


def get_safe_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _init_server(*_: Any, **__: Any) -> Iterator[str]:
    """The address of a tracking port with an empty workspace behind it."""
    mlflow.set_tracking_uri(None)
    if not STARTED:
        command = [os.environ["PLIMSOLL_PYTHON"], os.environ["PLIMSOLL_SERVE"]]
        STARTED.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    to, back = STARTED[0].stdin, STARTED[0].stdout
    assert to is not None
    assert back is not None
    to.write("next\n")
    to.flush()
    yield f"http://127.0.0.1:{int(back.readline())}"


def _send_rest_tracking_post_request(uri: str, path: str, payload: Any, auth: Any = None) -> requests.Response:
    return requests.post(uri + path, json=payload, auth=auth)
