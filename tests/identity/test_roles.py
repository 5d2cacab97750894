"""The permission table, cell by cell: a change of it must be made here too, on purpose."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.identity.roles import EXCLUSIVE, PERMISSIONS, Role, authorise, check_roles, may_do, require
from core.kernel.errors import InputError, NotFound, Refused

# One letter a role: v viewer, a analyst, r reviewer, o operator, x admin, s system.
TABLE = {
    "read": "varoxs",
    "workspace.init": "x",
    "user.add": "x",
    "user.grant": "x",
    "user.revoke": "x",
    "key.rotate": "arox",
    "project.load": "aox",
    "data.ingest": "as",
    "data.validate": "as",
    "secret.edit": "aox",
    "privacy.tag": "aox",
    "privacy.export": "ao",
    "privacy.erase": "ox",
    "privacy.reach": "aoxs",
    "features.build": "as",
    "features.materialize": "aos",
    "train.run": "as",
    "track.log": "aos",
    "evaluate.run": "as",
    "gates.run": "as",
    "model.register": "as",
    "release.propose": "as",
    "release.sign": "r",
    "release.package": "o",
    "target.add": "o",
    "target.remove": "o",
    "deploy.push": "o",
    "deploy.switch": "o",
    "deploy.rollback": "os",
    "monitor.collect": "aos",
    "monitor.analyse": "aos",
    "labels.add": "aos",
    "alert.ack": "ao",
    "incident.act": "o",
    "incident.close": "o",
    "retrain.trigger": "aos",
    "schedule.edit": "ox",
    "job.cancel": "aox",
    "ledger.checkpoint": "oxs",
}
LETTER = dict(zip("varoxs", Role, strict=True))


@pytest.mark.parametrize("permission", sorted(TABLE))
def test_every_cell_of_the_table(permission: str) -> None:
    for letter, role in LETTER.items():
        assert authorise([role], permission) == (letter in TABLE[permission]), (role, permission)
        assert (permission in may_do([role])) == (letter in TABLE[permission])


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(PERMISSIONS)
    assert len(PERMISSIONS) == 39


def test_separation_of_duties() -> None:
    build = {"train.run", "release.propose", "data.ingest", "model.register"}
    assert not build & may_do([Role.REVIEWER])
    assert not {"release.sign", "release.propose", "deploy.switch"} & may_do([Role.ADMIN])
    assert not {"release.sign", "release.propose", "user.grant"} & may_do([Role.OPERATOR])
    assert not {"release.sign", "release.package", "deploy.push", "deploy.switch"} & may_do([Role.SYSTEM])
    assert may_do([Role.VIEWER]) == {"read"}


@given(st.sets(st.sampled_from(sorted(Role))))
def test_an_admin_or_the_engine_never_signs(roles: set[str]) -> None:
    may = authorise(roles, "release.sign")
    assert may == ("reviewer" in roles and not roles & {"admin", "system"})


def test_no_role_and_unknown_roles_give_nothing() -> None:
    assert may_do([]) == may_do(["root", "Admin", "REVIEWER"]) == frozenset()
    with pytest.raises(NotFound, match="no permission"):
        authorise(["admin"], "database.drop")


def test_refusal_says_who_may() -> None:
    with pytest.raises(Refused) as caught:
        require("ana", ["analyst"], "release.sign")
    assert "ana may not do release.sign" in str(caught.value)
    assert "reviewer" in caught.value.remedy
    require("rita", ["reviewer"], "release.sign")


def test_roles_that_one_user_must_not_hold_together() -> None:
    assert check_roles(["analyst", "operator", "admin"]) == {Role.ANALYST, Role.OPERATOR, Role.ADMIN}
    for first, second, _ in EXCLUSIVE:
        with pytest.raises(InputError, match="cannot be given"):
            check_roles([first, second])
    with pytest.raises(InputError) as caught:
        check_roles(["admin", "reviewer", "boss"])
    assert len(caught.value.problems) == 2
