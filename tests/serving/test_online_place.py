"""Which store a target's server reads: its own file, or the Redis that a setting names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.kernel.errors import InputError, Refused, SystemFault
from core.serving.layout import Layout
from core.serving.online import OnlineStore
from core.serving.online_place import open_online
from core.serving.online_redis import RedisStore

from .redis_server import redis_server


def test_the_file_without_a_setting_and_redis_with_one(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    own = open_online(layout)
    assert isinstance(own, OnlineStore)
    own.close()
    setting = tmp_path / "online" / "redis.json"
    setting.write_text(json.dumps({"url": "redis://127.0.0.1:1/0", "project": "flights"}))
    with pytest.raises(SystemFault, match="does not answer"):
        open_online(layout)
    setting.write_text(json.dumps({"url": "redis://:word@127.0.0.1/0", "project": "flights"}))
    with pytest.raises(InputError, match="no name or password"):
        open_online(layout)
    setting.write_text(json.dumps({"address": "redis://127.0.0.1/0"}))
    with pytest.raises(InputError, match="SharedRedis"):
        open_online(layout)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_two_servers_share_one_redis_and_the_password_is_private(tmp_path: Path) -> None:
    with redis_server(tmp_path, "a word") as url:
        layouts = [Layout(tmp_path / name) for name in ("one", "two")]
        for layout in layouts:
            layout.prepare()
            (layout.root / "online" / "redis.json").write_text(json.dumps({"url": url, "project": "flights"}))
            (layout.state / "redis-password").write_text("a word\n")
            (layout.state / "redis-password").chmod(0o640)
            with pytest.raises(Refused, match="Others can read"):
                open_online(layout)
            (layout.state / "redis-password").chmod(0o600)
        one, two = (open_online(layout) for layout in layouts)
        assert isinstance(one, RedisStore)
        one.upsert("weather", [(5.0, ("EWR",), {"wind": 7.5})])
        assert two.lookup("weather", ["EWR"], 6.0) == {"wind": 7.5}
        one.close()
        two.close()
