"""Forgetting at one place: an online store on this machine, a shared Redis, or a target."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from core.kernel.errors import InputError, NotFound
from core.serving.forgetting import Forget, Forgotten, Subject


def forget_at(place: dict[str, Any], project: str, order: Forget, password: str = "") -> Forgotten:
    """Carry out an order at a place as ``place_of`` describes it.

    Raises:
        PlimsollError: the place is not there, does not answer, or could not be written.
    """
    if place["kind"] == "file":
        return _in_file(Path(place["path"]), order)
    if place["kind"] == "redis":
        from core.serving.online_redis import RedisStore

        with closing(RedisStore(place["url"], project, password or None)) as shared:
            return Forgotten(values=shared.forget(Subject(order)))
    if place["kind"] == "target":
        return _on_target(place["spec"], order)
    raise InputError(f"There is no place of kind {place['kind']!r}")


def _in_file(path: Path, order: Forget) -> Forgotten:
    from core.serving.online import OnlineStore

    if not path.is_file():
        raise NotFound(f"The store {path.name} is not there", where=str(path))
    with closing(OnlineStore(path)) as store:
        return Forgotten(values=store.forget(Subject(order)))


def _on_target(spec: dict[str, Any], order: Forget) -> Forgotten:
    from core.delivery import operate
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect

    if not spec:
        raise NotFound("The target was removed from this workspace", remedy="Add it again to reach it.")
    with connect(TargetSpec.read(spec)) as remote:
        answer = operate.forget(remote, order.plain()).answer
    return Forgotten.read({name: answer[name] for name in Forgotten.model_fields})
