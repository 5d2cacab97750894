"""Work on features and models: build, leak tests, train, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.contract.schema import Contract
from core.engine.workfolder import JobFolder
from core.kernel.digests import strict_json
from core.kernel.progress import Progress
from core.project.candidates import Candidate
from core.project.schema import Evaluation, Project
from core.training.records import TrainResult


def build_features(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Build the point-in-time-correct training set and the contract that fits it."""
    from core.features.build import build_training_set
    from core.features.contracting import contract_of

    project = Project.read(folder.params["project"])
    out = folder.out("table.parquet")
    result = build_training_set(project, folder.inputs("table"), out, progress)
    contract = contract_of(project, out, result.digest[3:15])
    folder.write_json("contract.json", contract)
    return result.plain()


def test_leakage(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Run every leak test."""
    from core.features.leakage import leakage_report

    project = Project.read(folder.params["project"])
    report = leakage_report(project, folder.inputs("table"), folder.input("training_set"), progress)
    folder.write_json("report.json", report)
    caught = [f"{test.headline}. {test.remedy}".removesuffix(". ") for test in report.tests if not test.passed]
    return {"passed": report.passed, "tests": len(report.tests), "caught": caught}


def train_candidate(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Train one candidate, convert it to ONNX, prove the conversion, and predict with it."""
    from core.training.environment import capture_environment, write_changes
    from core.training.train import train

    contract = read_contract(folder.input("contract"))
    environment = capture_environment(Path(folder.params["project"]))
    write_changes(Path(folder.params["project"]), folder.out("changes.patch"))
    result = train(
        Candidate.read(folder.params["candidate"]),
        folder.params["name"],
        folder.input("training_set"),
        contract,
        int(folder.params["seed"]),
        folder.path,
        progress,
        Path(folder.params["project"]),
    )
    return {"result": result.plain(), "environment": environment.plain(), "metrics": figures(result)}


def figures(result: TrainResult) -> dict[str, float]:
    """The run's figures under the names that gates, tables and filters use."""
    out = {
        "onnx.parity_max": result.parity.max_difference,
        "onnx.parity_rows": float(result.parity.rows),
        "inference.p50_us": result.latency.p50_us,
        "inference.p99_us": result.latency.p99_us,
        "model.bytes": float(result.model_bytes),
        "train.rows": float(result.rows),
        "train.rounds": float(result.rounds),
    }
    for quality in result.quality:
        out |= {f"{quality.split}.{name}": value for name, value in quality.figures.items()}
    return out


def evaluate_model(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Judge one model on the test period, beside the champion on the same rows where there is one.

    The model itself is looked into as well: what is explained, sliced and timed is the packaged graph.
    """
    import polars as pl

    from core.evaluation.error_records import SeedSpread
    from core.evaluation.html import report_html
    from core.evaluation.inside import Packaged
    from core.evaluation.report import evaluate
    from core.evaluation.task_report import evaluate_task

    contract, spec = read_contract(folder.input("contract")), Evaluation.read(folder.params["evaluation"])
    splits = pl.col("split").is_in(["train", "test"])
    rows = pl.scan_parquet(folder.input("training_set")).filter(splits).collect()
    seeds = folder.params.get("seeds")
    champion, champion_threshold = _champion(folder)
    shared: dict[str, Any] = {
        "champion": champion,
        "packaged": Packaged(folder.input("model").read_bytes(), contract, rows),
        "seeds": SeedSpread.read(seeds) if seeds else None,
        "progress": progress,
    }
    report: Any
    if contract.task == "binary":
        report = evaluate(folder.input("predictions"), spec, champion_threshold=champion_threshold, **shared)
    else:
        report = evaluate_task(folder.input("predictions"), spec, contract, **shared)
    folder.write_json("report.json", report)
    folder.out("report.html").write_text(report_html(report, folder.params["title"]), encoding="utf-8")
    threshold = report.threshold if contract.task == "binary" else None
    return {"facts": report.facts(), "threshold": threshold, "primary": report.primary}


def _champion(folder: JobFolder) -> tuple[Path | None, float | None]:
    """The champion's predictions on the same rows and its threshold, where there is a champion."""
    if not folder.has("champion_onnx"):
        return None, None
    from core.training.score import score

    out, contract = folder.out("champion.parquet"), read_contract(folder.input("champion_contract"))
    score(folder.input("champion_onnx"), contract, folder.input("training_set"), out)
    return out, contract.threshold


def read_contract(path: Path) -> Contract:
    """A contract from its JSON."""
    return Contract.read(strict_json(path.read_bytes()), where=path.name)
