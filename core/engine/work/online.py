"""Work on online stores: bringing views up to an instant, and holding offline values against online ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from core.contract.schema import GoldenRow
from core.engine.work.training import read_contract
from core.engine.workfolder import JobFolder
from core.features.definitions import definition_of
from core.features.materialise import bring_to
from core.features.online import write_view_values
from core.features.parity import ParityReport, golden_parity, view_parity
from core.kernel.clock import parse_utc
from core.kernel.digests import strict_json
from core.kernel.errors import InputError, NotFound
from core.kernel.progress import Progress
from core.project.schema import Project
from core.serving.online_records import FeatureStore


def materialise_views(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Bring views of a project up to an instant in one store; returns what was done, by view."""
    project = Project.read(folder.params["project"])
    names: list[str] = folder.params["views"]
    progress.step(0, len(names), "computing the views' values")
    values = write_view_values(project, folder.inputs("table"), folder.out("views"), names)
    until = parse_utc(folder.params["until"])
    done = []
    with open_place(folder.params["place"], project, folder.secret(folder.params["place"].get("secret", ""))) as store:
        for name in names:
            view, definition = project.features.views[name], definition_of(project, name)
            done.append(bring_to(store, name, view, definition, values[name], until, progress).plain())
    return {"views": done}


def hold_parity(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Compare a model's views offline and online, and its golden rows with the tables of today."""
    params = folder.params
    project = Project.read(params["project"])
    contract = read_contract(folder.input("contract"))
    refs = [ref for ref in contract.views if ref.name in project.features.views]
    progress.step(0, len(refs) + 1, "computing the views' values")
    values = write_view_values(project, folder.inputs("table"), folder.out("views"), [ref.name for ref in refs])
    golden = [GoldenRow.read(row) for row in strict_json(folder.input("golden").read_bytes())]
    views, recorded = [], []
    with open_place(params["place"], project, folder.secret(params["place"].get("secret", ""))) as store:
        for done, ref in enumerate(refs):
            progress.check()
            progress.step(done, len(refs) + 1, f"comparing {ref.name}")
            view, definition = project.features.views[ref.name], definition_of(project, ref.name)
            at = [parse_utc(one) for one in params["at"]]
            views.append(view_parity(store, ref, view, definition, values[ref.name], at, params["entities"]))
            recorded += golden_parity(golden, contract.time_field, ref, view, values[ref.name])
    report = ParityReport(
        model=params["name"], place=params["place"]["name"], offline=params["offline"], views=views, golden=recorded
    )
    folder.write_json("report.json", report)
    return {"passed": report.passed, "problems": report.problems(), "rows": sum(view.rows for view in views)}


@contextmanager
def open_place(place: dict[str, Any], project: Project, password: str = "") -> Iterator[FeatureStore]:
    """The store at a place: ``{"kind": "file", "path"}``, ``{"kind": "redis", ...}`` or ``{"kind": "target", "spec"}``.

    Raises:
        InputError: the place cannot be. Conflict: no server runs on the target. SystemFault: it does not answer.
    """
    if place["kind"] == "file":
        from core.serving.online import OnlineStore

        _require_folder(Path(place["path"]))
        with closing(OnlineStore(Path(place["path"]))) as store:
            yield store
    elif place["kind"] == "target":
        with _target(place["spec"], project) as remote:
            yield remote
    elif place["kind"] == "redis":
        from core.serving.online_redis import RedisStore

        with closing(RedisStore(place["url"], project.project, password or None)) as shared:
            yield shared
    else:
        raise InputError(f"There is no place of kind {place['kind']!r}")


@contextmanager
def _target(spec: dict[str, Any], project: Project) -> Iterator[FeatureStore]:
    from core.delivery import operate
    from core.delivery.online import TargetStore
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect

    names = {name: view.entity for name, view in project.features.views.items()}
    with (
        connect(TargetSpec.read(spec)) as remote,
        operate.server_address(remote) as address,
        closing(TargetStore(address.url, address.token, names)) as store,
    ):
        yield store


def _require_folder(path: Path) -> None:
    if path.is_dir():
        raise InputError("A store is a file, and this is a folder", where=str(path), remedy="Name a file in it.")
    if not path.parent.is_dir():
        raise NotFound("The store's folder is not there", where=str(path.parent), remedy="Make it first.")
