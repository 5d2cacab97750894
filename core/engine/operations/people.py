"""Users, roles, keys, and the first act of a workspace."""

from __future__ import annotations

import base64
import getpass
import os

from pydantic import Field
from sqlmodel import select

from core.engine.actors import Actor, find_user, newest_key, roles_of
from core.engine.context import Context, Done
from core.engine.dispatcher import Dispatcher
from core.engine.registry import operation
from core.identity.roles import check_roles
from core.identity.vault import create_key
from core.kernel.errors import Conflict, InputError, Refused
from core.kernel.records import Record
from core.store.ledger import head
from core.store.migrations import HEAD
from core.store.tables import RoleGrant, User, UserKey, WorkspaceFact
from core.workspace.workspace import Workspace

FIRST_ROLES = ("admin", "analyst", "operator")


class AddUser(Record):
    """A new user with a first key, sealed with their passphrase."""

    name: str = Field(pattern=r"^[a-z][a-z0-9._-]{0,39}$")
    full_name: str = ""
    person: str = Field(default="", description="Identity of the person behind the account; the name if empty")
    roles: list[str]


class GrantRole(Record):
    """Give a role to a user, or take it away."""

    user: str
    role: str
    reason: str = Field(min_length=1)


class RotateKey(Record):
    """Make a new key; signatures of the old one stay valid for what they signed."""

    reason: str = Field(min_length=1)


@operation("user.add", "user.add", AddUser)
def add_user(context: Context, request: AddUser) -> Done:
    """Add a user. The passphrase that comes with the request seals their key."""
    check_roles(request.roles)
    if context.session.exec(select(User).where(User.name == request.name)).first():
        raise Conflict(f"There is a user {request.name!r} already", remedy="Choose another name.")
    user = context.add(
        User,
        "user",
        name=request.name,
        full_name=request.full_name or request.name,
        person=request.person or request.name,
    )
    for role in sorted(set(request.roles)):
        context.add(RoleGrant, "gr", user=user.id, role=role, granted=True, reason="first roles")
    key_id = _new_key(context, user.id)
    return Done(
        subject=user.id,
        summary=f"Added {request.name} as {', '.join(request.roles)}",
        result={"user": user.id, "key": key_id},
    )


@operation("user.grant", "user.grant", GrantRole)
def grant_role(context: Context, request: GrantRole) -> Done:
    """Give a role."""
    user = find_user(context.session, request.user)
    check_roles({*roles_of(context.session, user.id), request.role})
    context.add(RoleGrant, "gr", user=user.id, role=request.role, granted=True, reason=request.reason)
    return Done(subject=user.id, summary=f"{user.name} is now {request.role}", detail={"reason": request.reason})


@operation("user.revoke", "user.revoke", GrantRole)
def revoke_role(context: Context, request: GrantRole) -> Done:
    """Take a role away."""
    user = find_user(context.session, request.user)
    if request.role not in roles_of(context.session, user.id):
        raise InputError(f"{user.name} is not {request.role}")
    context.add(RoleGrant, "gr", user=user.id, role=request.role, granted=False, reason=request.reason)
    return Done(subject=user.id, summary=f"{user.name} is no longer {request.role}", detail={"reason": request.reason})


@operation("key.rotate", "key.rotate", RotateKey)
def rotate_key(context: Context, request: RotateKey) -> Done:
    """Replace the actor's own key. The passphrase must open the old one, and seals the new one."""
    old = newest_key(context.session, context.actor.user).id
    context.signing_key()
    new = _new_key(context, context.actor.user)
    context.transition("key", old, "revoked", reason=request.reason)
    return Done(subject=context.actor.user, summary=f"Replaced {old} by {new}", result={"key": new})


def _new_key(context: Context, user: str) -> str:
    info = create_key(context.workspace.keys, context.passphrase_for_new_key())
    context.add(UserKey, "key", id=info.key_id, user=user, public_key=info.public_key)
    return info.key_id


def found(workspace: Workspace, dispatcher: Dispatcher, name: str, passphrase: str) -> dict[str, str]:
    """The first act in a new workspace: its first user, who is its administrator.

    Raises:
        Refused: when the workspace has users already.
    """
    with workspace.database.reading() as session:
        if head(session).seq:
            raise Refused("This workspace has its first user already")
    first = Actor(
        user="user-first", name=name, full_name=name, person=name, roles=["admin"], proof="operating system account"
    )

    def function(context: Context) -> Done:
        station = next(iter(workspace.station_public.items()))
        context.add(
            WorkspaceFact,
            "fact",
            detail={
                "workspace": workspace.info.id,
                "encrypted": workspace.info.encrypted,
                "schema": HEAD,
                "station_key": station[0],
                "station_public": base64.b64encode(station[1]).decode(),
            },
        )
        context.add(User, "user", id=first.user, name=name, full_name=_full_name(name), person=name)
        for role in FIRST_ROLES:
            context.add(RoleGrant, "gr", user=first.user, role=role, granted=True, reason="founder")
        key = _new_key(context, first.user)
        return Done(subject=first.user, summary=f"Founded by {name}", result={"user": first.user, "key": key})

    return dispatcher.carry_out("workspace.init", "workspace.init", first, function, passphrase=passphrase)


def default_user_name() -> str:
    """A user name made of the operating system's."""
    name = "".join(letter for letter in getpass.getuser().lower() if letter.isalnum() or letter in "._-")
    return name if name[:1].isalpha() else f"u{os.getuid()}"


def _full_name(name: str) -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_gecos.split(",")[0] or name
    except (KeyError, ImportError):
        return name
