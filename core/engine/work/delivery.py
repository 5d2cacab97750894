"""Work on packages and targets: payload, package, deployment, feature pushes, replay, collection."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from core.contract.release import Dossier, GateOutcome
from core.contract.schema import Contract, GoldenRow
from core.engine.work.training import read_contract
from core.engine.workfolder import JobFolder
from core.evaluation.html import AnyReport, read_report
from core.evaluation.records import EvaluationReport
from core.evaluation.task_report_records import TaskReport
from core.governance.records import AuditFeature, CardFacts, CardGroup, CardSlice
from core.kernel.digests import strict_json
from core.kernel.envelope import Envelope
from core.kernel.progress import Progress

GOLDEN_ROWS = 64


def make_payload(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Put model, contract, golden rows, card, bill of materials and provenance together."""
    from core.delivery.payload import build_payload
    from core.governance.card import render_card

    params = folder.params
    contract = read_contract(folder.input("contract")).model_copy(
        update={"model": params["name"], "version": str(params["version"])}
        | ({} if params["threshold"] is None else {"threshold": params["threshold"]})
    )
    progress.step(0, 3, "choosing golden rows")
    golden = _golden(contract, folder.input("model"), folder.input("training_set"))
    progress.step(1, 3, "writing the model card")
    report = read_report(strict_json(folder.input("evaluation").read_bytes()))
    card = render_card(card_facts(params, contract, report))
    progress.step(2, 3, "packing")
    manifest = build_payload(folder.out("payload"), folder.input("model"), contract, golden, card, params["provenance"])
    return {"manifest": manifest.plain(), "payload": manifest.fingerprint(), "golden": len(golden)}


def _golden(contract: Contract, model: Path, training_set: Path) -> list[GoldenRow]:
    import polars as pl

    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime as ort

    from core.contract.golden import golden_rows
    from core.contract.matrix import Transformer

    frame = pl.scan_parquet(training_set).filter(pl.col("split") == "test").head(8000).collect()
    transformer = Transformer(contract)
    matrix = transformer.to_matrix(transformer.assemble(frame))
    session = ort.InferenceSession(model.read_bytes(), providers=["CPUExecutionProvider"])
    outputs = session.run([contract.output], {"features": matrix})[0]
    return golden_rows(contract, frame, matrix, outputs, GOLDEN_ROWS, seed=7)


def card_facts(params: dict[str, Any], contract: Contract, report: AnyReport) -> CardFacts:
    """The facts of the model card, all from records."""
    split = params["split"]
    of_task = _task_facts(report) if isinstance(report, TaskReport) else _binary_facts(report)
    return CardFacts(
        title=params["title"],
        model=params["name"],
        version=int(params["version"]),
        stage="candidate",
        trainer=params["candidate"],
        run=params["run"],
        trained_at=params["trained_at"],
        description=params["description"],
        label=params["label"],
        periods={name: f"{split[name][0]} to {split[name][1]}" for name in ("train", "validate", "test")},
        features=[
            AuditFeature(name=item.name, origin=item.origin, expression=item.expression or f"view {item.view}")
            for item in contract.features
        ],
        metrics=report.metrics,
        gates=[GateOutcome.read(item) for item in params["gates"]],
        warnings=report.notes,
        personal=contract.personal,
        **of_task,
    )


def _binary_facts(report: EvaluationReport) -> dict[str, Any]:
    """Threshold, worst slices and groups of a binary label."""
    worst = sorted(
        (item for item in report.slices if item.adequate), key=lambda item: item.error_difference or 0.0, reverse=True
    )
    fields = ("group", "rows", "base_rate", "selection_rate", "tpr", "fpr")
    groups = report.fairness.groups if report.fairness else []
    return {
        "threshold": report.threshold,
        "slices": [
            CardSlice(
                name=item.name,
                rows=item.rows,
                error_rate=item.error_rate,
                auc=item.auc,
                stands_out=item.error_significant or item.auc_significant,
            )
            for item in worst[:10]
        ],
        "fairness_feature": report.fairness.feature if report.fairness else "",
        "fairness": [CardGroup(**{name: getattr(item, name) for name in fields}) for item in groups],
    }


def _task_facts(report: TaskReport) -> dict[str, Any]:
    """The worst slices of several classes; the card has no words for a number's."""
    if report.task == "regression":
        return {}
    worst = sorted((item for item in report.slices if item.adequate), key=lambda item: item.figure)
    slices = [
        CardSlice(name=item.name, rows=item.rows, error_rate=1 - item.figure, stands_out=item.significant)
        for item in worst[:10]
    ]
    return {"slices": slices}


def make_package(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Pack the approved release; the signatures travel with it."""
    import shutil

    from core.delivery.package import build_package

    progress.step(0, 1, "packing")
    payload = folder.out("payload")
    payload.mkdir(exist_ok=True)
    for name, path in folder.inputs("payload").items():
        shutil.copyfile(path, payload / name)
    info = build_package(
        payload,
        Dossier.read(folder.params["dossier"]),
        [Envelope.read(item) for item in folder.params["signatures"]],
        folder.out("release.tar"),
    )
    return info.plain()


def deploy(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Bring a package to a target: check, prepare, install offline, push, test, start, switch."""
    from core.delivery import operate, target
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect
    from core.delivery.wheelhouse import wheelhouse

    spec = TargetSpec.read(folder.params["target"])
    release = folder.params["release"]
    wheels = wheelhouse()
    steps: list[dict[str, Any]] = []

    def note(name: str, detail: str) -> None:
        steps.append({"step": name, "detail": detail})
        progress.log(f"{name}: {detail}")
        progress.step(len(steps), 7, name)
        progress.check()

    with connect(spec) as remote, target.exclusive(remote, owner=folder.params["actor"]):
        host = target.check(remote, wheels)
        note("check", f"{host.system}, Python {host.python}, user {host.user}")
        root = target.prepare(remote, Envelope.read(folder.params["trust"]))
        note("trust", f"trust root v{root.version}: {root.approvals} approvals, {len(root.keys)} keys")
        runtime = target.install_runtime(remote, wheels, folder.path, progress)
        note("install", f"runtime {runtime} from {len(wheels.wheels)} wheels, no network")
        package = folder.out("release.tar")
        package.unlink(missing_ok=True)
        package.symlink_to(folder.input("package"))
        pushed = target.push_release(remote, package, progress)
        note("push", f"{pushed.size:,} bytes, verified at the far end")
        answers = operate.contract_and_golden_test(remote, release)
        note("contract and golden rows", "; ".join(_said(item.answer) for item in answers))
        if folder.params["switch"]:
            before = operate.status(remote).current
            operate.switch(remote, release, folder.params["actor"])
            port = operate.start_server(remote)
            now = operate.status(remote)
            note("switch", f"{before or 'nothing'} → {now.current}")
            note("health", f"ready {now.ready} on port {port}")
            target.prune_releases(remote)
        final = operate.status(remote)
    return {"steps": steps, "status": final.plain(), "host": host.plain(), "runtime": runtime}


def _said(answer: dict[str, object]) -> str:
    parts = [f"{name} {value}" for name, value in answer.items() if isinstance(value, int | str | float)]
    return ", ".join(parts[:4]) or "passed"


def roll_back(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Go back to the release before on a target."""
    from core.delivery import operate
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect

    progress.step(0, 1, "rolling back")
    with connect(TargetSpec.read(folder.params["target"])) as remote:
        before = operate.status(remote).current
        answer = operate.rollback(remote, folder.params["actor"])
        after = operate.status(remote)
    return {"before": before, "answer": answer.answer, "status": after.plain()}


def collect(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Fetch the prediction log lines that are new since the stored offsets, as one table."""
    from core.delivery import operate
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect
    from core.monitoring.windows import read_log_segments

    with connect(TargetSpec.read(folder.params["target"])) as remote:
        batch = operate.fetch_logs(remote, folder.params["offsets"], folder.out("logs"), progress)
    frame = read_log_segments([Path(part.path) for part in batch.parts])
    frame.write_parquet(folder.out("table.parquet"), compression="zstd", compression_level=3)
    return {"rows": frame.height, "columns": frame.columns, "offsets": batch.offsets, "more": batch.more}
