"""Entries of a Redis stream, each once: from the id after the last one that was taken up to the newest there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl
import redis

from core.data.records import Ingested
from core.data.sources.files import without_nulls
from core.data.sources.folder import keep_page, together
from core.data.sources.growing import Task, grow, unchanged
from core.data.sources.raw import ALL, Raw
from core.kernel.errors import InputError, PlimsollError, Refused, SystemFault

ID = "stream_id"
_COUNT = 10_000
_START = "0-0"
Entry = tuple[bytes, dict[bytes, bytes]]


def ingest_stream(task: Task) -> Ingested:
    """Take what came since; each entry is a row with its id as ``stream_id`` and a column for each field.

    Pages are named by their last id, so that a killed fetch goes on after its last page.

    Raises:
        InputError: when the stream is not there, was made anew, or holds what is no text.
        SystemFault: when the server does not answer.
    """
    where = f"sources.{task.name}"
    try:
        with _connected(task) as server:
            return _taken(task, server, where)
    except redis.RedisError as error:
        raise _said(error, where) from error


def _taken(task: Task, server: Any, where: str) -> Ingested:
    base = task.base
    last = str(base.watermark["id"]) if base is not None else _START
    known = int(base.watermark.get("entries", 0)) if base is not None else 0
    about = _about(server, task.source.stream, where)
    newest = _text(about[b"last-generated-id"], where)
    if _order(newest) < _order(last):
        raise InputError(
            f"The stream ends at {newest}, before {last}, up to which it was taken",
            where=where,
            detail="It was emptied or made anew.",
            remedy="Read it anew with `plimsoll data ingest --anew`, or correct `stream`.",
        )
    _fetch(task, server, last, newest, where)
    pages = {page.name: page for page in sorted(task.pages.glob("*.parquet"), key=lambda page: _order(page.stem))}
    if not pages:
        if base is not None:
            return unchanged(task, base)
        raise InputError(f"The stream of {task.name} has no entry yet", where=where)
    raw = together(pages, task.name, ALL)
    entries = known + int(raw.frame.select(pl.len()).collect().item())
    lost = max(0, int(about.get(b"entries-added", entries)) - entries)  # a server before Redis 7 does not count
    more = lost - (int(base.watermark.get("lost", 0)) if base is not None else 0)
    notes = [f"{more:,} entries were removed from the stream before they were taken"] if more > 0 else []
    clean = Raw(without_nulls(raw.frame, task.source), raw.where, ALL)
    return grow(task, clean, {"id": newest, "entries": entries, "lost": lost}, notes=notes)


def _fetch(task: Task, server: Any, last: str, newest: str, where: str) -> None:
    done = sorted((page.stem for page in task.pages.glob("*.parquet")), key=_order)
    after = done[-1] if done else last
    while _order(after) < _order(newest):
        entries: list[Entry] = server.xrange(task.source.stream, min=f"({after}", max=newest, count=_COUNT)
        if not entries:
            return
        after = _text(entries[-1][0], where)
        keep_page(Raw(_table(entries, where).lazy(), where), task.pages / f"{after}.parquet", where, task.progress)
        task.progress.step(len(entries), 0, f"entries up to {after}")
        task.progress.check()


def _table(entries: list[Entry], where: str) -> pl.DataFrame:
    fields = list(dict.fromkeys(field for _, entry in entries for field in entry))
    names = [_text(field, where) for field in fields]
    if ID in names:
        raise InputError(f"A field is called {ID!r}, which is the column of the entry's own id", where=where)
    columns = {ID: [_text(one, where) for one, _ in entries]}
    for field, name in zip(fields, names, strict=True):
        columns[name] = [_text(entry[field], f"{where} {name}") if field in entry else None for _, entry in entries]  # type: ignore[misc]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _text(value: bytes | str, where: str) -> str:
    try:
        return value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError as error:
        raise InputError("The stream holds bytes that are not UTF-8 text", where=where) from error


def _order(name: str) -> tuple[int, int]:
    first, _, second = name.partition("-")
    return int(first), int(second or 0)


def _about(server: Any, stream: str, where: str) -> Mapping[bytes, Any]:
    if server.type(stream) != b"stream":
        raise InputError(
            f"There is no stream {stream!r}", where=where, remedy="Correct `stream`, or write to it first."
        )
    reply = server.execute_command("XINFO STREAM", stream)
    pairs = reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2], strict=True)
    return {key.encode() if isinstance(key, str) else key: value for key, value in pairs}


def _connected(task: Task) -> Any:
    parts = urlsplit(task.source.url)
    authority = str(task.project_dir / task.source.ca) if task.source.ca else None
    encrypted: dict[str, Any] = {"ssl": True, "ssl_ca_certs": authority} if parts.scheme == "rediss" else {}
    return redis.Redis(
        host=parts.hostname or "",
        port=parts.port or 6379,
        db=int(parts.path.strip("/") or 0),
        username=unquote(parts.username) if parts.username else None,
        password=task.secret or None,
        socket_timeout=30,
        socket_connect_timeout=20,
        **encrypted,
    )


def _said(error: redis.RedisError, where: str) -> PlimsollError:
    detail = str(error).splitlines()[0][:500]
    if isinstance(error, redis.AuthenticationError):
        return Refused("The stream's server does not let us in", detail=detail, where=where, remedy="Check the secret.")
    if isinstance(error, redis.ConnectionError | redis.TimeoutError):
        return SystemFault(
            "The stream's server does not answer", detail=detail, where=where, remedy="Check the address."
        )
    return InputError("The stream cannot be read", detail=detail, where=where)
