"""Where a server's feature values lie: in a file of its own, or in a Redis that it shares with other servers."""

from __future__ import annotations

import stat
from typing import Any

from core.kernel.errors import InputError, Refused
from core.kernel.records import Record
from core.serving.layout import Layout, read_json
from core.serving.online import OnlineStore

SETTING = "redis.json"
PASSWORD = "redis-password"


class SharedRedis(Record):
    """What ``online/redis.json`` says. The password, if any, stands alone in ``state/redis-password`` (mode 0600)."""

    url: str
    project: str


def open_online(layout: Layout) -> Any:
    """The store that a target's server reads: Redis where ``online/redis.json`` names one, else the embedded file.

    Raises:
        InputError: the setting is not readable, or this runtime has no Redis client. Refused: others can read the
        password. SystemFault: the store does not answer.
    """
    setting = read_json(layout.online.with_name(SETTING))
    if setting is None:
        return OnlineStore(layout.online)
    shared = SharedRedis.read(setting, where=SETTING)
    try:
        from core.serving.online_redis import RedisStore

        return RedisStore(shared.url, shared.project, _password(layout))
    except ModuleNotFoundError as error:
        raise InputError(
            "This runtime has no Redis client", where=SETTING, remedy="Install the package redis beside the runtime."
        ) from error


def _password(layout: Layout) -> str | None:
    path = layout.state / PASSWORD
    if not path.exists():
        return None
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Refused("Others can read the password of Redis", where=str(path), remedy="Run: chmod 600 on it")
    return path.read_text(encoding="utf-8").strip()
