"""A stage of the demo: what the target's online store holds, how fresh it is, and whether it equals offline."""

from __future__ import annotations

from core.cli.demo import Demo
from core.kernel.errors import AnswerIsNo

ENTITIES = 300
PLACE = "target:harbour"


def online_features(demo: Demo, until: str) -> None:
    """Freshness at the end of the replay, and parity of the champion's views at the same instants."""
    words = "Features · plimsoll features parity champion --target harbour"
    with demo.stage("Online features: fresh, and equal to offline", words) as line:
        fresh = demo.person("oscar").change("features.freshness", {"at": until})
        request = {"model": "champion", "target": "harbour", "entities": ENTITIES}
        done = demo.job(demo.person("oscar"), "features.parity", request, "Parity")
        states = ", ".join(f"{view['view']} {view['state']}" for view in fresh["views"] if view["place"] == PLACE)
        line.result = f"{done['summary']}; at the end of July: {states}"
        line.ok = bool(done["passed"])
        if not done["passed"]:
            raise AnswerIsNo("Online and offline values differ", detail=done["summary"])
