"""Who acts: authentication, and the roles that a user holds now."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from core.identity.roles import PERMISSIONS, authorise
from core.identity.vault import unseal
from core.kernel.errors import InputError, NotFound, Refused
from core.kernel.records import Record
from core.store.tables import RoleGrant, User, UserKey
from core.workspace.workspace import Workspace

SYSTEM = "system"
SESSION_LENGTH = timedelta(hours=12)


class Actor(Record):
    """A user as they act now. ``proof`` says how we know that it is them."""

    user: str
    name: str
    full_name: str
    person: str
    roles: list[str]
    proof: str

    def may(self, permission: str) -> bool:
        """Whether one of the roles grants the permission."""
        return authorise(self.roles, permission)


ENGINE = Actor(user=SYSTEM, name=SYSTEM, full_name="Plimsoll", person=SYSTEM, roles=["system"], proof="engine")


def find_user(session: Session, name: str) -> User:
    """The user of that name or id.

    Raises:
        NotFound: when there is none.
    """
    user = session.exec(select(User).where((User.name == name) | (User.id == name))).first()
    if user is None:
        raise NotFound(f"There is no user {name!r}", remedy="List them with `plimsoll user list`.")
    return user


def roles_of(session: Session, user: str) -> list[str]:
    """Roles that a user holds: the newest grant of each role counts."""
    held: dict[str, bool] = {}
    for grant in session.exec(select(RoleGrant).where(RoleGrant.user == user).order_by(col(RoleGrant.created_at))):
        held[grant.role] = grant.granted
    return sorted(role for role, granted in held.items() if granted)


def newest_key(session: Session, user: str) -> UserKey:
    """The key that a user signs with now."""
    query = select(UserKey).where(UserKey.user == user).order_by(col(UserKey.created_at).desc())
    key = session.exec(query).first()
    if key is None:
        raise NotFound("This user has no signing key", where=user, remedy="Make one with `plimsoll user rotate-key`.")
    return key


def actor_of(session: Session, user: User, proof: str) -> Actor:
    """The user with the roles they hold now."""
    return Actor(
        user=user.id,
        name=user.name,
        full_name=user.full_name,
        person=user.person,
        roles=roles_of(session, user.id),
        proof=proof,
    )


class Sessions:
    """Tokens of people who proved who they are. Tokens never leave this machine's memory and socket."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tokens: dict[str, tuple[str, str, datetime]] = {}
        self._known: dict[str, tuple[int, Actor]] = {}
        self._lock = threading.Lock()

    def login(self, name: str, passphrase: str | None) -> str:
        """A token for ``name``: proven by the passphrase of the signing key.

        Without a passphrase only the workspace's first user is let in: the operating system already
        proved that it is the account that owns the folder.
        """
        with self._workspace.database.reading() as session:
            first = session.exec(select(User).order_by(col(User.created_at))).first()
            user = first if name == "" else find_user(session, name)
            if user is None:
                raise InputError("This workspace has no users", remedy="Make one with `plimsoll init`.")
            if passphrase is None:
                if first is None or user.id != first.id:
                    raise Refused(
                        f"{user.name} must prove who they are",
                        remedy="Give the passphrase: keyring, prompt or PLIMSOLL_PASSPHRASE.",
                    )
                proof = "operating system account"
            else:
                unseal(self._workspace.keys, newest_key(session, user.id).id, passphrase)
                proof = "passphrase"
        return self.enter(user.id, proof)

    def enter(self, user: str, proof: str) -> str:
        """A token for a user (an id) who proved themselves elsewhere; ``proof`` says how."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = (user, proof, self._workspace.clock.now() + SESSION_LENGTH)
        return token

    def actor(self, token: str) -> Actor:
        """Who a token belongs to, with the roles that they hold now: read again when users or roles have changed.

        Raises:
            Refused: for an unknown or expired token.
        """
        with self._lock:
            found, known = self._tokens.get(token), self._known.get(token)
        if found is None or found[2] < self._workspace.clock.now():
            raise Refused("The session has ended", remedy="Log in again.")
        now = self._workspace.database.changes(User, RoleGrant)
        if known is not None and known[0] == now:
            return known[1]
        with self._workspace.database.reading() as session:
            user = session.get(User, found[0])
            if user is None:
                raise Refused("The session's user is gone")
            actor = actor_of(session, user, found[1])
        with self._lock:
            self._known[token] = (now, actor)
        return actor


def check_permission(actor: Actor, permission: str) -> None:
    """Refuse what none of the actor's roles grants."""
    if not actor.may(permission):
        allowed = ", ".join(sorted(str(role) for role in PERMISSIONS[permission]))
        raise Refused(
            f"{actor.name} may not do this ({permission})",
            detail=f"Roles held: {', '.join(actor.roles) or 'none'}. Roles that may: {allowed}.",
            remedy="Ask an administrator, or act as another user with --as.",
        )
