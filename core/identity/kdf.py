"""Argon2id, one derivation at a time.

OpenSSL runs the lanes on a pool of threads that the whole process shares; two derivations at once
wait for each other's threads for ever (seen with cryptography 50.0.2).
"""

from __future__ import annotations

import threading

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

_ONE = threading.Lock()


def argon2id(secret: bytes, salt: bytes, *, passes: int, lanes: int, memory_kib: int) -> bytes:
    """A key of 32 bytes (RFC 9106)."""
    kdf = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory_kib)
    with _ONE:
        return kdf.derive(secret)
