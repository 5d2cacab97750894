"""Secrets of sources: their values go to the keyring, their names into the store."""

from __future__ import annotations

from core.engine.context import Context, Done
from core.engine.registry import operation
from core.identity.source_secrets import drop_source_secret, keep_source_secret
from core.kernel.errors import InputError
from core.kernel.records import Record


class SetSecret(Record):
    """Store the value that comes beside this request, where passphrases travel: it is never part of it."""

    name: str


class RemoveSecret(Record):
    """Remove a secret from the keyring."""

    name: str


@operation("secret.set", "secret.edit", SetSecret)
def set_secret(context: Context, request: SetSecret) -> Done:
    """Store a source's password or token under a name.

    Raises:
        InputError: when no value came with the request.
    """
    value = context.confidential()
    if not value:
        raise InputError(
            "There is no value to store", where=request.name, remedy="Type it at the prompt, or pipe it in."
        )
    keep_source_secret(context.workspace.info.id, request.name, value)
    context.transition("secret", request.name, "set")
    return Done(
        subject=request.name, summary=f"Secret {request.name} stored in the keyring", result={"secret": request.name}
    )


@operation("secret.remove", "secret.edit", RemoveSecret)
def remove_secret(context: Context, request: RemoveSecret) -> Done:
    """Remove a source's password or token."""
    drop_source_secret(context.workspace.info.id, request.name)
    context.transition("secret", request.name, "removed")
    return Done(subject=request.name, summary=f"Secret {request.name} removed", result={"secret": request.name})
