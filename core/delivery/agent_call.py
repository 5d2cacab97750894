"""Calling the agent on a target: its source goes first, then one line of parameters, then raw bytes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any

from core.delivery.agent import MODULES
from core.delivery.ssh import Finished, Remote
from core.kernel.errors import PlimsollError, SystemFault, error_from_dict

_PACKAGE = "core.delivery.agent"
_BOOT = (
    "import sys,json,types\n"
    "for name,text in json.loads(sys.stdin.buffer.read(int(sys.argv[1]))):\n"
    " m=types.ModuleType(name);sys.modules[name]=m;exec(compile(text,name,'exec'),m.__dict__)\n"
    f"sys.modules['{_PACKAGE}.main'].main()\n"
)


def agent_source() -> bytes:
    """The agent's modules as JSON pairs of name and text, parents first."""
    parents = [["core", ""], ["core.delivery", ""], [_PACKAGE, ""]]
    folder = files(_PACKAGE)
    texts = [[f"{_PACKAGE}.{name}", (folder / f"{name}.py").read_text(encoding="utf-8")] for name in MODULES]
    return json.dumps(parents + texts).encode()


def agent_command(remote: Remote) -> tuple[str, bytes]:
    """The command line and the first bytes of its input."""
    source = agent_source()
    return f"{shlex.quote(remote.spec.python)} -I -c {shlex.quote(_BOOT)} {len(source)}", source


def call(
    remote: Remote,
    action: str,
    feed: Iterable[bytes] = (),
    *,
    limit_s: float = 120.0,
    sink: Callable[[bytes], None] | None = None,
    **params: Any,
) -> dict[str, Any]:
    """Do one action on the target; ``feed`` follows the parameters, ``sink`` takes the raw answer.

    Raises:
        PlimsollError: whatever the agent refused or failed at, with the target as its place.
    """
    command, source = agent_command(remote)
    line = json.dumps({"action": action, "root": remote.spec.root, "limit_s": limit_s, **params}).encode() + b"\n"
    kept = bytearray()

    def keep(block: bytes) -> None:
        kept.extend(block[: max(0, 65536 - len(kept))] if sink else block)
        if sink:
            sink(block)

    done = remote.run(command, _join(source + line, feed), timeout=limit_s + 15, sink=keep)
    return answer_of(remote, done, bytes(kept))


def answer_of(remote: Remote, done: Finished, stdout: bytes) -> dict[str, Any]:
    """The first line of an answer, or the error in it.

    Raises:
        PlimsollError: rebuilt from the answer. SystemFault: when there is none.
    """
    try:
        answer = json.loads(stdout.split(b"\n", 1)[0])
    except ValueError:
        raise _silent(remote, done) from None
    if not answer.pop("ok"):
        error: PlimsollError = error_from_dict({**answer, "problems": answer.get("problems", [])})
        error.where = error.where or remote.spec.name
        raise error
    if done.code != 0:
        raise _silent(remote, done)
    return dict(answer)


def _silent(remote: Remote, done: Finished) -> SystemFault:
    if done.code == 127:
        return SystemFault(
            f"There is no {remote.spec.python} on {remote.spec.name}",
            remedy="Install Python on the target, or name another interpreter in the target's record.",
        )
    broke = "the connection broke" if done.code == -1 else f"exit code {done.code}"
    return SystemFault(f"{remote.spec.name} gave no answer ({broke})", detail=done.stderr.strip()[-3000:])


def _join(head: bytes, rest: Iterable[bytes]) -> Iterable[bytes]:
    yield head
    yield from rest
