"""Work on a target's kill switch."""

from __future__ import annotations

from typing import Any

from core.engine.workfolder import JobFolder
from core.kernel.progress import Progress


def set_kill_switch(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Pull or release the kill switch; inference answers 503 while it is pulled."""
    from core.delivery import operate
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect

    params = folder.params
    progress.step(0, 1, "kill" if params["kill"] else "revive")
    with connect(TargetSpec.read(params["target"])) as remote:
        if params["kill"]:
            answer = operate.kill(remote, params["actor"], params["reason"])
        else:
            answer = operate.revive(remote, params["actor"])
        return {"answer": answer.answer, "status": operate.status(remote).plain()}
