"""One file from the one host that the user configured, whole, resumed after a break, and nothing else."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import httpx

from core.data.records import Ingested
from core.data.sources.files import form_of
from core.data.sources.growing import Task, unchanged
from core.data.sources.whole import ingest_file
from core.data.writing import disk_fault
from core.kernel.digests import digest_file, strict_json
from core.kernel.errors import InputError, PlimsollError, Refused, SystemFault

_CHUNK = 1 << 20
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)


def ingest_http(task: Task) -> Ingested:
    """Download the file if it changed, and take it as the whole table.

    The server is told which version is known (ETag or date); one that answers with the same bytes
    all the same is recognised by their digest.

    Raises:
        InputError: for an answer that is not the file, or one that is too large.
        Refused: for a redirect to another host, or when the server does not let us in.
        SystemFault: when the server does not answer or stops half way; a second try goes on from there.
    """
    base, name = task.base, _name(task.source.url)
    form = form_of(task.source, name)
    part = task.pages / "download.part"
    try:
        with _client(task) as client:
            mark = _fetch(task, client, part, dict(base.watermark) if base is not None else {})
    except httpx.HTTPError as error:
        raise _said(error, task) from error
    except OSError as error:
        raise disk_fault(error, part) or error from error
    if base is not None and (mark is None or mark["digest"] == base.watermark.get("digest")):
        return unchanged(task, base)
    assert mark is not None
    file = task.pages / (name if name.strip(".") else "download")
    part.replace(file)
    made = ingest_file(task, file, form)
    return made.model_copy(update={"watermark": mark})


def _name(url: str) -> str:
    return unquote(PurePosixPath(urlsplit(url).path).name).replace("/", "_").replace("\0", "_")


def _fetch(task: Task, client: httpx.Client, part: Path, known: dict[str, Any]) -> dict[str, Any] | None:
    """Load into ``part``; what the server says of the version, or none when it is the known one."""
    state = part.with_suffix(".json")
    half = strict_json(state.read_bytes()) if state.is_file() and part.is_file() else {}
    headers = {"Accept-Encoding": "identity"}
    if half.get("etag") and part.stat().st_size:
        headers |= {"Range": f"bytes={part.stat().st_size}-", "If-Range": half["etag"]}
    elif known.get("etag"):
        headers["If-None-Match"] = known["etag"]
    elif known.get("modified"):
        headers["If-Modified-Since"] = known["modified"]
    with _answer(task, client, headers) as response:
        if response.status_code == 304:
            return None
        if response.status_code == 416:  # all of it is there already, or the file became shorter
            part.unlink()
            state.unlink()
            raise SystemFault("The file changed while it was fetched", where=task.source.url, remedy="Run it again.")
        mark = _version(response)
        resumed = response.status_code == 206
        state.write_text(json.dumps(mark))
        _load(task, response, part, resumed)
    state.unlink()
    return {**mark, "digest": digest_file(part), "bytes": part.stat().st_size}


def _version(response: httpx.Response) -> dict[str, str]:
    etag = response.headers.get("ETag", "")
    return {"etag": "" if etag.startswith("W/") else etag, "modified": response.headers.get("Last-Modified", "")}


@contextmanager
def _answer(task: Task, client: httpx.Client, headers: dict[str, str]) -> Iterator[httpx.Response]:
    url = httpx.URL(task.source.url).copy_with(userinfo=b"")
    start = url
    for _ in range(_REDIRECTS):
        with client.stream("GET", url, headers=headers) as response:
            if response.status_code not in _MOVED:
                _require_file(response, task)
                yield response
                return
            url = url.join(response.headers.get("Location", ""))
        if (url.scheme, url.host, url.port) != (start.scheme, start.host, start.port):
            raise Refused(
                f"The server sends us on to another host, {url.host}",
                where=str(start),
                remedy="If that is meant, write its address into plimsoll.yaml.",
            )
    raise InputError("The server sends us in circles", where=str(start))


def _require_file(response: httpx.Response, task: Task) -> None:
    code, url = response.status_code, task.source.url
    if code in (401, 403):
        raise Refused("The server does not let us in", detail=f"Status {code}", where=url, remedy="Check the secret.")
    if code >= 500:
        raise SystemFault("The server failed", detail=f"Status {code}", where=url, remedy="Try again later.")
    if code not in (200, 206, 304, 416):
        raise InputError("The server does not give the file", detail=f"Status {code}", where=url)
    if int(response.headers.get("Content-Length") or 0) > task.source.max_bytes:
        raise _too_large(task)


def _load(task: Task, response: httpx.Response, part: Path, resumed: bool) -> None:
    have = part.stat().st_size if resumed else 0
    total = have + int(response.headers.get("Content-Length") or 0)
    with part.open("ab" if resumed else "wb") as file:
        for chunk in response.iter_raw(_CHUNK):
            have += len(chunk)
            if have > task.source.max_bytes:
                raise _too_large(task)
            file.write(chunk)
            file.flush()
            task.progress.step(have, max(total, have), "downloading")
            task.progress.check()


def _too_large(task: Task) -> InputError:
    return InputError(
        f"The file is larger than {task.source.max_bytes:,} bytes", where=task.source.url, remedy="Raise max_bytes."
    )


def _client(task: Task) -> httpx.Client:
    """Speaks to the configured host and nobody else: no proxy and no password of the environment."""
    verify: ssl.SSLContext | bool = True
    if task.source.ca:
        verify = ssl.create_default_context(cafile=str(task.project_dir / task.source.ca))
    user = urlsplit(task.source.url).username
    headers = {"User-Agent": "plimsoll"}
    if task.secret and not user:
        headers["Authorization"] = f"Bearer {task.secret}"
    login = httpx.BasicAuth(unquote(user), task.secret) if user else None
    return httpx.Client(verify=verify, trust_env=False, follow_redirects=False, headers=headers, auth=login, timeout=30)


def _said(error: httpx.HTTPError, task: Task) -> PlimsollError:
    return SystemFault(
        "The server does not answer as it should",
        detail=f"{type(error).__name__}: {error}",
        where=task.source.url,
        remedy="Check address, certificate and network, and run it again: it goes on where it stopped.",
    )
