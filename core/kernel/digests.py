"""Content digests (BLAKE3) and the one canonical JSON form (RFC 8785) that gets hashed and signed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import rfc8785
from blake3 import blake3

from core.kernel.errors import InputError, SystemFault

PREFIX = "b3:"


def digest_bytes(data: bytes | memoryview) -> str:
    """BLAKE3 of ``data`` as ``b3:<64 hex digits>``."""
    return PREFIX + blake3(data).hexdigest()


def digest_parts(parts: Iterable[bytes | memoryview]) -> str:
    """Digest of what the parts are together, without putting them together."""
    hasher = blake3()
    for part in parts:
        hasher.update(part)
    return PREFIX + hasher.hexdigest()


def digest_file(path: Path) -> str:
    """BLAKE3 of a file's content, read through a memory map on all cores."""
    hasher = blake3(max_threads=blake3.AUTO)
    try:
        hasher.update_mmap(path)
    except OSError as error:
        raise SystemFault(f"Cannot read {path.name}", detail=str(error), where=str(path)) from error
    return PREFIX + hasher.hexdigest()


def digest_table(path: Path) -> str:
    """Digest of a table's file; the folder of a table's parts is named by its digest already."""
    return PREFIX + path.name if path.is_dir() else digest_file(path)


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value.

    Raises:
        InputError: for NaN, infinities, integers beyond 2**53 or keys that are not text.
    """
    try:
        return rfc8785.dumps(value)
    except rfc8785.CanonicalizationError as error:
        raise InputError("The value has no canonical JSON form", detail=str(error)) from error


def digest_json(value: Any) -> str:
    """Digest of the canonical JSON form of ``value``."""
    return digest_bytes(canonical_json(value))


def strict_json(data: bytes | str) -> Any:
    """Parse JSON that will be trusted: duplicate keys and non-finite numbers are refused."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, value in pairs:
            if key in out:
                raise InputError(f"JSON repeats the key {key!r}")
            out[key] = value
        return out

    def refuse(token: str) -> Any:
        raise InputError(f"JSON holds {token}, which is not a number")

    try:
        return json.loads(data, object_pairs_hook=unique, parse_constant=refuse)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError("This is not valid JSON", detail=str(error)) from error
