"""Short random identifiers with a prefix that says what they name, e.g. ``run-4k7w9m2xqp``."""

from __future__ import annotations

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base 32: no i, l, o, u
LENGTH = 10  # 50 bits: one clash in 100,000 ids has a chance of 1 in 200,000


def new_id(prefix: str) -> str:
    """A fresh identifier of the given kind."""
    return f"{prefix}-" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
