"""The guard of an ingestion, made in the process that does the work: the secret travels in no message."""

from __future__ import annotations

from typing import Any

from core.data.minimise import Guard
from core.identity.privacy_key import privacy_secret
from core.project.schema import Source


def guard_of(source: Source, name: str, privacy: dict[str, Any]) -> Guard:
    """Rules of the source and marks of erased subjects. ``privacy`` is what the engine planned, or empty."""
    secret = privacy_secret(privacy["workspace"]) if privacy else None
    rules, kept_out = source.privacy_rules("ingest"), privacy.get("suppressed", {})
    return Guard(name, rules, kept_out, secret, privacy.get("since"))
