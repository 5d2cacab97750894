"""A file over HTTPS from the configured host, and a Redis stream: each on real servers on loopback."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from core.data.records import Former, Ingested
from core.data.sources import ingest
from core.kernel.errors import Cancelled, InputError, Refused, SystemFault
from core.kernel.progress import Silent
from core.project.schema import Source

from ..servers import PASSWORD, free_port, redis_server

TOKEN = "token-of-the-reader"


class Growing:
    """A source of any kind, ingested again and again."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder, self.settings, self.former = folder, settings, None
        self.secret = ""

    def take(self, progress: Silent | None = None) -> Ingested:
        """Ingest once more, in the same job folder until it succeeds."""
        out, before = self.folder / "job" / "t.parquet", self.folder / "newest.parquet"
        source = Source.read(self.settings)
        known = before if self.former else None
        made = ingest(
            "t", source, self.folder, out, progress or Silent(), former=self.former, before=known, secret=self.secret
        )
        for page in (self.folder / "job" / "pages").iterdir():
            page.unlink()
        if not made.unchanged:
            out.replace(before)
            self.former = Former(
                snapshot="s",
                rows=made.rows,
                columns={column.name: column.type for column in made.columns},
                source_digest=made.source_digest,
                definition=made.definition,
                watermark=made.watermark,
            )
        return made

    def table(self) -> pl.DataFrame:
        """The newest snapshot."""
        return pl.read_parquet(self.folder / "newest.parquet")


class Site(ThreadingHTTPServer):
    """A small web server: one file, its version, what was asked, and how it misbehaves."""

    daemon_threads = True
    body = b""
    etag = '"1"'
    break_after = 0
    moved_to = ""
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        site: Any = self.server
        site.asked.append({name.lower(): value for name, value in self.headers.items()})
        if site.moved_to and self.path == "/weather.csv":
            return self._head(302, {"Location": site.moved_to})
        if site.status != 200:
            return self._head(site.status, {})
        if self.headers.get("If-None-Match") == site.etag:
            return self._head(304, {})
        start = 0
        if (span := self.headers.get("Range")) and self.headers.get("If-Range") == site.etag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
        body = site.body[start:]
        self._head(206 if start else 200, {"Content-Length": str(len(body)), "ETag": site.etag})
        stop = site.break_after or len(body)
        site.break_after = 0
        self.wfile.write(body[:stop])
        return None

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    made = made.not_valid_after(now + timedelta(days=1)).add_extension(address, critical=False)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert, private


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    cert, private = _certificate(tmp_path)
    made = Site()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, private)
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def web(site: Site, tmp_path: Path, snapshots: dict[str, Path]) -> Growing:
    frame = pl.read_parquet(snapshots["weather"]).with_columns(pl.col("time_hour").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    site.body = frame.write_csv(null_value="NA").encode()
    url = f"https://127.0.0.1:{site.server_port}/weather.csv"
    return Growing(tmp_path, kind="http", url=url, ca="cert.pem")


def test_a_download_is_the_same_as_its_file(web: Growing, site: Site, snapshots: dict[str, Path]) -> None:
    web.secret = TOKEN
    assert web.take().rows_new == 26115
    assert web.table().equals(pl.read_parquet(snapshots["weather"]))
    assert site.asked[0]["authorization"] == f"Bearer {TOKEN}"
    assert web.take().unchanged
    assert site.asked[-1]["if-none-match"] == '"1"'
    site.etag = '"2"'
    assert web.take().unchanged  # another version by name, the same by its bytes
    site.body = site.body[: site.body.rindex(b"\n", 0, -1) + 1]
    site.etag = '"3"'
    assert web.take().rows == 26114


def test_it_goes_on_where_it_stopped_if_the_file_is_the_same(web: Growing, site: Site) -> None:
    site.break_after = 1 << 20
    with pytest.raises(SystemFault, match="does not answer as it should"):
        web.take()
    assert not (web.folder / "newest.parquet").exists()
    assert web.take().rows == 26115
    assert int(site.asked[-1]["range"].removeprefix("bytes=").rstrip("-")) > 0
    web.former = None
    site.break_after = 1 << 20
    with pytest.raises(SystemFault):
        web.take()
    site.etag, site.body = '"9"', b"a,b\n1,2\n"  # another file now: nothing of the first half is used
    assert web.take().rows == 1
    assert web.table().columns == ["a", "b"]


def test_other_hosts_unknown_certificates_and_large_files_are_refused(web: Growing, site: Site) -> None:
    site.moved_to = f"https://localhost:{site.server_port}/elsewhere.csv"
    with pytest.raises(Refused, match="another host, localhost"):
        web.take()
    assert len(site.asked) == 1  # the other host was not spoken to
    site.moved_to = "/there.csv"
    assert web.take().rows == 26115
    site.moved_to, web.former = "", None
    web.settings["max_bytes"] = 1000
    with pytest.raises(InputError, match="larger than 1,000 bytes"):
        web.take()
    web.settings |= {"ca": "", "max_bytes": 1 << 30}
    with pytest.raises(SystemFault, match="as it should") as caught:
        web.take()
    assert "CERTIFICATE" in caught.value.detail.upper()


def test_answers_that_are_no_file(web: Growing, site: Site) -> None:
    for status, kind in ((404, InputError), (401, Refused), (503, SystemFault)):
        site.status = status
        with pytest.raises(kind, match=r"server"):
            web.take()
    site.status, site.body = 200, b"\x00\x01" * 100
    with pytest.raises(InputError, match="binary"):
        web.take()
    web.settings["url"] = f"https://127.0.0.1:{free_port()}/weather.csv"
    with pytest.raises(SystemFault):
        web.take()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with redis_server() as found:
        yield found


@pytest.fixture
def server(port: int) -> Iterator[redis.Redis]:
    held = redis.Redis(port=port, password=PASSWORD)
    held.flushall()
    yield held
    held.close()


@pytest.fixture
def stream(server: redis.Redis, port: int, tmp_path: Path) -> Growing:
    made = Growing(tmp_path, kind="stream", url=f"redis://127.0.0.1:{port}/0", stream="rides")
    made.secret = PASSWORD
    return made


def add(server: redis.Redis, first: int, last: int, **more: Any) -> None:
    pipe = server.pipeline()
    for number in range(first, last):
        fields = {"id": number, "at": f"2024-01-01T00:00:{number % 60:02d}Z", "name": "NA" if number % 5 == 0 else "x"}
        pipe.xadd("rides", fields | more, id=f"{1000 + number // 3}-{number % 3 + 1}")
    pipe.execute()


def test_each_entry_once_and_the_last_id_is_kept(stream: Growing, server: redis.Redis) -> None:
    with pytest.raises(InputError, match="no stream 'rides'"):
        stream.take()
    add(server, 0, 25_000)
    made = stream.take()
    assert [column.type for column in made.columns] == ["text", "int", "time", "text"]
    assert (made.rows_new, made.watermark) == (25_000, {"id": "9333-1", "entries": 25_000, "lost": 0})
    assert stream.take().unchanged
    add(server, 25_000, 25_003, weather="clear")
    made = stream.take()
    assert (made.rows_new, made.rows, made.drift.new) == (3, 25_003, ["weather"])
    assert stream.table()["id"].to_list() == list(range(25_003))
    assert stream.table()["name"].null_count() == 5001


def test_a_stream_that_was_trimmed_or_made_anew_is_told(stream: Growing, server: redis.Redis) -> None:
    add(server, 0, 100)
    stream.take()
    add(server, 100, 200)
    server.xtrim("rides", maxlen=50, approximate=False)
    made = stream.take()
    assert (made.rows_new, made.notes) == (50, ["50 entries were removed from the stream before they were taken"])
    server.delete("rides")
    add(server, 0, 5)
    with pytest.raises(InputError, match="before 1066-2"):
        stream.take()


def test_a_cancelled_fetch_goes_on_after_its_last_page(stream: Growing, server: redis.Redis) -> None:
    add(server, 0, 25_000)

    class Once(Silent):
        def step(self, done: float, total: float, message: str = "") -> None:
            self.cancelled = "entries up to" in message

    with pytest.raises(Cancelled):
        stream.take(Once())
    assert len(list((stream.folder / "job" / "pages").glob("*.parquet"))) == 1
    add(server, 25_000, 25_010)
    assert stream.take().rows == 25_010
    assert stream.table()["id"].to_list() == list(range(25_010))


def test_a_server_that_refuses_and_bytes_that_are_no_text(stream: Growing, server: redis.Redis) -> None:
    stream.secret = "wrong-secret-here"
    with pytest.raises(Refused, match="does not let us in") as caught:
        stream.take()
    assert "wrong-secret-here" not in str(caught.value)
    stream.secret = PASSWORD
    server.xadd("rides", {"a": b"\xff\xfe"})
    with pytest.raises(InputError, match="not UTF-8"):
        stream.take()
    stream.settings["url"] = f"redis://127.0.0.1:{free_port()}/0"
    with pytest.raises(SystemFault, match="does not answer"):
        stream.take()
