"""Roles and the whole table of permissions: one place says who may do what.

Separation of duties (NIST SP 800-53 AC-5) is in the table itself: who builds or proposes does not
sign by that role, who administers users can never sign, and the engine acting on its own (role
``system``) may prepare, watch and roll back but never approve, package or deploy.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from core.kernel.errors import InputError, NotFound, Problem, Refused


class Role(StrEnum):
    """What a user is allowed to be; a user may hold several."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    REVIEWER = "reviewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    SYSTEM = "system"


_V, _A, _R, _O, _X, _S = Role.VIEWER, Role.ANALYST, Role.REVIEWER, Role.OPERATOR, Role.ADMIN, Role.SYSTEM

PERMISSIONS: dict[str, frozenset[Role]] = {
    name: frozenset(roles)
    for name, roles in {
        "read": (_V, _A, _R, _O, _X, _S),
        "workspace.init": (_X,),
        "user.add": (_X,),
        "user.grant": (_X,),
        "user.revoke": (_X,),
        "key.rotate": (_A, _R, _O, _X),
        "project.load": (_A, _O, _X),
        "data.ingest": (_A, _S),
        "data.validate": (_A, _S),
        "secret.edit": (_A, _O, _X),
        "privacy.tag": (_A, _O, _X),
        "privacy.export": (_A, _O),
        "privacy.erase": (_O, _X),
        "privacy.reach": (_A, _O, _X, _S),
        "features.build": (_A, _S),
        "features.materialize": (_A, _O, _S),
        "train.run": (_A, _S),
        "track.log": (_A, _O, _S),
        "evaluate.run": (_A, _S),
        "gates.run": (_A, _S),
        "model.register": (_A, _S),
        "release.propose": (_A, _S),
        "release.sign": (_R,),
        "release.package": (_O,),
        "target.add": (_O,),
        "target.remove": (_O,),
        "deploy.push": (_O,),
        "deploy.switch": (_O,),
        "deploy.rollback": (_O, _S),
        "monitor.collect": (_A, _O, _S),
        "monitor.analyse": (_A, _O, _S),
        "labels.add": (_A, _O, _S),
        "alert.ack": (_A, _O),
        "incident.act": (_O,),
        "incident.close": (_O,),
        "retrain.trigger": (_A, _O, _S),
        "schedule.edit": (_O, _X),
        "job.cancel": (_A, _O, _X),
        "ledger.checkpoint": (_O, _X, _S),
    }.items()
}

EXCLUSIVE: tuple[tuple[Role, Role, str], ...] = (
    (Role.ADMIN, Role.REVIEWER, "who hands out roles and keys must not be able to approve a release"),
    (Role.SYSTEM, Role.ADMIN, "the engine is not a person"),
    (Role.SYSTEM, Role.REVIEWER, "the engine is not a person"),
    (Role.SYSTEM, Role.OPERATOR, "the engine is not a person"),
    (Role.SYSTEM, Role.ANALYST, "the engine is not a person"),
    (Role.SYSTEM, Role.VIEWER, "the engine is not a person"),
)


def check_roles(names: Iterable[str]) -> frozenset[Role]:
    """Read role names that one user is to hold.

    Raises:
        InputError: for unknown names and for pairs that one user must not hold together.
    """
    wanted = sorted(set(names))
    known = {str(role) for role in Role}
    problems = [Problem(f"There is no role {name!r}", expected=", ".join(Role)) for name in wanted if name not in known]
    roles = frozenset(Role(name) for name in wanted if name in known)
    problems += [
        Problem(f"{first} and {second} cannot be held by one user", remedy=why.capitalize() + ".")
        for first, second, why in EXCLUSIVE
        if first in roles and second in roles
    ]
    if problems:
        raise InputError("These roles cannot be given", problems=problems)
    return roles


def authorise(actor_roles: Iterable[str], permission: str) -> bool:
    """May somebody with these roles do this? Unknown roles give nothing.

    An admin is refused ``release.sign`` even when a reviewer role was smuggled in beside it.

    Raises:
        NotFound: for a permission that is not in the table.
    """
    allowed = PERMISSIONS.get(permission)
    if allowed is None:
        raise NotFound(f"There is no permission {permission!r}", remedy="See core.identity.roles.PERMISSIONS.")
    held = set(actor_roles)
    if permission == "release.sign" and held & {Role.ADMIN, Role.SYSTEM}:
        return False
    return bool(held & allowed)


def require(actor: str, actor_roles: Iterable[str], permission: str) -> None:
    """Raise Refused, naming the roles that may, unless :func:`authorise` agrees."""
    held = sorted(set(actor_roles))
    if authorise(held, permission):
        return
    may = ", ".join(sorted(PERMISSIONS[permission]))
    raise Refused(
        f"{actor} may not do {permission}",
        detail=f"Roles held: {', '.join(held) or 'none'}.",
        remedy=f"Ask somebody with one of these roles: {may}; or an admin to grant one.",
    )


def may_do(actor_roles: Iterable[str]) -> frozenset[str]:
    """Every permission that these roles give, for menus and for the ``whoami`` answer."""
    held = frozenset(actor_roles)
    return frozenset(name for name in PERMISSIONS if authorise(held, name))
