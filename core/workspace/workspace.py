"""A workspace: one folder that holds the store, the blobs, the sealed keys and the jobs' folders."""

from __future__ import annotations

import json
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from core.blobs.store import BlobStore
from core.identity.kdf import argon2id
from core.identity.secrets import station_key
from core.kernel.clock import Clock, SystemClock, utc_text
from core.kernel.digests import strict_json
from core.kernel.envelope import key_id_of
from core.kernel.errors import InputError, NotFound, Refused
from core.kernel.ids import new_id
from core.kernel.records import Record
from core.store.database import Database
from core.store.ledger import Head
from core.store.migrations import upgrade
from core.store.tables import LedgerEntry
from core.workspace import witness

MARKER = "workspace.json"


class WorkspaceInfo(Record):
    """What ``workspace.json`` says. ``store_key`` is the sealed store key of an encrypted workspace."""

    id: str
    format: int = 1
    created_at: str
    encrypted: bool = False
    store_salt: str = ""
    store_key: str = ""


class Workspace:
    """An open workspace. Only its owner process holds one."""

    def __init__(self, root: Path, *, passphrase: str | None = None, clock: Clock | None = None) -> None:
        self.root = root
        self.clock = clock or SystemClock()
        self.info = read_info(root)
        self.blobs = BlobStore(root / "blobs")
        self.jobs = root / "jobs"
        self.keys = root / "keys"
        for folder in (self.jobs, self.keys):
            folder.mkdir(exist_ok=True, mode=0o700)
        self.database = Database(root / "store.duckdb", _store_key(self.info, passphrase))
        try:
            with self.database.write_lock, self.database.engine.connect() as connection:
                upgrade(connection)
                connection.commit()
            self.station: Ed25519PrivateKey = station_key(self.info.id)
            self._noted_holds = self._agrees_with_note()
        except BaseException:
            self.database.close()
            raise
        self.blobs.sweep()

    @property
    def station_public(self) -> dict[str, bytes]:
        """Key id and public bytes of the key that signs checkpoints and trust roots."""
        public = self.station.public_key().public_bytes_raw()
        return {key_id_of(public): public}

    def note_head(self, head: Head) -> None:
        """Remember the ledger's head outside the workspace, unless what is remembered contradicts the ledger."""
        if self._noted_holds:
            witness.note(self.info.id, head)

    def noted_head(self) -> Head | None:
        """The head that was last remembered on this machine."""
        return witness.noted(self.info.id)

    def _agrees_with_note(self) -> bool:
        known = self.noted_head()
        if known is None or known.seq == 0:
            return True
        with self.database.reading() as session:
            entry = session.get(LedgerEntry, known.seq)
        return entry is not None and entry.hash == known.hash

    def close(self) -> None:
        """Flush and let go."""
        self.database.close()


def create(root: Path, *, passphrase: str | None = None, clock: Clock | None = None) -> None:
    """Make an empty workspace in ``root``; with a passphrase its store is encrypted at rest.

    Raises:
        InputError: when the folder holds one already, or other files.
    """
    if (root / MARKER).exists():
        raise InputError("There is a workspace here already", where=str(root), remedy="Choose another folder.")
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError("The folder is not empty", where=str(root), remedy="Choose an empty or a new folder.")
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o700)
    salt, sealed = _seal_new_key(passphrase) if passphrase else ("", "")
    info = WorkspaceInfo(
        id=new_id("ws"),
        created_at=utc_text((clock or SystemClock()).now()),
        encrypted=passphrase is not None,
        store_salt=salt,
        store_key=sealed,
    )
    temporary = root / (MARKER + ".new")
    temporary.write_text(json.dumps(info.plain(), indent=2) + "\n")
    temporary.replace(root / MARKER)


def find(start: Path) -> Path:
    """The nearest folder at or above ``start`` that holds a workspace.

    Raises:
        NotFound: when there is none.
    """
    for folder in (start, *start.parents):
        if (folder / MARKER).is_file():
            return folder
    raise NotFound(
        "There is no workspace here",
        where=str(start),
        remedy="Make one with `plimsoll init DIR`, or name one with --workspace DIR.",
    )


def read_info(root: Path) -> WorkspaceInfo:
    """Read and check ``workspace.json``."""
    path = root / MARKER
    if not path.is_file():
        raise NotFound("This folder holds no workspace", where=str(root), remedy="Make one with `plimsoll init DIR`.")
    info = WorkspaceInfo.read(strict_json(path.read_bytes()), where=str(path))
    if info.format != 1:
        raise InputError(f"Workspace format {info.format} is newer than this Plimsoll", where=str(path))
    return info


def _derive(passphrase: str, salt: bytes) -> bytes:
    return argon2id(passphrase.encode(), salt, passes=3, lanes=4, memory_kib=64 * 1024)


def _seal_new_key(passphrase: str) -> tuple[str, str]:
    salt, nonce, key = os.urandom(16), os.urandom(12), os.urandom(32)
    sealed = AESGCM(_derive(passphrase, salt)).encrypt(nonce, key, b"plimsoll store key")
    return salt.hex(), (nonce + sealed).hex()


def _store_key(info: WorkspaceInfo, passphrase: str | None) -> bytes | None:
    if not info.encrypted:
        return None
    if not passphrase:
        raise InputError(
            "This workspace is encrypted",
            remedy="Give its passphrase: keyring, prompt or PLIMSOLL_STORE_PASSPHRASE.",
        )
    sealed = bytes.fromhex(info.store_key)
    try:
        key = AESGCM(_derive(passphrase, bytes.fromhex(info.store_salt)))
        return key.decrypt(sealed[:12], sealed[12:], b"plimsoll store key")
    except InvalidTag as error:
        raise Refused("The passphrase does not open this workspace", remedy="Check the passphrase.") from error
