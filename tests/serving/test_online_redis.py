"""The online store in a real Redis: the same verbs as the file, one round trip, and no password anywhere."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.kernel.errors import InputError, SystemFault
from core.serving.online import OnlineStore
from core.serving.online_records import FeatureStore, Mark, Row, Step
from core.serving.online_redis import RedisStore, address_of

from .redis_server import redis_server

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
PASSWORD = "correct horse battery"
MARK = Mark(until=9.0, since=0.0, version="b3:1", state="b3:2")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a password on a free port of this machine."""
    with redis_server(tmp_path_factory.mktemp("redis"), PASSWORD) as address:
        yield address


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path, url: str) -> Iterator[Any]:
    """Either kind of store: each test below holds for both."""
    project = f"test_{request.node.name.partition('[')[0]}"
    made: Any = OnlineStore(tmp_path / "f.db", versions=3)
    if request.param == "redis":
        made.close()
        made = RedisStore(url, project, PASSWORD, versions=3)
    yield made
    made.close()


def rows(*times: float, key: str = "a") -> list[Row]:
    return [
        (at, (key, 7), {"x": at * 2, "n": int(at), "word": "ö" if int(at) % 2 else None, "yes": True}) for at in times
    ]


def test_values_come_back_to_the_bit_as_of_an_instant(store: Any) -> None:
    assert store.upsert("v", rows(0.1 + 0.2, 1372633200.000001)) == 2
    assert store.lookup("v", ["a", 7], 0.3) is None
    assert store.lookup("v", ["a", 7], 0.30000000000000004)["x"] == 0.6000000000000001
    found = store.lookup("v", ["a", 7], 2e9)
    assert found == {"x": 2745266400.000002, "n": 1372633200, "word": None, "yes": True}
    assert [type(value) for value in found.values()] == [float, int, type(None), bool]
    assert store.lookup("v", ["a", 7], 1372633300.0, 60.0) is None
    assert store.lookup("v", ["a", 7], 1372633260.000001, 60.0) is not None
    assert store.lookup("v", ["a", 7.0], 2e9) is None, "7.0 is not the key 7"
    assert store.lookup("w", ["a", 7], 2e9) is None


def test_the_same_instant_replaces_and_old_versions_go(store: Any) -> None:
    store.upsert("v", rows(1.0, 2.0, 3.0, 4.0, 5.0))
    assert store.lookup("v", ["a", 7], 2.5) is None
    store.upsert("v", [(5.0, ("a", 7), {"x": 0})])
    assert store.lookup("v", ["a", 7], 6.0) == {"x": 0}
    assert store.count("v") == (3, 1)


def test_a_batch_is_written_once_and_a_generation_seen_whole(store: Any) -> None:
    store.upsert("v", rows(1.0))
    first = Step(plan="p", first=0, replace=True)
    assert store.load("v", first, rows(2.0)) == 1
    assert store.load("v", first, rows(3.0)) == 0
    assert store.lookup("v", ["a", 7], 9.0)["n"] == 1, "the old generation until the new one is whole"
    with pytest.raises(InputError, match="begins at row 5"):
        store.load("v", Step(plan="p", first=5, replace=True), rows(3.0))
    assert store.load("v", Step(plan="p", first=1, replace=True, mark=MARK), rows(4.0, key="b")) == 1
    assert store.lookup("v", ["a", 7], 9.0)["n"] == 2
    assert store.lookup("v", ["a", 7], 1.5) is None
    assert store.held()["v"].mark == MARK
    later = MARK.model_copy(update={"until": 20.0})
    assert store.load("v", Step(plan="q", first=0, mark=later), rows(10.0)) == 1
    assert store.count("v") == (3, 2)
    assert store.held()["v"].mark == later


def test_a_plan_that_was_given_up_leaves_nothing(store: Any) -> None:
    store.load("v", Step(plan="p", first=0, replace=True), rows(1.0, key="gone"))
    store.load("v", Step(plan="q", first=0, replace=True, mark=MARK), rows(2.0))
    assert store.lookup("v", ["gone", 7], 9.0) is None
    assert store.count("v") == (1, 1)


def test_two_writers_of_one_view_do_not_mix(url: str) -> None:
    one, two = RedisStore(url, "writers", PASSWORD), RedisStore(url, "writers", PASSWORD)
    one.load("v", Step(plan="p", first=0), rows(1.0))
    seen = two._text("v")
    one.load("v", Step(plan="p", first=1), rows(2.0))
    with pytest.raises(SystemFault, match="Somebody else"):
        two._put("v", 0, seen, None, rows(3.0))
    assert one.lookup("v", ["a", 7], 9.0) == rows(2.0)[0][2]
    one.close()
    two.close()


@pytest.mark.parametrize(
    "bad",
    ["redis://:secret@host/0", "redis://u@host/0", "http://host", "redis://host/0?password=x", "host", "redis://h:x"],
)
def test_addresses_with_a_password_or_none_are_refused(bad: str) -> None:
    with pytest.raises(InputError) as caught:
        address_of(bad)
    assert "secret@" not in str(caught.value)


def test_a_wrong_password_and_no_server_are_said_without_the_password(url: str) -> None:
    for address, word in ((url, "not the password"), ("redis://127.0.0.1:1/0", PASSWORD)):
        with pytest.raises(SystemFault) as caught:
            RedisStore(address, "x", word)
        assert word not in str(caught.value) + repr(caught.value.__cause__)


PROGRAM = """
import sys
from core.serving.online_records import Mark, Step
from core.serving.online_redis import RedisStore
store = RedisStore(sys.argv[1], "killed", sys.argv[2])
print("ready", flush=True)
for number in range(200):
    rows = [(float(number), (f"k{key}",), {"x": number}) for key in range(50)]
    mark = Mark(until=199.0, since=0.0, version="b3:1", state="b3:2") if number == 199 else None
    store.load("v", Step(plan="p", first=number * 50, replace=True, mark=mark), rows)
    print(number, flush=True)
"""


def test_killed_between_batches_it_goes_on_where_it_was(url: str) -> None:
    for batches in (0, 20, 60, 200):
        words = [sys.executable, "-c", PROGRAM, url, PASSWORD]
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(batches + 1):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
    store: FeatureStore = RedisStore(url, "killed", PASSWORD)
    mark = store.held()["v"].mark
    assert mark is not None
    assert mark.until == 199.0
    found = store.look_up("v", [(float(at), (f"k{key}",)) for at in (150, 199) for key in range(50)], None)
    assert [one["x"] for one in found if one] == [150] * 50 + [199] * 50
    assert RedisStore(url, "killed", PASSWORD).count("v") == (64 * 50, 50)
    store.close()
