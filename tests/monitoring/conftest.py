"""Traffic of a small model: prediction log lines as the server writes them, and labels that arrive later."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.contract.schema import Check, Contract, Feature, Field_, ViewRef
from core.kernel.clock import utc_text

START = datetime(2013, 7, 4, tzinfo=UTC)  # a week boundary counted from 1970
CONTRACT = Contract(
    model="delay",
    version="b3:contract",
    fields=[
        Field_(name="flight_key", type="text"),
        Field_(name="origin", type="text"),
        Field_(name="distance", type="float"),
        Field_(name="hour", type="int"),
        Field_(name="scheduled", type="time"),
    ],
    key=["flight_key"],
    time_field="scheduled",
    features=[
        Feature(name="origin", kind="category", origin="request", expression="origin", levels=["EWR", "JFK", "LGA"]),
        Feature(name="distance", kind="number", origin="request", expression="distance"),
        Feature(name="hour", kind="number", origin="request", expression="hour"),
        Feature(name="mean_delay", kind="number", origin="view", view="recent"),
    ],
    views=[ViewRef(name="recent", entity=["origin"], features=["mean_delay"])],
    checks=[Check(kind="between", columns=["distance"], min=0, max=6000), Check(kind="not_null", columns=["origin"])],
)


def make_line(number: int, rng: random.Random, at: datetime, **changes: Any) -> dict[str, Any]:
    probability = round(rng.random(), 6)
    line = {
        "prediction_id": f"pred-a-{number:x}",
        "request_id": None,
        "at": utc_text(at),
        "key": {"flight_key": f"UA{number}"},
        "model": "delay",
        "version": "3",
        "release": "rel-1",
        "fields": {
            "flight_key": f"UA{number}",
            "origin": rng.choice(["EWR", "JFK", "LGA"]),
            "distance": round(rng.uniform(100, 2500), 1),
            "hour": rng.randrange(5, 23),
            "scheduled": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "view": {"mean_delay": round(rng.gauss(10, 5), 3)},
        "stale_views": [],
        "probability": probability,
        "decision": probability >= 0.5,
        "latency_ms": round(rng.uniform(0.5, 3.0), 3),
        "status": "ok",
        "reason": "",
    }
    fields = changes.pop("fields", {})
    return {**line, **changes, "fields": line["fields"] | fields}


def make_lines(count: int, seed: int = 7, start: datetime = START, step_s: float = 60.0) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    return [make_line(number, rng, start + timedelta(seconds=number * step_s)) for number in range(count)]


def write_log(path: Path, lines: list[dict[str, Any]], tail: bytes = b"") -> Path:
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + tail)
    return path


@pytest.fixture
def traffic() -> SimpleNamespace:
    """Lines, files and the contract that they follow."""
    return SimpleNamespace(START=START, contract=CONTRACT, line=make_line, lines=make_lines, write=write_log)
