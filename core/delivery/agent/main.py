"""The door: one action, its answer or its error as one JSON line."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext
from pathlib import Path

from core.delivery.agent import channel, files, install, server
from core.delivery.agent.ground import AgentError, alone

ACTIONS = {
    action.__name__: action
    for action in (
        *(files.probe, files.layout, files.read_small, files.receive, files.prune),
        *(install.runtime_there, install.install, install.unpack_release, install.release_there),
        *(server.serving, server.start, server.stop, server.status, server.token),
        *(channel.logs, channel.hold_lock),
    )
}
CHANGING = ("receive", "install", "unpack_release", "prune", "start", "stop")


def main() -> None:
    """One action; its answer or its error as one JSON line."""
    os.umask(0o077)
    params = json.loads(sys.stdin.buffer.readline())
    try:
        root, action = Path(params["root"]), params["action"]
        with alone(root) if action in CHANGING else nullcontext():
            answer = ACTIONS[action](root, params)
    except AgentError as error:
        sys.stdout.write(json.dumps(dict(error.answer, ok=False)) + "\n")
        sys.exit(1)
    except OSError as error:
        said = {"error": "SystemFault", "headline": "The target's disk or system failed", "detail": str(error)}
        sys.stdout.write(json.dumps(dict(said, ok=False)) + "\n")
        sys.exit(1)
    if answer is not None:
        sys.stdout.write(json.dumps(dict(answer, ok=True)) + "\n")
