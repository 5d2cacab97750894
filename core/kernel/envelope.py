"""Signed statements: a canonical payload, its type, and Ed25519 signatures over both.

The signed bytes are the DSSE pre-authentication encoding (secure-systems-lab/dsse v1), so a
signature made for one payload type never verifies for another.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.kernel.digests import canonical_json, digest_bytes, strict_json
from core.kernel.errors import InputError, Refused
from core.kernel.records import Record


def key_id_of(public_key: bytes) -> str:
    """The name of a key: the first 16 hex digits of the digest of its 32 raw public bytes."""
    return "key-" + digest_bytes(public_key)[3:19]


class EnvelopeSignature(Record):
    """One signature: who (by key) and the 64 bytes, base64."""

    key_id: str
    signature: str


class Envelope(Record):
    """A payload with its type and signatures. ``payload`` is base64 of canonical JSON."""

    payload_type: str
    payload: str
    signatures: list[EnvelopeSignature]

    def body(self) -> bytes:
        """The exact signed payload bytes."""
        try:
            return base64.b64decode(self.payload, validate=True)
        except ValueError as error:
            raise InputError("The signed payload is not base64") from error

    def statement(self) -> Any:
        """The payload as JSON values; duplicate keys are refused."""
        return strict_json(self.body())


def pre_authentication(payload_type: str, payload: bytes) -> bytes:
    """DSSE PAE: ``DSSEv1 <len> <type> <len> <payload>``."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(payload_type: str, statement: Any, key: Ed25519PrivateKey) -> Envelope:
    """Sign a JSON value with one key."""
    payload = canonical_json(statement)
    signature = key.sign(pre_authentication(payload_type, payload))
    public = key.public_key().public_bytes_raw()
    return Envelope(
        payload_type=payload_type,
        payload=base64.b64encode(payload).decode(),
        signatures=[EnvelopeSignature(key_id=key_id_of(public), signature=base64.b64encode(signature).decode())],
    )


def verify_statement(envelope: Envelope, payload_type: str, public_keys: dict[str, bytes]) -> list[str]:
    """Key ids whose signatures verify. ``public_keys`` maps key id to 32 raw bytes.

    Raises:
        Refused: when the type is another one, when no signature is by a known key, or when a
            known key's signature does not verify.
    """
    if envelope.payload_type != payload_type:
        raise Refused(f"This is a statement of type {envelope.payload_type!r}, not {payload_type!r}")
    signed = pre_authentication(payload_type, envelope.body())
    good: list[str] = []
    for item in envelope.signatures:
        public = public_keys.get(item.key_id)
        if public is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(item.signature), signed)
        except (InvalidSignature, ValueError) as error:
            raise Refused(f"The signature by {item.key_id} does not verify") from error
        if item.key_id not in good:
            good.append(item.key_id)
    if not good:
        raise Refused("No signature is by a key that is trusted here")
    return good
