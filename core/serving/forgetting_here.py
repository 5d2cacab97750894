"""Carrying out an order to forget on a target: its store, its logs, and what its releases hold."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from core.serving.forgetting import Forget, Forgotten, Subject, blank_lines
from core.serving.layout import Layout
from core.serving.online_place import open_online


def carry_out(layout: Layout, order: Forget) -> Forgotten:
    """Forget in a target's store and logs, and name the releases whose golden rows hold the person.

    Raises:
        SystemFault: the store cannot be written; nothing is lost by trying again.
    """
    subject = Subject(order)
    values = 0
    if layout.online.exists() or layout.online.with_name("redis.json").exists():
        store = open_online(layout)
        try:
            values = store.forget(subject)
        finally:
            store.close()
    lines = blank_lines(layout.logs, subject) if layout.logs.is_dir() else 0
    return Forgotten(values=values, lines=lines, releases=sorted(_releases(layout, subject)))


def _releases(layout: Layout, subject: Subject) -> Iterator[str]:
    for golden in layout.releases.glob("*/payload/golden.json"):
        rows = orjson.loads(golden.read_bytes())
        if any(isinstance(row, dict) and subject.holds(row) for row in rows):
            yield golden.parents[1].name
