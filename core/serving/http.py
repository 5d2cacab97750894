"""Bodies in and answers out: size limits, compressed requests, and V2's way of telling errors."""

from __future__ import annotations

import zlib
from typing import Any

import orjson

from core.kernel.errors import PlimsollError

LARGEST_BODY = 64 * 1024 * 1024
JSON = ("content-type", "application/json")
TEXT = ("content-type", "text/plain; version=0.0.4; charset=utf-8")


class HttpError(Exception):
    """An answer that is an error: its status, its words, and the reason that is counted."""

    def __init__(self, status: int, text: str, reason: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.reason = reason


def error_text(error: PlimsollError) -> str:
    """All problems of an error in one line, for ``{"error": ...}``."""
    parts = [error.headline]
    if error.detail:
        parts.append(error.detail)
    parts += [problem.line() for problem in error.problems]
    return "; ".join(parts)


async def read_body(scope: Any, proto: Any) -> bytes:
    """The request's body, unpacked, never more than :data:`LARGEST_BODY` bytes.

    Raises:
        HttpError: 413 beyond the limit, 400 for a broken or unknown compression.
    """
    stated = scope.headers.get("content-length")
    if stated is not None and stated.isdecimal() and int(stated) > LARGEST_BODY:
        raise HttpError(413, f"the body is larger than {LARGEST_BODY} bytes", "too_large")
    encoding = scope.headers.get("content-encoding", "identity")
    body: bytes = await proto() if stated is not None else await _chunks(proto)
    return body if encoding == "identity" else _inflated(body, encoding)


async def _chunks(proto: Any) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in proto:
        size += len(chunk)
        if size > LARGEST_BODY:
            raise HttpError(413, f"the body is larger than {LARGEST_BODY} bytes", "too_large")
        parts.append(bytes(chunk))
    return b"".join(parts)


def _inflated(body: bytes, encoding: str) -> bytes:
    if encoding not in ("gzip", "deflate"):
        raise HttpError(400, f"content-encoding {encoding[:40]!r} is not known (gzip or deflate)", "malformed")
    inflater = zlib.decompressobj(wbits=47 if encoding == "gzip" else 15)
    try:
        plain = inflater.decompress(body, LARGEST_BODY + 1)
    except zlib.error as error:
        raise HttpError(400, f"the body is not {encoding}", "malformed") from error
    if len(plain) > LARGEST_BODY or not inflater.eof:
        raise HttpError(413, f"the unpacked body is larger than {LARGEST_BODY} bytes or incomplete", "too_large")
    return plain


def answer_json(proto: Any, status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> None:
    """Answer with JSON."""
    proto.response_bytes(status, [JSON, *headers], orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY))


def answer_error(proto: Any, status: int, text: str) -> None:
    """Answer with ``{"error": text}``, V2's form."""
    answer_json(proto, status, {"error": text})
