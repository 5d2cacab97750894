"""`plimsoll ci`: everything that must hold of a project before a change of it is merged, in a throwaway workspace."""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.cli.ci_baseline import Baseline, compare, compare_fields, figures_of, read_baseline, slices_of, write_baseline
from core.cli.ci_cases import Cases
from core.cli.walk import walk_to
from core.kernel.errors import InputError, PlimsollError

if TYPE_CHECKING:
    from core.engine.client import Client

USER = "ci"
CODE_LIMIT_S = 1200


def run_ci(project: Path, *, update: bool = False) -> Cases:
    """Ask everything; later groups are skipped where what they need does not hold.

    Args:
        project: the folder of plimsoll.yaml.
        update: take what is found as the new baseline instead of comparing with the old one.

    Raises:
        InputError: when there is no project, or its baseline cannot be read.
    """
    if not (project / "plimsoll.yaml").is_file():
        raise InputError("There is no plimsoll.yaml here", where=str(project))
    baseline = read_baseline(project)
    cases = Cases(project.resolve().name)
    code_tests(cases, project)
    if not project_tests(cases, project):
        return cases
    with throwaway() as held, cases.timed("project", "loads"):
        held.change("project.load", {"path": str(project.resolve())})
        cases.project = held.ask("project")["project"]
        if data_tests(cases, held) and leak_tests(cases, held):
            found = model_tests(cases, held, baseline, update)
            if update:
                write_baseline(project, found)
    return cases


@contextmanager
def throwaway() -> Iterator[Client]:
    """A workspace that is gone afterwards, with a user of its own; nothing of the machine's user is touched."""
    from core.engine.client import connect
    from core.engine.founding import found_workspace

    before = os.environ.get("XDG_STATE_HOME")
    with tempfile.TemporaryDirectory(prefix="plimsoll-ci-", ignore_cleanup_errors=True) as name:
        os.environ["XDG_STATE_HOME"] = str(Path(name) / "state")
        try:
            passphrase = secrets.token_urlsafe(24)
            found_workspace(Path(name) / "workspace", USER, passphrase)
            held = connect(Path(name) / "workspace", user=USER, passphrase=passphrase)
            try:
                yield held
            finally:
                held.close()
        finally:
            os.environ.pop("XDG_STATE_HOME")
            if before is not None:
                os.environ["XDG_STATE_HOME"] = before


def code_tests(cases: Cases, project: Path) -> None:
    """The project's own tests, by pytest in a process of its own."""
    if not any(project.glob("tests/**/test_*.py")) and not any(project.glob("test_*.py")):
        cases.skip("code", "pytest", "the project has no tests of its own")
        return
    if importlib.util.find_spec("pytest") is None:
        cases.skip("code", "pytest", "pytest is not installed here")
        return
    with tempfile.TemporaryDirectory(prefix="plimsoll-ci-") as name:
        report = Path(name) / "code.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(project)]
        try:
            done = subprocess.run(command, cwd=project, capture_output=True, timeout=CODE_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            cases.note("code", "pytest", False, f"The tests took longer than {CODE_LIMIT_S} s")
            return
        if not report.is_file():
            cases.note("code", "pytest", False, "pytest did not run\n" + done.stdout.decode(errors="replace")[-2000:])
            return
        for one in ET.parse(report).getroot().iter("testcase"):
            _code_case(cases, one)


def _code_case(cases: Cases, one: ET.Element) -> None:
    name, seconds = f"{one.get('classname', '')}.{one.get('name', '')}", float(one.get("time") or 0)
    wrong = one.find("failure") if one.find("failure") is not None else one.find("error")
    skipped = one.find("skipped")
    if skipped is not None:
        cases.skip("code", name, skipped.get("message") or "")
    else:
        words = "" if wrong is None else f"{wrong.get('message') or ''}\n{wrong.text or ''}"
        cases.note("code", name, wrong is None, words, seconds)


def project_tests(cases: Cases, project: Path) -> bool:
    """plimsoll.yaml is whole, makes sense, and lets no future in."""
    from core.engine.projects import project_problems

    problems = project_problems(project)
    for problem in problems:
        cases.note("project", problem.where or "plimsoll.yaml", False, problem.line())
    cases.note("project", "plimsoll.yaml", not problems, f"{len(problems)} problems")
    return not problems


def data_tests(cases: Cases, held: Client) -> bool:
    """Every check of every suite; a warning fails nothing."""
    suites = held.ask("project")["suites"]
    for name in suites:
        try:
            walk_to(held, f"validate:{name}")
        except PlimsollError as error:
            cases.note("data", name, False, str(error))
            continue
        report = held.ask("snapshot", id=name)["validation"]
        for result in report["results"]:
            label = f"{name}: {result['name']}"
            words = f"{result['failed']:,} of {result['rows']:,} rows fail; {result['observed']}".rstrip("; ")
            if result["skipped"]:
                cases.skip("data", label, result["skipped"])
            elif result["severity"] == "warn" and not result["passed"]:
                cases.skip("data", label, f"warns: {words}")
            else:
                cases.note("data", label, result["passed"], words)
    if not suites:
        cases.skip("data", "suites", "the project declares none")
    return not any(case.state == "failed" for case in cases.of("data"))


def leak_tests(cases: Cases, held: Client) -> bool:
    """The training set is built, and nothing of the future is in it."""
    try:
        walk_to(held, "leakage")
    except PlimsollError as error:
        cases.note("leakage", "training set", False, str(error))
        return False
    project = held.ask("project")["project"]
    report = held.ask("snapshot", id=f"{project}_features")["leakage"]
    for test in report["tests"]:
        cases.note("leakage", test["name"], test["passed"], f"{test['headline']}\n{test['remedy']}")
    return bool(report["passed"])


def model_tests(cases: Cases, held: Client, baseline: Baseline | None, update: bool) -> Baseline:
    """Each candidate trains, is as good as it was, passes its gates; the package does what the model did."""
    now = Baseline()
    for name in held.ask("project")["candidates"]:
        with cases.timed("training", name):
            walk_to(held, f"gates:{name}")
            run = held.ask("run", id=held.ask("run_id", name=name))
            evaluation = held.ask("evaluation", id=run["run"])
            now.figures[name], now.slices[name] = figures_of(run, evaluation), slices_of(evaluation)
            for gate in evaluation["gates"]:
                _gate_case(cases, name, gate)
            if not update and baseline is not None:
                compare(cases, "benchmark", name, now.figures[name], baseline.figures.get(name))
                compare(cases, "slices", name, now.slices[name], baseline.slices.get(name))
    if baseline is None and not update:
        cases.skip("benchmark", "baseline", "there is none; make it with --update-baseline and commit it")
    contract_tests(cases, held, now, None if update else baseline)
    return now


def _gate_case(cases: Cases, candidate: str, gate: dict[str, Any]) -> None:
    words = f"{gate['fact']} is {gate['observed']}, must be {gate['op']} {gate['expected']}. {gate['why']}"
    if gate["severity"] == "warn" and not gate["passed"]:
        cases.skip("gates", f"{candidate} {gate['rule']}", f"warns: {words}")
    else:
        cases.note("gates", f"{candidate} {gate['rule']}", gate["passed"], words)


def contract_tests(cases: Cases, held: Client, now: Baseline, baseline: Baseline | None) -> None:
    """The best candidate is packaged, the package gives its golden rows again, and old requests still fit."""
    try:
        walk_to(held, "register")
    except PlimsollError as error:
        cases.skip("contract", "package", error.headline)
        return
    from core.blobs.store import BlobStore
    from core.contract.golden import check_golden
    from core.contract.schema import Contract, GoldenRow
    from core.kernel.digests import strict_json
    from core.training.runtime import run_model, session_of

    files = held.ask("model", name="latest")["detail"]["files"]
    blobs = BlobStore(held.root / "blobs")
    content = {name: blobs.path(files[name]).read_bytes() for name in ("contract.json", "golden.json", "model.onnx")}
    contract = Contract.read(strict_json(content["contract.json"]))
    golden = [GoldenRow.read(row) for row in strict_json(content["golden.json"])]
    session = session_of(content["model.onnx"])
    problems = check_golden(contract, golden, lambda matrix: run_model(session, matrix).astype("float64"))
    words = "\n".join(problem.line() for problem in problems)
    cases.note("contract", f"{len(golden)} golden rows come out the same", not problems, words)
    now.fields.update({field.name: field.type + (" or null" if field.nullable else "") for field in contract.fields})
    if baseline is not None and baseline.fields:
        compare_fields(cases, now.fields, baseline.fields)
