"""The target's command line: serve, and verify, prove, switch and roll back releases. Answers are JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.kernel.clock import SystemClock
from core.kernel.errors import PlimsollError

VERBS = ("unpack", "verify", "golden", "switch", "rollback", "status", "install-check", "kill", "revive", "forget")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status is 0, or that of the error (1 no, 2 input, 3 refused, 4 fault)."""
    options = _parser().parse_args(arguments)
    try:
        if options.verb is None:
            return _serve(options)
        answer = COMMANDS[options.verb](options)
    except PlimsollError as error:
        _say({"ok": False, **error.as_dict()})
        return error.exit_code
    _say(answer)
    return 0 if answer.get("ok", True) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core.serving", description=__doc__)
    parser.add_argument("verb", nargs="?", choices=VERBS, help="without one: serve")
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--release")
    parser.add_argument("--package", type=Path, help="for unpack: the package's tar")
    parser.add_argument("--to")
    parser.add_argument("--order", type=Path, help="for rollback: an order that the console signed; for forget: whom")
    parser.add_argument("--by", default=os.environ.get("USER", "unknown"), help="who asks, for the history")
    parser.add_argument("--reason", default="", help="why the kill switch is pulled")
    return parser


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=1, sort_keys=True) + "\n")


def _serve(options: argparse.Namespace) -> int:
    from core.serving.server import serve

    serve(options.root, options.host, options.port)
    return 0


def _unpack(options: argparse.Namespace) -> dict[str, Any]:
    """Unpack a package into releases/<release>; refused whole or there whole."""
    from core.kernel.errors import InputError
    from core.serving.layout import Layout
    from core.serving.unpack import unpack

    if options.package is None:
        raise InputError("Which package? Name its file with --package")
    folder = unpack(options.package, Layout(options.root.resolve()).release(options.release or ""))
    return {"ok": True, "release": folder.name}


def _verify(options: argparse.Namespace) -> dict[str, Any]:
    """Signatures, digests and inventory of a release."""
    from core.serving.layout import Layout
    from core.serving.trust import read_trust
    from core.serving.verify import verify_release

    layout = Layout(options.root.resolve())
    trust = read_trust(layout.trust)
    folder = layout.release(options.release or "")
    verified = verify_release(folder, trust, now=SystemClock().now(), environment=trust.environment)
    return {"ok": verified.ok, **verified.plain()}


def _golden(options: argparse.Namespace) -> dict[str, Any]:
    """The contract and golden-row test, offline, on a release that verifies."""
    from core.serving.deploy import prove
    from core.serving.layout import Layout
    from core.serving.trust import read_trust

    layout = Layout(options.root.resolve())
    proof = prove(layout, options.release or "", read_trust(layout.trust), SystemClock().now())
    return {"ok": True, "release": proof.dossier.release, "golden_rows": proof.golden_rows}


def _switch(options: argparse.Namespace) -> dict[str, Any]:
    from core.serving.deploy import switch
    from core.serving.layout import Layout

    return {"ok": True, **switch(Layout(options.root.resolve()), options.release or "", by=options.by)}


def _rollback(options: argparse.Namespace) -> dict[str, Any]:
    from core.serving.deploy import rollback
    from core.serving.layout import Layout

    layout = Layout(options.root.resolve())
    return {"ok": True, **rollback(layout, options.to, by=options.by, order=options.order)}


def _status(options: argparse.Namespace) -> dict[str, Any]:
    """What is current, what the server says, the last switches."""
    from core.serving.deploy import server_pid
    from core.serving.history import highest_versions, read_switches
    from core.serving.layout import Layout, read_json

    layout = Layout(options.root.resolve())
    running = server_pid(layout)
    seen = highest_versions(layout)
    return {
        "current": layout.current_release(),
        "killed": layout.killed.exists(),
        "server_pid": running,
        "port": int(layout.port.read_text()) if running and layout.port.exists() else None,
        "server": read_json(layout.status),
        "highest": {model: {"version": item[0], "release": item[1]} for model, item in seen.items()},
        "switches": [item.plain() for item in read_switches(layout)[-20:]],
    }


def _install_check(options: argparse.Namespace) -> dict[str, Any]:
    """Whether this runtime can serve: its libraries load and the root can be written."""
    import granian
    import polars

    from core.serving.layout import Layout, replace_file
    from core.serving.loaded import runtime_version

    layout = Layout(options.root.resolve())
    layout.prepare()
    probe = layout.state / "probe"
    replace_file(probe, b"ok")
    probe.unlink()
    versions = {"onnxruntime": runtime_version(), "granian": granian.__version__, "polars": polars.__version__}
    return {"ok": True, "python": platform.python_version(), "versions": versions, "trust": layout.trust.exists()}


def _kill(options: argparse.Namespace) -> dict[str, Any]:
    """Pull the kill switch: inference answers 503 from the next request on."""
    from core.serving.layout import Layout, write_json

    layout = Layout(options.root.resolve())
    layout.prepare()
    write_json(layout.killed, {"by": options.by, "reason": options.reason})
    return {"ok": True, "killed": True}


def _revive(options: argparse.Namespace) -> dict[str, Any]:
    """Release the kill switch."""
    from core.serving.layout import Layout

    Layout(options.root.resolve()).killed.unlink(missing_ok=True)
    return {"ok": True, "killed": False}


def _forget(options: argparse.Namespace) -> dict[str, Any]:
    """Forget a person in store and logs; the order is removed whatever comes of it."""
    from core.kernel.digests import strict_json
    from core.kernel.errors import InputError
    from core.serving.forgetting import Forget
    from core.serving.forgetting_here import carry_out
    from core.serving.layout import Layout

    if options.order is None:
        raise InputError("Whom? Name the order's file with --order")
    try:
        order = Forget.read(strict_json(options.order.read_bytes()))
        return {"ok": True, **carry_out(Layout(options.root.resolve()), order).plain()}
    finally:
        options.order.unlink(missing_ok=True)


COMMANDS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "unpack": _unpack,
    "verify": _verify,
    "golden": _golden,
    "switch": _switch,
    "rollback": _rollback,
    "status": _status,
    "install-check": _install_check,
    "kill": _kill,
    "revive": _revive,
    "forget": _forget,
}

if __name__ == "__main__":
    sys.exit(main())
