"""An owner that a window starts beside itself: ``python -m core.engine.aside ROOT``.

The window then asks it over the socket like any guest, so that neither the store's imports nor its
work ever hold the thread that paints. It ends when its standard input closes, that is, with the window.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from core.engine.channels import OwnChannel
from core.engine.owner import Lock
from core.kernel.errors import PlimsollError, error_from_dict

STORE_PASSPHRASE = "PLIMSOLL_STORE_PASSPHRASE"


class Aside:
    """The process of such an owner."""

    def __init__(self, root: Path, store_passphrase: str | None) -> None:
        environment = dict(os.environ)
        if store_passphrase:
            environment[STORE_PASSPHRASE] = store_passphrase
        self._process = subprocess.Popen(
            [sys.executable, "-m", "core.engine.aside", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether it runs no longer."""
        return self._process.poll() is not None

    def failure(self) -> PlimsollError | None:
        """Why it ended, if it could not open the workspace."""
        if self._process.poll() in (None, 0) or self._process.stdout is None:
            return None
        said = self._process.stdout.read()
        return error_from_dict(json.loads(said)) if said else None

    def close(self) -> None:
        """Let it end; it closes the store first."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(root: Path) -> int:
    """Own the workspace until standard input closes; nothing to do when somebody else owns it."""
    lock = Lock(root)
    if not lock.take():
        lock.release()
        return 0
    os.environ.setdefault("PLIMSOLL_WARM", "1")
    try:
        channel = OwnChannel(root, lock, os.environ.get(STORE_PASSPHRASE))
    except PlimsollError as error:
        lock.release()
        sys.stdout.write(json.dumps(error.as_dict()))
        return error.exit_code
    sys.stdin.buffer.read()
    channel.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
