"""Latency and throughput of one row: the server against a bare granian + onnxruntime floor.

Run by hand: ``python tests/benchmarks/serving.py``. Both sides run the same model on one event loop; the
floor parses JSON and runs the session, with no checks, features, log or metrics. Ratios count, not figures.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(REPO / "tests" / "serving")]
REQUESTS = 1500


def floor(model: str, port: int) -> None:
    """The floor's server process."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import numpy as np
    import onnxruntime as ort
    import orjson
    from granian.constants import HTTPModes, Interfaces
    from granian.server.embed import Server

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    async def app(scope: Any, proto: Any) -> None:
        value = orjson.loads(await proto())
        (out,) = session.run(None, {"x": np.array(value["rows"], dtype=np.float32)})
        proto.response_bytes(200, [("content-type", "application/json")], orjson.dumps(out.tolist()))

    async def main() -> None:
        server = Server(
            app,
            address="127.0.0.1",
            port=port,
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            log_enabled=False,
        )
        await server.serve()

    asyncio.run(main())


def measure(port: int, path: str, body: bytes, count: int = REQUESTS) -> dict[str, float]:
    """``count`` requests over one kept connection: median and p99 in ms, requests per second."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    times = []
    for number in range(count + 100):
        started = time.perf_counter()
        connection.request("POST", path, body)
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            raise SystemExit(data)
        if number >= 100:
            times.append(time.perf_counter() - started)
    times.sort()
    return {
        "median_ms": round(statistics.median(times) * 1000, 3),
        "p99_ms": round(times[int(0.99 * len(times))] * 1000, 3),
        "per_s": round(len(times) / sum(times)),
    }


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def with_cpu(process: subprocess.Popen[bytes], run: Callable[[], dict[str, float]]) -> dict[str, float]:
    before = cpu_s(process.pid)
    result = run()
    return {**result, "server_cpu_us": round((cpu_s(process.pid) - before) / (REQUESTS + 100) * 1e6)}


def main() -> None:
    import conftest as kit  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        world = kit.World(Path(folder) / "target")
        release = world.release(1)
        world.command("switch", "--release", "rel-0001")
        started = time.perf_counter()
        server = kit.start_server(world.root)
        print("start to live, s:", round(time.perf_counter() - started, 2))
        model = str(release / "payload" / "model.onnx")
        bare = subprocess.Popen([sys.executable, __file__, "floor", model, str(server.port + 1)])
        try:
            server.wait(lambda: _answers(server.port + 1))
            rows = json.dumps({"rows": [[1, 1.0, 12, 10.0]]}).encode()
            body = json.dumps(kit.infer_body([kit.flight(wind=10.0)])).encode()
            for _ in range(2):
                print("floor ", with_cpu(bare, lambda: measure(server.port + 1, "/", rows)))
                print("server", with_cpu(server.process, lambda: measure(server.port, "/v2/models/delay/infer", body)))
            many = json.dumps(kit.infer_body([kit.flight(wind=10.0, hour=n % 24) for n in range(1000)])).encode()
            print("1000 rows a request", measure(server.port, "/v2/models/delay/infer", many, 20))
        finally:
            bare.kill()
            bare.wait()
            server.terminate()


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("POST", "/", b'{"rows": [[0, 0, 0, 0]]}')
        return connection.getresponse().status == 200
    except OSError:
        return False


if __name__ == "__main__":
    if sys.argv[1:2] == ["floor"]:
        floor(sys.argv[2], int(sys.argv[3]))
    else:
        main()
