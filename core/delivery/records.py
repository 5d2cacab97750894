"""The records of delivery: targets, host keys, runtimes, packages, and what a target says of itself."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from core.kernel.records import Record

_PLACE = re.compile(r"^/[A-Za-z0-9._/+-]+$")


class HostKey(Record):
    """A server's public key as it was presented: the text to pin and the fingerprint to compare."""

    host: str
    port: int
    text: str = Field(description="OpenSSH public key without a comment, e.g. 'ssh-ed25519 AAAA…'")
    sha256: str = Field(description="Fingerprint, SHA256:<base64>, as ssh-keygen -l prints it")


class TargetSpec(Record):
    """A machine that we deliver to. Nothing about it is looked up anywhere else."""

    name: str
    url: str = Field(description="ssh://user@host:port/path; the path is the target's root folder")
    host_key: str = Field(description="The pinned public key; connections to any other key are refused")
    client_key: str = Field(description="Path of the private key that we log in with")
    environment: Literal["staging", "production"] = "production"
    python: str = Field(default="python3", pattern=r"^[A-Za-z0-9._/+-]+$", description="Python on the target")

    @field_validator("url")
    @classmethod
    def _complete(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "ssh" or not parts.username or not parts.hostname:
            raise ValueError("expected ssh://user@host:port/path")
        if parts.password or parts.query or parts.fragment:
            raise ValueError("no password, query or fragment belongs in a target's url")
        if not _PLACE.match(parts.path) or ".." in parts.path.split("/") or parts.path.strip("/") == "":
            raise ValueError("the path must be an absolute folder of letters, digits, '.', '_', '+' and '-'")
        _ = parts.port  # raises ValueError when it is no port
        return url

    @property
    def user(self) -> str:
        return urlsplit(self.url).username or ""

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 22

    @property
    def root(self) -> str:
        """The root folder on the target, without a slash at the end."""
        return urlsplit(self.url).path.rstrip("/")


class Wheel(Record):
    """One wheel of a wheelhouse. ``sha256`` is bare hex, as pip's hash checking wants it."""

    file: str
    name: str
    version: str
    size: int
    sha256: str


class WheelhouseInfo(Record):
    """A folder of wheels that installs the serving runtime without a network."""

    folder: str
    digest: str = Field(description="Over names, sizes and hashes of all wheels")
    python: str = Field(description="Interpreter tag of the wheels, e.g. cp311")
    platform: str = Field(description="Operating system and machine, e.g. linux_x86_64")
    glibc: tuple[int, int] | None = Field(default=None, description="Oldest C library that loads every wheel")
    pip: str = Field(description="File name of pip's own wheel")
    wheels: list[Wheel] = Field(description="Sorted by file name, pip's wheel left out")


class PackageInfo(Record):
    """A package on disk."""

    path: str
    release: str
    digest: str = Field(description="BLAKE3 of the file")
    sha256: str = Field(description="Bare hex, for hosts that have no BLAKE3 yet")
    size: int
    payload_digest: str
    dossier_digest: str


class HostReport(Record):
    """What a host says of itself before anything is installed. Sizes in bytes."""

    python: str
    implementation: str
    machine: str
    system: str
    glibc: str
    user: str
    uid: int
    free: int
    writable: bool
    root_exists: bool


class TargetStatus(Record):
    """What runs on a target."""

    current: str | None
    previous: str | None
    releases: list[str]
    runtime: str | None
    running: bool
    pid: int | None
    port: int | None
    ready: bool
    free: int


class ServerAddress(Record):
    """Where the server of a target answers for as long as the connection is held."""

    url: str
    token: str
    forwarded: bool


class CommandAnswer(Record):
    """The answer of the runtime's command line on the target."""

    ok: bool
    exit_code: int
    answer: dict[str, object]
    text: str = ""


class LogPart(Record):
    """New complete lines of one log: ``path`` here holds bytes ``[start, end)`` of ``name`` there."""

    name: str
    start: int
    end: int
    path: str


class LogBatch(Record):
    """What a fetch brought. Store ``offsets`` in the same transaction as the rows: then no line counts twice."""

    parts: list[LogPart]
    offsets: dict[str, int]
    more: bool = Field(description="There was more than fitted into this batch")
