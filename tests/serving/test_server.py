"""The server as its clients meet it: a real process on loopback."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest


@pytest.fixture
def server(world: Any, start: Any) -> Any:
    world.release(1)
    world.command("switch", "--release", "rel-0001", "--by", "test")
    return start()


INFER = "/v2/models/delay/infer"


def test_speaks_v2(server: Any, kit: Any) -> None:
    assert server.get("/v2").json()["name"] == "plimsoll"
    assert server.get("/v2/").json()["extensions"]
    assert server.get("/v2/health/live").json() == {"live": True}
    assert server.get("/v2/health/ready").json() == {"ready": True}
    metadata = server.get("/v2/models/delay").json()
    assert metadata["versions"] == ["1"]
    assert {item["name"]: item["datatype"] for item in metadata["inputs"]}["hour"] == "INT64"
    assert server.get("/v2/models/delay/versions/1/ready").json() == {"name": "delay", "ready": True}
    assert server.get("/v2/models/other").status_code == 404
    assert server.get("/v2/models/delay/versions/9").json()["error"]
    index = server.post("/v2/repository/index", b"").json()
    assert [(item["name"], item["state"]) for item in index] == [("delay", "READY")]

    rows = [kit.flight(wind=10.0), kit.flight(origin="EWR", hour=3, tailnum=None, wind=None)]
    answer = server.post(INFER, kit.infer_body(rows, id="r1")).json()
    assert answer["id"] == "r1"
    assert answer["model_version"] == "1"
    outputs = {item["name"]: item["data"] for item in answer["outputs"]}
    bias = kit.BIAS - 0.1
    assert outputs["probability"] == pytest.approx(
        [kit.expected("JFK", 1000, 12, 10, bias), kit.expected("EWR", 1000, 3, 0, bias)], abs=1e-6
    )
    only = server.post(INFER, kit.infer_body(rows, outputs=[{"name": "probability"}])).json()
    assert [item["name"] for item in only["outputs"]] == ["probability"]
    assert "id" not in only


def test_refuses_what_does_not_fit_and_names_every_field(server: Any, kit: Any) -> None:
    body = kit.infer_body([kit.flight()])
    by_name = {item["name"]: item for item in body["inputs"]}
    by_name["distance"]["data"] = ["1.5"]
    by_name["hour"]["datatype"] = "FP64"
    by_name["origin"]["data"] = [None]
    body["inputs"].remove(by_name["weekend"])
    body["inputs"].append({"name": "planet", "shape": [1], "datatype": "BYTES", "data": ["x"]})
    answer = server.post(INFER, body)
    assert answer.status_code == 400
    text = answer.json()["error"]
    assert all(name in text for name in ("distance", "hour", "origin", "weekend", "planet"))

    out_of_range = server.post(INFER, kit.infer_body([kit.flight(hour=99, distance=-1.0)]))
    assert out_of_range.status_code == 400
    assert "hour" in out_of_range.json()["error"]
    assert "distance" in out_of_range.json()["error"]
    for bad in (b"", b"{", b"[]", b"1e999", b'{"inputs": 3}', b'{"inputs": [{}]}', json.dumps({"inputs": []}).encode()):
        answer = server.post(INFER, bad)
        assert answer.status_code == 400, bad
        assert answer.json()["error"]
    nan = json.dumps(kit.infer_body([kit.flight(distance=float("nan"))])).encode()
    assert server.post(INFER, nan).status_code == 400
    assert server.post("/v2/models/delay/versions/9/infer", body).status_code == 404
    assert server.get("/v1").status_code == 404
    assert "plimsoll_rejected_total" in server.get("/metrics").text


def test_triton_client_json_binary_and_gzip(server: Any, kit: Any) -> None:
    triton = pytest.importorskip("tritonclient.http")
    import numpy as np

    client = triton.InferenceServerClient(f"127.0.0.1:{server.port}")
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("delay", "1")
        assert client.get_model_repository_index()[0]["name"] == "delay"
        assert client.get_model_metadata("delay")["platform"]
        row = kit.flight(wind=10.0)
        kinds = {item["name"]: item["datatype"] for item in kit.infer_body([row])["inputs"]}
        types = {"BYTES": np.object_, "FP64": np.float64, "INT64": np.int64, "BOOL": np.bool_}
        for binary in (False, True):
            for compression in (None, "gzip", "deflate"):
                inputs = []
                for name, value in row.items():
                    tensor = triton.InferInput(name, [1], kinds[name])
                    tensor.set_data_from_numpy(np.array([value], dtype=types[kinds[name]]), binary_data=binary)
                    inputs.append(tensor)
                wanted = [triton.InferRequestedOutput("probability", binary_data=binary)]
                result = client.infer(
                    "delay", inputs, outputs=wanted, request_id="t", request_compression_algorithm=compression
                )
                expected = kit.expected("JFK", 1000, 12, 10, kit.BIAS - 0.1)
                assert result.as_numpy("probability")[0] == pytest.approx(expected, abs=1e-6)
                assert result.get_response()["id"] == "t"
        with pytest.raises(
            triton.InferenceServerException if hasattr(triton, "InferenceServerException") else Exception
        ):
            client.infer("delay", [])
    finally:
        client.close()


def test_logs_every_row_masks_and_drains(server: Any, kit: Any) -> None:
    rows = [kit.flight(hour=hour % 24) for hour in range(50)]
    assert server.post(INFER, kit.infer_body(rows, id="batch")).status_code == 200
    assert server.post(INFER, kit.infer_body([kit.flight(hour=99)])).status_code == 400
    assert server.terminate() == 0, server.errors()
    lines = server.log_lines()
    assert len(lines) == 51
    assert len({line["prediction_id"] for line in lines}) == 51
    first = lines[0]
    assert first["request_id"] == "batch"
    assert first["fields"]["tailnum"] == "(masked)"
    assert first["key"] == {"origin": "JFK", "hour": 0}
    assert (first["model"], first["version"], first["release"]) == ("delay", "1", "rel-0001")
    assert first["stale_views"] == ["weather"]
    assert lines[-1]["status"] == "rejected"
    assert lines[-1]["probability"] is None
    assert not (server.root / "state" / "port").exists()


def test_looks_up_fresh_features_and_logs_them(server: Any, kit: Any) -> None:
    update = {"weather": {"entity": ["origin"], "rows": [["2013-06-01T11:00:00Z", "JFK", 30.0]]}}
    assert server.post("/v2/plimsoll/features", update).status_code == 401
    token = (server.root / "state" / "token").read_text().strip()
    assert (server.root / "state" / "token").stat().st_mode & 0o777 == 0o600
    sent = server.post("/v2/plimsoll/features", update, authorization=f"Bearer {token}")
    assert sent.json() == {"upserted": {"weather": 1}}
    broken = {"weather": {"entity": ["origin"], "rows": [["yesterday", "JFK", 1.0], ["2013-06-01T11:00:00Z", "JFK"]]}}
    answer = server.post("/v2/plimsoll/features", broken, authorization=f"Bearer {token}")
    assert answer.status_code == 400
    assert "row 0" in answer.json()["error"]
    assert "row 1" in answer.json()["error"]

    def probability(**changes: Any) -> float:
        answer = server.post(INFER, kit.infer_body([kit.flight(**changes)])).json()
        return answer["outputs"][0]["data"][0]

    bias = kit.BIAS - 0.1
    assert probability() == pytest.approx(kit.expected("JFK", 1000, 12, 30, bias), abs=1e-6)
    late = probability(prediction_time="2013-06-01T18:00:00Z")
    assert late == pytest.approx(kit.expected("JFK", 1000, 12, 0, bias), abs=1e-6)
    early = probability(prediction_time="2013-06-01T10:59:59Z")
    assert early == pytest.approx(late)
    assert "weather" in server.get("/v2/plimsoll/status").json()["features"]
    server.terminate()
    assert [line["view"] for line in server.log_lines()] == [{"wind": 30.0}, {"wind": None}, {"wind": None}]


def test_kill_switch(server: Any, world: Any, kit: Any) -> None:
    world.command("kill", "--reason", "bad numbers")
    answer = server.post(INFER, kit.infer_body([kit.flight()]))
    assert answer.status_code == 503
    assert server.get("/v2/health/ready").status_code == 503
    assert server.get("/v2/health/live").status_code == 200
    world.command("revive")
    assert server.post(INFER, kit.infer_body([kit.flight()])).status_code == 200


def test_swaps_under_load_without_dropping_a_request(server: Any, world: Any, kit: Any) -> None:
    world.release(2)
    body = json.dumps(kit.infer_body([kit.flight()])).encode()
    seen: list[tuple[int, str]] = []
    stop = threading.Event()

    def hammer() -> None:
        with httpx.Client(base_url=server.url, timeout=10) as client:
            while not stop.is_set() and len(seen) < 3000:
                answer = client.post(INFER, content=body)
                seen.append((answer.status_code, answer.json().get("model_version", "")))

    threads = [threading.Thread(target=hammer) for _ in range(2)]
    for thread in threads:
        thread.start()
    server.wait(lambda: len(seen) > 50)
    world.command("switch", "--release", "rel-0002", "--by", "test")
    server.wait(lambda: server.status()["release"] == "rel-0002")
    after = len(seen)
    server.wait(lambda: len(seen) > after + 50)
    stop.set()
    for thread in threads:
        thread.join()
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {"1", "2"}
    assert len(seen) > 100
    server.terminate()
    assert len(server.log_lines()) == len(seen)


def test_fallback_answers_for_bad_rows(world: Any, start: Any, kit: Any) -> None:
    world.release(1, contract=kit.contract(on_invalid="fallback", fallback_value=0.25))
    world.command("switch", "--release", "rel-0001")
    server = start()
    rows = [kit.flight(), kit.flight(hour=99), kit.flight(distance=-5.0)]
    answer = server.post(INFER, kit.infer_body(rows)).json()
    outputs = {item["name"]: item["data"] for item in answer["outputs"]}
    assert outputs["status"] == ["ok", "fallback", "fallback"]
    assert outputs["probability"][1:] == [0.25, 0.25]
    assert 'outcome="fallback"' in server.get("/metrics").text


def test_an_output_that_is_no_probability_is_a_fault(world: Any, start: Any, kit: Any) -> None:
    world.release(1, weights=[0.0, 0.0, float("inf"), 0.0])  # hour 0 gives 0 * inf
    world.command("switch", "--release", "rel-0001")
    server = start()
    assert server.post(INFER, kit.infer_body([kit.flight()])).status_code == 200
    answer = server.post(INFER, kit.infer_body([kit.flight(hour=0)]))
    assert answer.status_code == 500
    assert "probability" in answer.json()["error"]


def test_sigterm_lets_the_request_under_way_finish(server: Any, kit: Any) -> None:
    body = json.dumps(kit.infer_body([kit.flight(hour=hour % 24) for hour in range(10_000)])).encode()
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(server.post(INFER, body).status_code))
    thread.start()
    server.wait(lambda: (server.get("/metrics").text.find("plimsoll") >= 0) and thread.is_alive())
    thread.join(0.05)
    code = server.terminate()
    thread.join()
    assert code == 0, server.errors()
    assert answers == [200]
    assert len(server.log_lines()) == 10_000


def test_a_materialisation_over_http_is_written_once_and_answers_look_ups(server: Any, kit: Any) -> None:
    from core.delivery.online import TargetStore
    from core.kernel.errors import SystemFault
    from core.serving.online_records import Mark, Step

    token = (server.root / "state" / "token").read_text().strip()
    store = TargetStore(server.url, token, {"weather": ["origin"]})
    at = 1370084400.0  # 2013-06-01T11:00:00Z
    rows = [(at - second, (f"A{second}",), {"wind": second / 3}) for second in range(12_000)]
    mark = Mark(until=at, since=at - 3600, version="b3:1", state="b3:2", definition={"view": {}}, newest=at)
    step = Step(plan="p", first=0, replace=True, mark=mark)
    assert store.load("weather", step, rows) == 12_000
    assert store.load("weather", step, rows) == 0, "sent again, written once"
    assert store.held()["weather"].mark == mark
    asked = [(at, (f"A{second}",)) for second in (0, 7, 11_999)] + [(at, ("nobody",)), (at - 100, ("A7",))]
    found = store.look_up("weather", asked, 7200.0)
    assert found == [{"wind": 0.0}, {"wind": 7 / 3}, None, None, None]
    assert store.upsert("weather", [(at, ("JFK",), {"wind": 30.0})]) == 1
    answer = server.post(INFER, kit.infer_body([kit.flight()])).json()
    expected = kit.expected("JFK", 1000, 12, 30, kit.BIAS - 0.1)
    assert answer["outputs"][0]["data"][0] == pytest.approx(expected, abs=1e-6), "served from the new generation"
    store.close()
    stranger = TargetStore(server.url, "not the token", {"weather": ["origin"]})
    with pytest.raises(SystemFault, match="refused"):
        stranger.held()
    with pytest.raises(SystemFault, match="refused"):
        stranger.look_up("weather", asked, None)
    assert server.post("/v2/plimsoll/features/lookup", {"weather": {"rows": [["x"]]}}).status_code == 401
    stranger.close()
