"""Fills what may be written, as the owner of a workspace: ``python full_disk.py WORKSPACE``.

A limit on the size of files stands for a full disk: writes beyond it fail in the same place.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from pathlib import Path

from orders import PASSPHRASE

from core.engine.client import connect
from core.kernel.errors import PlimsollError


def main() -> None:
    """Change until it fails; tell what was acknowledged and how it failed."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    root = Path(sys.argv[1])
    client = connect(root, user="founder", passphrase=PASSPHRASE)
    limit = int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    done = 0
    try:
        for _ in range(400):
            request = {"user": "founder", "role": "viewer", "reason": "r" * 150_000}
            client.change("user.grant", request)
            done += 1
        told = {"headline": "nothing failed"}
    except PlimsollError as error:
        told = error.as_dict()
    client.close()
    sys.stdout.write(json.dumps({"done": done, "error": told}))


if __name__ == "__main__":
    main()
