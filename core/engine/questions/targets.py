"""Looking at targets: what runs there, whether they can take a deployment, whom they should trust."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from core.contract.release import TrustRoot
from core.delivery.records import TargetSpec
from core.engine.exceptions import trusted_keys
from core.engine.operations.delivery import target_row
from core.engine.projects import newest_version, read_version
from core.engine.registry import question
from core.kernel.clock import utc_text

if TYPE_CHECKING:
    from core.engine.engine import Engine


@question("host_key")
def host_key(engine: Engine, url: str) -> dict[str, Any]:  # noqa: ARG001
    """The key that a host presents now, for a person to compare with what its operator says."""
    from core.delivery.ssh import scan_host_key

    spec = TargetSpec.read({"name": "new", "url": url, "host_key": "", "client_key": ""}, where="url")
    return scan_host_key(spec.host, spec.port).plain()


@question("target_status")
def target_status(engine: Engine, target: str) -> dict[str, Any]:
    """What is installed and what answers on a target, asked there now."""
    from core.delivery import operate
    from core.delivery.ssh import connect

    with connect(_spec(engine, target)) as remote:
        return {"target": target, **operate.status(remote).plain()}


@question("target_check")
def target_check(engine: Engine, target: str) -> dict[str, Any]:
    """Whether a target could take a deployment; changes nothing there.

    Raises:
        AnswerIsNo: with everything that stands in the way.
    """
    from core.delivery import target as place
    from core.delivery.ssh import connect
    from core.delivery.wheelhouse import wheelhouse

    with connect(_spec(engine, target)) as remote:
        return {"target": target, **place.check(remote, wheelhouse()).plain()}


@question("trust_root")
def trust_root(engine: Engine, project: str, environment: str) -> dict[str, Any]:
    """Whom this workspace believes about releases of a project: its policy's roles, threshold and keys."""
    with engine.workspace.database.reading() as session:
        policy = read_version(newest_version(session, project), {}).policy
        keys = [key for key in trusted_keys(session) if set(key.roles) & set(policy.approver_roles)]
    station = next(iter(engine.workspace.station_public.values()))
    return TrustRoot(
        version=1,
        project=project,
        environment=environment,
        approvals=policy.approvals,
        approver_roles=policy.approver_roles,
        keys=keys,
        console_key=base64.b64encode(station).decode(),
        issued_at=utc_text(datetime.now(UTC)),
    ).plain()


def _spec(engine: Engine, target: str) -> TargetSpec:
    with engine.workspace.database.reading() as session:
        return TargetSpec.read(target_row(session, target).spec)
