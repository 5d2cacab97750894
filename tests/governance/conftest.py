"""People with real keys, and a dossier to sign."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from core.contract.release import SIGN_OFF_TYPE, Dossier, SignOff, TrustedKey, TrustRoot
from core.governance.records import Signer
from core.governance.signoff import make_sign_off, trust_root_for
from core.kernel.clock import utc_text
from core.kernel.digests import digest_bytes
from core.kernel.envelope import Envelope, key_id_of, sign_statement

NOW = datetime(2013, 11, 4, 9, 0, tzinfo=UTC)
MONTH = timedelta(days=30)
HEAD = "a" * 64


class Person:
    """Somebody with an account and a key."""

    def __init__(self, user: str, person: str, roles: list[str], key: Ed25519PrivateKey | None = None) -> None:
        self.key = key or Ed25519PrivateKey.generate()
        self.signer = Signer(user=user, person=person, name=person.title(), roles=roles)
        self.public = self.key.public_key().public_bytes_raw()

    def trusted(self, **changes: Any) -> TrustedKey:
        base = {
            "person": self.signer.person,
            "name": self.signer.name,
            "key_id": key_id_of(self.public),
            "public_key": base64.b64encode(self.public).decode(),
            "roles": self.signer.roles,
        }
        return TrustedKey.model_validate(base | changes)

    def sign(self, dossier: Dossier, meaning: Any = "approve", comment: str = "", **options: Any) -> Envelope:
        now = options.pop("now", NOW)
        return make_sign_off(dossier, meaning, comment, self.signer, self.key, HEAD, now, MONTH, **options)

    def forge(self, dossier: Dossier, payload_type: str = SIGN_OFF_TYPE, **changes: Any) -> Envelope:
        """Sign whatever is asked, past every refusal: what an attacker with this key can do."""
        statement = SignOff(
            release=dossier.release,
            dossier=dossier.fingerprint(),
            environment=dossier.environment,
            policy_digest=dossier.policy_digest,
            meaning="approve",
            comment="",
            signer=self.signer.user,
            signer_name=self.signer.name,
            roles=self.signer.roles,
            key_id=key_id_of(self.public),
            signed_at=utc_text(NOW),
            expires_at=utc_text(NOW + MONTH),
            ledger_head=HEAD,
        )
        return sign_statement(payload_type, statement.plain() | changes, self.key)


def make_dossier(**changes: Any) -> Dossier:
    base = {
        "release": "rel-0123456789",
        "project": "flights",
        "model": "delay",
        "version": 3,
        "environment": "production",
        "run": "run-0123456789",
        "author": "usr-ana",
        "author_person": "ana lopez",
        "proposed_at": utc_text(NOW - timedelta(hours=2)),
        "payload": digest_bytes(b"payload"),
        "inputs": {"flights": digest_bytes(b"flights")},
        "metrics": {"roc_auc": 0.74},
        "gates": [],
        "evidence": [],
        "policy": "release v1",
        "policy_digest": digest_bytes(b"policy"),
        "approvals_needed": 2,
        "approver_roles": ["reviewer"],
        "previous": None,
        "changes": [],
        "makers": ["tom trainer"],
    }
    return Dossier.model_validate(base | changes)


def root_of(dossier: Dossier, *keys: TrustedKey) -> TrustRoot:
    return trust_root_for(dossier, keys, NOW)


@pytest.fixture
def desk() -> SimpleNamespace:
    """Everything that a test of signing needs."""
    return SimpleNamespace(Person=Person, dossier=make_dossier, root=root_of, NOW=NOW, MONTH=MONTH, HEAD=HEAD)
