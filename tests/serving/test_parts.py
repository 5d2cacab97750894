"""The parts of the runtime on their own: online store, prediction log, history, lock, protocol, start-up."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.kernel.clock import SystemClock
from core.kernel.errors import Conflict, InputError
from core.serving.history import Switch, append_switch, read_switches
from core.serving.layout import Layout
from core.serving.lock import deploy_lock
from core.serving.online import OnlineStore
from core.serving.prediction_log import PredictionLog
from core.serving.protocol import decode


def test_online_store_answers_as_of_and_ages_out(tmp_path: Path) -> None:
    store = OnlineStore(tmp_path / "f.db", versions=3)
    store.upsert("w", [(100.0 * i, ("JFK", 1), {"wind": float(i)}) for i in range(1, 7)])
    assert store.lookup("w", ("JFK", 1), 450.0) == {"wind": 4.0}
    assert store.lookup("w", ("JFK", 1), 399.0) is None  # older versions were trimmed
    assert store.lookup("w", ("JFK", 1), 600.0) == {"wind": 6.0}
    assert store.lookup("w", ("JFK", 1), 9000.0, max_age_s=3600) is None
    assert store.lookup("w", ("JFK", 2), 600.0) is None
    store.upsert("w", [(600.0, ("JFK", 1), {"wind": 60.0})])
    assert store.lookup("w", ("JFK", 1), 601.0) == {"wind": 60.0}
    assert store.freshness()["w"]["newest"] == 600.0
    store.close()
    again = OnlineStore(tmp_path / "f.db")
    assert again.lookup("w", ("JFK", 1), 601.0) == {"wind": 60.0}
    again.close()


def test_online_lookup_is_far_below_a_millisecond(tmp_path: Path) -> None:
    store = OnlineStore(tmp_path / "f.db")
    store.upsert("w", [(float(i % 50), (i // 50,), {"a": 1.0, "b": i}) for i in range(50_000)])
    started = time.process_time()
    for key in range(1000):
        assert store.lookup("w", (key,), 25.0) is not None
    assert (time.process_time() - started) / 1000 < 0.001
    store.close()


def test_prediction_log_rotates_and_keeps_names(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, segment_bytes=1000)
    for number in range(100):
        log.add([{"n": number}])
        if number % 25 == 0:
            log._flush()
    log.close()
    first = {path.name: path.read_bytes() for path in sorted(tmp_path.iterdir())}
    assert min(first) == "predictions-00000001.jsonl"
    again = PredictionLog(tmp_path, segment_bytes=1000)
    again.add([{"n": 100}])
    again.close()
    lines = [json.loads(line)["n"] for path in sorted(tmp_path.iterdir()) for line in path.read_text().splitlines()]
    assert sorted(lines) == list(range(101))
    assert all((tmp_path / name).read_bytes() == data for name, data in first.items())


def test_prediction_log_keeps_lines_while_the_disk_fails(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    log = PredictionLog(folder)
    log.add([{"n": 1}])
    log._flush()
    assert log.pending == 1
    assert "cannot be written" in str(log.fault)
    folder.mkdir()
    log.close()
    assert log.fault is None
    assert (folder / "predictions-00000001.jsonl").exists() or any(folder.iterdir())


def test_history_survives_a_torn_line(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    one = Switch(
        at="2026-01-01T00:00:00.000000Z",
        action="switch",
        release="r1",
        model="m",
        version=1,
        payload="b3:0",
        previous=None,
        by="x",
        approved_by=[],
    )
    append_switch(layout, one)
    with layout.switches.open("ab") as file:
        file.write(b'{"at": "20')
    assert read_switches(layout) == [one]
    two = one.model_copy(update={"release": "r2", "version": 2})
    append_switch(layout, two)
    assert read_switches(layout) == [one, two]


def test_two_deployers_and_two_servers(world: Any, start: Any) -> None:
    layout = Layout(world.root)
    layout.prepare()
    with deploy_lock(layout, "ada", SystemClock()):
        with pytest.raises(Conflict) as caught, deploy_lock(layout, "ben", SystemClock()):
            pytest.fail("two deployers at once")
        assert "ada" in str(caught.value)
    with deploy_lock(layout, "ben", SystemClock()):
        pass
    start()
    code, said = world.second_server()
    assert code == 2
    assert "already running" in said


def test_decode_is_strict(kit: Any) -> None:
    contract = kit.contract()

    def sent(**changes: Any) -> bytes:
        return json.dumps(kit.infer_body([kit.flight(**changes)])).encode()

    good = decode(sent(wind=3.0), b"", contract, ["probability"])
    assert good.rows[0]["hour"] == 12
    assert good.given == [{"wind": 3.0}]
    for changes in ({"hour": 1.0}, {"hour": True}, {"hour": 2**70}, {"distance": "1"}, {"weekend": 1}, {"origin": 3}):
        with pytest.raises(InputError) as caught:
            decode(sent(**changes), b"", contract, ["probability"])
        assert next(iter(changes)) in str(caught.value)
    body = kit.infer_body([kit.flight()])
    body["inputs"][1]["shape"] = [2]
    with pytest.raises(InputError):
        decode(json.dumps(body).encode(), b"", contract, ["probability"])
    body = kit.infer_body([kit.flight()], outputs=[{"name": "nothing"}])
    with pytest.raises(InputError, match="contract"):
        decode(json.dumps(body).encode(), b"", contract, ["probability"])


def test_a_release_whose_golden_rows_differ_is_not_switched_on(world: Any) -> None:
    world.release(1)
    world.release(2, golden_shift=0.01)
    world.command("switch", "--release", "rel-0001")
    answer = world.command("switch", "--release", "rel-0002", check=1)
    assert "golden row 0" in str(answer)
    assert world.command("golden", "--release", "rel-0002", check=1)["ok"] is False
    assert world.command("golden", "--release", "rel-0001")["golden_rows"] == 2
    assert world.command("status")["current"] == "rel-0001"
    assert world.command("verify", "--release", "rel-0001")["approved_by"] == ["person-ada", "person-ben"]
    world.command("verify", "--release", "../x", check=2)
    world.command("switch", "--release", "none", check=2)
    assert world.command("install-check")["versions"]["onnxruntime"]


def test_a_bad_release_in_current_keeps_the_old_one_serving(world: Any, start: Any, kit: Any) -> None:
    world.release(1)
    bad = world.release(2)
    world.command("switch", "--release", "rel-0001")
    server = start()
    (bad / "payload" / "model.onnx").write_bytes(b"not a model")
    (world.root / "next").symlink_to("releases/rel-0002")
    (world.root / "next").replace(world.root / "current")
    server.wait(lambda: server.status()["refused"] is not None)
    assert "payload/model.onnx" in str(server.status()["refused"])
    assert server.status()["release"] == "rel-0001"
    assert server.post("/v2/models/delay/infer", kit.infer_body([kit.flight()])).status_code == 200


def test_without_a_release_it_is_live_and_not_ready(world: Any, start: Any) -> None:
    server = start()
    assert server.get("/v2/health/ready").status_code == 503
    assert server.get("/v2/models/delay").status_code == 503
    world.release(1)
    world.command("switch", "--release", "rel-0001")
    server.wait(lambda: server.get("/v2/health/ready").status_code == 200)


def test_what_the_runtime_imports() -> None:
    """The target has only the runtime's own packages; nothing of the console or of training may be needed."""
    code = "import sys, core.serving.server; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "duckdb",
        "sqlmodel",
        "PySide6",
        "sklearn",
        "torch",
        "onnx",
        "pandas",
        "asyncssh",
        "pydantic_settings",
    }
    rooms = {name.split(".")[1] for name in loaded if name.startswith("core.")}
    assert rooms <= {"kernel", "contract", "serving"}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
PLACES = st.sampled_from(["name", "shape", "datatype", "data", "parameters", "inputs", "outputs", "id", "tensor"])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=PLACES, value=JSON_VALUES, raw=st.binary(max_size=40), number=st.integers(0, 5))
def test_no_request_can_make_decoding_crash(kit: Any, place: str, value: Any, raw: bytes, number: int) -> None:
    body = kit.infer_body([kit.flight()])
    if place in ("inputs", "outputs", "id"):
        body[place] = value
    elif place == "tensor":
        body["inputs"][number] = value
    else:
        body["inputs"][number][place] = value
    try:
        request = decode(
            json.dumps(body).encode(), raw if place == "parameters" else b"", kit.contract(), ["probability"]
        )
    except InputError:
        return
    assert len(request.rows) == len(request.given) >= 1
