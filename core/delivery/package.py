"""Packages: one file that carries a release with its evidence and signatures, bit for bit reproducible."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

from core.contract.release import Dossier
from core.delivery.archive import Entry, measure, write_tar
from core.delivery.payload import payload_manifest
from core.delivery.records import PackageInfo
from core.kernel.digests import canonical_json, strict_json
from core.kernel.envelope import Envelope
from core.kernel.errors import InputError, Refused

RELEASE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
LARGEST_JSON = 16 * 1024 * 1024


def build_package(payload_dir: Path, dossier: Dossier, signatures: list[Envelope], out: Path) -> PackageInfo:
    """Pack a payload with its dossier and sign-offs. The order of ``signatures`` doesn't matter.

    Raises:
        Refused: when the payload is not the one that the dossier names.
        InputError: when the folder is not a payload or a signature is not by exactly one key.
    """
    manifest = payload_manifest(payload_dir)
    payload_digest = manifest.fingerprint()
    if payload_digest != dossier.payload:
        raise Refused(
            "The payload is not the one that was signed off",
            detail=f"signed off: {dossier.payload}\nfound:      {payload_digest}",
            where=str(payload_dir),
            remedy="Build the package from the stored payload of this release.",
        )
    head: dict[str, Any] = {
        "release": dossier.release,
        "payload": manifest.plain(),
        "payload_digest": payload_digest,
        "dossier_digest": dossier.fingerprint(),
    }
    entries = [Entry("manifest.json", canonical_json(head)), Entry("dossier.json", canonical_json(dossier.plain()))]
    entries += [Entry(f"payload/{file.path}", payload_dir / file.path) for file in manifest.files]
    entries += _signature_entries(signatures)
    written = write_tar(entries, out)
    return PackageInfo(
        path=str(out),
        release=dossier.release,
        digest=written.digest,
        sha256=written.sha256,
        size=written.size,
        payload_digest=payload_digest,
        dossier_digest=head["dossier_digest"],
    )


def read_package(path: Path) -> PackageInfo:
    """What a package file says it is. It believes nothing: verification is another step.

    Raises:
        InputError: when the file is not a package.
    """
    try:
        head = strict_json(_member(path, "manifest.json"))
        dossier = Dossier.read(strict_json(_member(path, "dossier.json")), where="dossier.json")
        if not RELEASE_NAME.fullmatch(dossier.release):
            raise InputError("The package's release has a name that cannot be a folder", where=str(path))
        written = measure(path)
        return PackageInfo(
            path=str(path),
            release=dossier.release,
            digest=written.digest,
            sha256=written.sha256,
            size=written.size,
            payload_digest=head["payload_digest"],
            dossier_digest=head["dossier_digest"],
        )
    except (KeyError, TypeError, OSError, tarfile.TarError) as error:
        raise InputError("This file is not a package", where=str(path), detail=str(error)) from error


def package_dossier(path: Path) -> tuple[Dossier, list[Envelope]]:
    """The dossier and the sign-offs inside a package, for import. Nothing is unpacked to disk."""
    dossier = Dossier.read(strict_json(_member(path, "dossier.json")), where="dossier.json")
    with tarfile.open(path, "r:") as tar:
        names = sorted(name for name in tar.getnames() if PurePosixPath(name).parent.as_posix() == "signatures")
    return dossier, [Envelope.read(strict_json(_member(path, name)), where=name) for name in names]


def _signature_entries(signatures: list[Envelope]) -> list[Entry]:
    files: dict[str, bytes] = {}
    for envelope in signatures:
        if len(envelope.signatures) != 1:
            raise InputError("A sign-off must carry exactly one signature")
        key = envelope.signatures[0].key_id
        if not key.replace("-", "").isalnum():
            raise InputError("A sign-off names a key that cannot be a file name", detail=key)
        if key in files:
            raise InputError(f"Two sign-offs are by the same key {key}")
        files[key] = canonical_json(envelope.plain())
    return [Entry(f"signatures/{key}.json", files[key]) for key in sorted(files)]


def _member(path: Path, name: str) -> bytes:
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.getmember(name)
            stream = tar.extractfile(member) if member.isreg() and member.size <= LARGEST_JSON else None
            if stream is None:
                raise InputError(f"{name} is not a small regular file", where=str(path))
            return stream.read()
    except (OSError, tarfile.TarError, KeyError) as error:
        raise InputError("This file is not a package", where=str(path), detail=str(error)) from error
