"""Owns a workspace and ingests sources until it is killed: ``python ingest_owner.py WORKSPACE PROJECT SOURCE...``."""

from __future__ import annotations

import sys
from pathlib import Path

from orders import PASSPHRASE

from core.engine.client import connect


def main() -> None:
    """Ingest each source once."""
    root, project, *sources = sys.argv[1:]
    client = connect(Path(root), user="founder", passphrase=PASSPHRASE)
    sys.stdout.write("open\n")
    sys.stdout.flush()
    client.change("project.load", {"path": project})
    for source in sources:
        run = client.change("pipeline.run", {"last": f"ingest:{source}"})["pipeline"]
        while client.ask("pipeline", id=run)["state"] == "running":
            client.pause(0.02)
    client.close()


if __name__ == "__main__":
    main()
