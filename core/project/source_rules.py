"""What each kind of source needs, takes and does not take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from core.kernel.errors import Problem
from core.project.document import Document
from core.project.schema import FORMS, Source
from core.project.yaml_text import Path_

Problems = Iterator[Problem]
FILES = ("csv", "jsonl", "parquet", "excel")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PERSONAL = ("subject", "privacy", "quasi", "retain", "about")
_COMMON = ("kind", "nulls", "types", "key", "description", "personal", *_PERSONAL)
_TAKES: dict[str, tuple[str, ...]] = {
    "csv": ("path",),
    "jsonl": ("path",),
    "parquet": ("path",),
    "excel": ("path", "sheet", "header"),
    "folder": ("path", "pattern", "format", "sheet", "header", "on_conflict"),
    "sql": ("url", "table", "query", "watermark", "secret", "ca", "insecure", "on_conflict"),
    "http": ("url", "format", "sheet", "header", "secret", "ca", "insecure", "max_bytes"),
    "stream": ("url", "stream", "secret", "ca", "insecure", "on_conflict"),
    "files": ("path",),
}
_NEEDS: dict[str, dict[str, str]] = {
    "folder": {"path": "the folder"},
    "sql": {"url": "such as postgresql://reader@host:5432/shop, sqlite:shop.db or duckdb:shop.duckdb"},
    "http": {"url": "such as https://data.example/flights.csv"},
    "stream": {"url": "such as rediss://host:6379/0", "stream": "the name of the stream"},
}
SCHEMES: dict[str, tuple[str, ...]] = {
    "sql": ("postgresql", "sqlite", "duckdb"),
    "http": ("https", "http"),
    "stream": ("rediss", "redis"),
}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


def sources(doc: Document) -> Problems:
    """Every source has what its kind needs, and nothing that would silently do nothing."""
    for name in doc.mapping("sources"):
        path = ("sources", name)
        kind = doc.text(*path, "kind") or ("csv" if "kind" not in doc.mapping(*path) else "")
        if kind in _TAKES:
            yield from _fields(doc, path, kind)
            yield from _address(doc, path, kind)
            yield from _growth(doc, path, kind)
            yield from _minimised(doc, path)


def _minimised(doc: Document, path: Path_) -> Problems:
    """A key must stay, and a watermark must stay as it is: the next ingestion goes on from it."""
    for column in doc.mapping(*path, "privacy"):
        rule = (*path, "privacy", column)
        dropped = "drop" in (doc.text(*rule), doc.text(*rule, "how"))
        if dropped and column in doc.items(*path, "key"):
            yield doc.problem(rule, f"{column!r} is a key and cannot be dropped", remedy="Hash it")
        if column == doc.text(*path, "watermark") and doc.text(*rule, "when") != "export":
            yield doc.problem(rule, f"{column!r} is the watermark and must be stored as it is", remedy="when: export")


def _fields(doc: Document, path: Path_, kind: str) -> Problems:
    given = doc.mapping(*path)
    title = f"The source {path[-1]!r}"
    for field, words in _NEEDS.get(kind, {"path": "a file"}).items():
        if field not in given:
            yield doc.problem(path, f"{title} has no {field}", words, f"Add {field} here")
    for field in given:
        common = ("kind", "description") if kind == "files" else _COMMON
        if field in Source.model_fields and field not in (*common, *_TAKES[kind]):
            yield doc.problem((*path, field), f"{title} is {kind}, so {field} means nothing", remedy="Remove it")
    pattern = doc.at(*path, "pattern")
    if isinstance(pattern, str) and (not pattern or pattern.startswith("/") or ".." in pattern.split("/")):
        yield doc.problem((*path, "pattern"), f"{title} looks outside its folder", "names inside it, such as *.csv")
    if kind == "sql" and bool(doc.text(*path, "table")) == bool(doc.text(*path, "query")):
        yield doc.problem(path, f"{title} needs a table or a query", "one of the two")
    secret = doc.text(*path, "secret")
    if secret and not _NAME.fullmatch(secret):
        what = f"{title} has a secret that is not a name"
        yield doc.problem((*path, "secret"), what, "a name", "Store it: plimsoll secret set NAME, and write NAME here")


def _growth(doc: Document, path: Path_, kind: str) -> Problems:
    if doc.text(*path, "on_conflict") != "update" or "on_conflict" not in _TAKES[kind]:
        return
    if not doc.items(*path, "key"):
        yield doc.problem((*path, "on_conflict"), "Rows can only be updated by a key", "a key", "Add key: [...]")
    if kind == "sql" and not doc.text(*path, "watermark"):
        what = "Without a watermark the whole table is read each time: there is nothing to update"
        yield doc.problem((*path, "on_conflict"), what, "a watermark", "Add watermark, or remove on_conflict")


def _address(doc: Document, path: Path_, kind: str) -> Problems:
    url = doc.text(*path, "url")
    if not url or kind not in SCHEMES:
        return
    place, title = (*path, "url"), f"The source {path[-1]!r}"
    reason = address_problem(url, kind)
    if reason:
        yield doc.problem(place, f"{title}: {reason}", _NEEDS[kind]["url"])
        return
    parts = urlsplit(url)
    if parts.scheme in ("http", "redis") and parts.hostname not in LOOPBACK and doc.at(*path, "insecure") is not True:
        what = f"{title} would be read unencrypted from {parts.hostname}"
        yield doc.problem(place, what, f"{parts.scheme}s", "Or state insecure: true if nobody can listen there")
    if kind == "http" and not doc.text(*path, "format") and not _known_ending(parts.path):
        what = f"{title} does not say which form the file has"
        yield doc.problem(place, what, f"an ending ({', '.join(FORMS)})", "Or state format")


def _known_ending(path: str) -> bool:
    plain = path.lower().removesuffix(".gz").removesuffix(".zip")
    return PurePosixPath(plain).suffix in FORMS


def address_problem(url: str, kind: str) -> str:
    """Why an address does not fit a kind of source; empty when it does."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "the address is not a URL"
    if parts.scheme not in SCHEMES[kind]:
        return "the address has no scheme that is known (" + ", ".join(SCHEMES[kind]) + ")"
    if parts.password:
        return "the address holds a password; store it with `plimsoll secret set NAME` and state secret: NAME"
    if parts.scheme in ("sqlite", "duckdb"):
        return "" if file_of(url) else "the address has no file"
    if not parts.hostname and not (parts.scheme == "postgresql" and "host=" in parts.query):
        return "the address has no host"
    if parts.scheme == "postgresql" and not parts.path.strip("/"):
        return "the address has no database"
    return ""


def file_of(url: str) -> str:
    """The file of a sqlite: or duckdb: address; empty for any other."""
    scheme, _, rest = url.partition(":")
    if scheme not in ("sqlite", "duckdb"):
        return ""
    return rest.removeprefix("//") if rest.startswith("///") or not rest.startswith("//") else rest[2:]
