"""Access tokens: what a program sends instead of a passphrase. Only their digests are ever stored."""

from __future__ import annotations

import re

from core.engine.context import Context, Done
from core.engine.registry import operation
from core.engine.tracking.callers import TOKEN_KIND, tokens_of
from core.kernel.errors import InputError, NotFound
from core.kernel.records import Record


class AddToken(Record):
    """A token of the actor's own, made by the face that shows it once; here comes its digest."""

    digest: str
    label: str = ""


class RevokeToken(Record):
    """A token of the actor's own, by its digest or the beginning of it."""

    digest: str


@operation("user.add_token", "read", AddToken)
def add_token(context: Context, request: AddToken) -> Done:
    """Let a program act as the actor until the token is revoked."""
    if not re.fullmatch(r"b3:[0-9a-f]{64}", request.digest):
        raise InputError("A token is known by its BLAKE3 digest", where=request.digest[:80])
    context.transition(TOKEN_KIND, request.digest, "active", reason=request.label)
    return Done(subject=context.actor.user, summary=f"Access token {request.digest[:12]} {request.label}".strip())


@operation("user.revoke_token", "read", RevokeToken)
def revoke_token(context: Context, request: RevokeToken) -> Done:
    """Let it in no more."""
    wanted = request.digest.removeprefix("b3:")
    mine = tokens_of(context.session, context.actor.user)
    fit = [row for row in mine if wanted and row.subject.removeprefix("b3:").startswith(wanted)]
    if len(fit) != 1:
        raise NotFound(f"{len(fit)} of your access tokens begin with {wanted!r}", remedy="See `plimsoll user tokens`.")
    context.transition(TOKEN_KIND, fit[0].subject, "revoked", reason=fit[0].reason)
    return Done(subject=context.actor.user, summary=f"Revoked access token {fit[0].subject[:12]}")
