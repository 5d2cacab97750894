"""Five planted faults, each stopped by its gate, and no way around: on Wage (ISLP), trained once, in order.

The exception is the only door: asked for by one person, signed by another who had no part in it, until a day.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import polars as pl
import pytest

from core.contract.exceptions import blocking
from core.contract.release import TrustRoot
from core.delivery.package import package_dossier
from core.engine.client import Client, connect
from core.engine.engine import Engine
from core.engine.founding import found_workspace
from core.kernel.clock import FixedClock
from core.kernel.errors import Conflict, InputError, NotFound, Refused
from core.project.fact_names import FACTS

from ..cli.conftest import call
from ..faults.orders import PASSPHRASE

PROJECT = """\
plimsoll: 1
project: wages
title: Who earns well
sources:
  wages: {path: wages.csv, types: {asked: time, told: time}, key: [person]}
suites:
  wages: {checks: [{kind: unique, columns: [person]}]}
events:
  table: wages
  key: [person]
  time: asked
  prediction_time: asked
  available: {person: always, age: always, education: always, jobclass: always, maritl: always, wage: told}
label: {name: earns_well, expression: wage > 105, known_at: told}
features:
  request:
    age: {expression: age}
    education: {kind: category, expression: education}
    jobclass: {kind: category, expression: jobclass}
    maritl: {kind: category, expression: maritl}
split:
  train: [2024-01-01, 2024-02-15]
  validate: [2024-02-15, 2024-03-05]
  test: [2024-03-05, 2024-04-10]
training:
  candidates:
    plain: {trainer: linear, settings: {max_iter: 100}}
    heavy: {trainer: boosting, settings: {iterations: 40, leaves: 31, min_leaf: 2, learning_rate: 0.3}}
evaluation: {primary: roc_auc, threshold: 0.5, slices: [[maritl]], fairness_group: jobclass,
  bootstrap: 5}
policy:
  name: wages_release
  version: 1
  approvals: 2
  evidence: [{kind: evaluation, within: 20d}, {kind: leakage}, {kind: validation, within: 20d}]
  gates:
    - {id: no_leak, fact: leakage.passed, op: "==", value: true, waivable: false}
"""
QUICK = "    quick: {trainer: linear, settings: {max_iter: 100}}\n"
WIDE = "    wide: {trainer: sklearn, function: 'models.py:wide'}\n"
LUCKY = "    lucky: {trainer: sklearn, function: 'models.py:lucky'}\n"
MODELS = """
from sklearn.compose import ColumnTransformer
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def wide(context):
    columns = ColumnTransformer([
        ("codes", OneHotEncoder(handle_unknown="ignore"), context.categories),
        ("numbers", StandardScaler(), context.numbers),
    ])
    return make_pipeline(columns, MLPClassifier((1000, 1000), max_iter=1, batch_size=500, random_state=0))


def lucky(context):
    numbers = ColumnTransformer([("numbers", StandardScaler(), context.numbers)])
    return make_pipeline(numbers, MLPClassifier((4,), max_iter=2, random_state=context.seed))
"""
NOISY = "1. Never Married"
SCHEMA = "request: {age: {type: int}, education: {type: text}, jobclass: {type: text}, region: {type: text}}\nlabel:"
SPLIT = {
    "train": ["2024-01-01", "2024-02-15"],
    "validate": ["2024-02-15", "2024-03-05"],
    "test": ["2024-03-05", "2024-04-10"],
}
LATER = timedelta(days=8)


def wages() -> pl.DataFrame:
    """Wage in the order of its file, a person each 45 minutes; of one group the wages are shuffled: the bad slice."""
    spec = find_spec("ISLP")
    assert spec is not None
    assert spec.origin is not None
    raw = pl.read_csv(Path(spec.origin).parent / "data" / "Wage.csv").sample(fraction=1.0, shuffle=True, seed=3)
    rng = np.random.default_rng(3)
    wage, noisy = raw["wage"].to_numpy().copy(), (raw["maritl"] == NOISY).to_numpy()
    wage[noisy] = rng.permutation(raw["wage"].to_numpy())[: noisy.sum()]
    at = pl.datetime(2024, 1, 1) + pl.duration(minutes=45 * pl.int_range(raw.height))
    return raw.select("age", "education", "jobclass", "maritl").select(
        pl.concat_str(pl.lit("p"), pl.int_range(raw.height).cast(pl.String)).alias("person"),
        at.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("asked"),
        (at + pl.duration(minutes=10)).dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("told"),
        pl.all(),
        pl.Series("wage", wage),
    )


class Office:
    """The workspace with its people."""

    def __init__(self, folder: Path) -> None:
        self.root, self.project = folder / "workspace", folder / "project"
        self.project.mkdir()
        wages().write_csv(self.project / "wages.csv")
        (self.project / "models.py").write_text(MODELS)
        found_workspace(self.root, "founder", PASSPHRASE)
        self.open = True
        self.founder: Client = connect(self.root, user="founder", passphrase=PASSPHRASE)
        people = {"ana": ["analyst", "operator"], "grace": ["reviewer"], "katherine": ["reviewer"]}
        for name, roles in people.items():
            self.founder.change("user.add", {"name": name, "roles": roles}, passphrase=PASSPHRASE)
        self.ana, self.grace, self.katherine = (self.founder.as_user(name, PASSPHRASE) for name in people)

    def close(self) -> None:
        if self.open:
            self.open = False
            self.founder.close()

    def load(self, gates: str = "", request: str = "label:", candidates: str = "", seed: int = 7) -> None:
        """With more gates; with ``candidates`` another model of the same table, from these alone."""
        text = PROJECT
        if candidates:
            before, after = text.index("    plain:"), text.index("evaluation:")
            text = text[:before].replace("project: wages", "project: quick_wages") + candidates + text[after:]
        text = text + "".join(f"    - {{{gate}}}\n" for gate in gates.split("\n") if gate)
        text = text.replace("  candidates:", f"  seed: {seed}\n  candidates:", 1)
        (self.project / "plimsoll.yaml").write_text(text.replace("label:", request, 1))
        self.founder.change("project.load", {"path": str(self.project)})

    def walk(self, operation: str = "pipeline.run", request: dict[str, Any] | None = None) -> dict[str, Any]:
        run = self.ana.change(operation, request or {})["pipeline"]
        while (view := self.ana.ask("pipeline", id=run))["state"] == "running":
            self.ana.pause(0.02)
        return dict(view)

    def facts(self, name: str) -> dict[str, str]:
        run = self.run(name)
        frame = self.ana.ask("policy_facts", model=run)
        return dict(zip(frame["fact"], frame["value"], strict=True))

    def run(self, name: str) -> str:
        return str(self.ana.ask("runs").filter(pl.col("name") == name)["run"][0])

    def models(self, project: str = "wages") -> list[str]:
        names = dict(self.ana.ask("runs").select("run", "name").iter_rows())
        return [names[run] for run in self.ana.ask("models").filter(pl.col("model") == project)["run"]]

    def sign(self, release: str) -> dict[str, Any]:
        asked = {"release": release, "meaning": "approve", "comment": "read"}
        self.grace.change("release.sign", asked, passphrase=PASSPHRASE)
        return self.katherine.change("release.sign", asked, passphrase=PASSPHRASE)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    made = Office(tmp_path_factory.mktemp("gates"))
    made.load('id: nobody_passes, fact: metrics.roc_auc.low, op: ">", value: 0.999')
    try:
        assert "nobody_passes" in stopped(made.walk())
        yield made
    finally:
        made.close()


def test_every_fact_on_record_is_one_that_a_gate_may_name(office: Office) -> None:
    frame = office.ana.ask("policy_facts", model=office.run("plain"))
    assert frame.height > 60
    assert [name for name in frame["fact"] if name not in FACTS] == []
    assert {name: kind for name, kind in frame.select("fact", "kind").iter_rows() if FACTS[name].kind != kind} == {}


def stopped(view: dict[str, Any]) -> str:
    assert view["state"] == "refused", view
    return str(view["error"])


STOPS_ALL = {
    "bad_slice": ('id: bad_slice, fact: slices.worst_auc, op: ">=", value: 0.65', "label:"),
    "unfair": ('id: unfair, fact: fairness.selection_rate_ratio, op: ">=", value: 0.8', "label:"),
    "callers": ('id: callers, fact: schema.compatible, op: "==", value: true', SCHEMA),
}


@pytest.mark.parametrize("rule", STOPS_ALL)
def test_a_fault_of_all_candidates_is_stopped_on_every_route(office: Office, rule: str) -> None:
    gate, request = STOPS_ALL[rule]
    office.load(gate, request)
    assert rule in stopped(office.walk()), "the command line, the window and the socket ask for the same"
    if rule == "bad_slice":
        again = {"signal": "schedule", "reason": "monthly", "split": SPLIT}
        assert rule in stopped(office.walk("pipeline.retrain", again)), "by a schedule or a signal"
    assert office.models() == []
    for name in ("plain", "heavy"):
        for asker in (office.ana, office.founder):
            with pytest.raises(NotFound):
                asker.change("release.propose", {"model": office.run(name)})
    assert office.ana.ask("releases").is_empty()


def test_a_slow_model_is_stopped_by_that_gate_alone_and_a_quick_one_passes(office: Office) -> None:
    """A network of a million weights beside a linear model; the budget lies between what the two were measured at."""
    office.load(candidates=WIDE)
    assert office.walk()["state"] == "done"
    assert office.models("quick_wages") == ["wide"], "without that gate nothing stops it"
    office.load(candidates=QUICK + WIDE)
    office.walk(request={"last": "evaluate:quick"})
    took = {name: float(office.facts(name)["inference.p50_us"]) for name in ("quick", "wide")}
    assert took["wide"] > 3 * took["quick"], took
    budget = (took["quick"] * took["wide"]) ** 0.5
    gate = f'id: slow, fact: inference.p50_us, op: "<=", value: {budget:.1f}'
    office.load(gate, candidates=QUICK + WIDE)
    assert office.walk()["state"] == "done"
    assert office.models("quick_wages") == ["quick", "wide"]
    told = {item["name"]: item for item in office.ana.ask("policy_test", file=str(office.project))}
    assert (told["quick"]["verdict"], told["quick"]["not_passed"]) == ("passed", [])
    assert [rule.split()[0] for rule in told["wide"]["not_passed"]] == ["slow"]
    office.load(gate, candidates=WIDE)
    again = {"signal": "schedule", "reason": "monthly", "split": SPLIT}
    for view in (office.walk(), office.walk("pipeline.retrain", again)):
        assert "slow" in stopped(view)
    _no_way_past(office, "quick_wages", 1)
    office.ana.change("release.propose", {"model": "quick_wages/2"})


def test_what_is_luck_of_the_seed_is_measured_and_gated(office: Office) -> None:
    """A tiny network that hardly learned: the same candidate, settings and rows, and another seed."""
    office.load(candidates=LUCKY)
    office.walk(request={"last": "train:lucky"})
    office.load('id: seeds, fact: seeds.range, op: "<=", value: 0.001', candidates=LUCKY, seed=8)
    view = office.walk()
    assert "seeds" in stopped(view)
    steps = {step["name"]: step["cached"] for step in view["steps"]}
    assert steps["features"], "another seed makes no other training set"
    facts = office.facts("lucky")
    assert float(facts["seeds.count"]) == 2
    runs = office.ana.ask("runs").filter(pl.col("name") == "lucky")
    values = [office.ana.ask("run", id=run)["metrics"]["test.roc_auc"] for run in runs["run"]]
    assert float(facts["seeds.range"]) == pytest.approx(abs(values[0] - values[1]), rel=1e-4)


def _no_way_past(office: Office, model: str, version: int) -> None:
    """A version that was registered before the gate came: not by socket, command line or a tracking client."""
    named = f"{model}/{version}"
    with pytest.raises(Refused, match="policy in force"):
        office.ana.change("release.propose", {"model": named})
    here = ("--workspace", str(office.root), "--as", "ana")
    for words, code in ((("release", "propose", named), 3), (("gates", "wide"), 1), (("run", str(office.project)), 1)):
        done = call(*here, *words, passphrase=PASSPHRASE)
        assert (done.code, "slow" in done.out + done.err) == (code, True), (words, done)
    with closing(office.founder.open_tracking(0)) as door, httpx.Client(trust_env=False, timeout=60) as client:
        of = {"name": model, "version": str(version)}
        for path, more in (
            ("registered-models/alias", {"alias": "champion"}),
            ("model-versions/transition-stage", {"stage": "Production"}),
            ("model-versions/transition-stage", {"stage": "Staging"}),
        ):
            answer = client.post(f"{door.url}/api/2.0/mlflow/{path}", json={**of, **more})
            assert (answer.status_code, answer.json()["error_code"]) == (403, "PERMISSION_DENIED"), (more, answer.text)
    assert set(office.ana.ask("models").filter(pl.col("model") == model)["stage"]) == {"candidate"}


def test_the_miscalibrated_is_stopped_and_the_other_is_registered(office: Office) -> None:
    plain, heavy = (float(office.facts(name)["calibration.ece"]) for name in ("plain", "heavy"))
    assert heavy > 1.3 * plain, "the overfitted one is miscalibrated"
    office.load(f'id: calibrated, fact: calibration.ece, op: "<=", value: {(plain * heavy) ** 0.5:.4f}')
    assert office.walk()["state"] == "done"
    assert office.models() == ["plain"]
    told = {item["name"]: item for item in office.ana.ask("policy_test", file=str(office.project))}
    assert (told["plain"]["verdict"], told["heavy"]["verdict"]) == ("passed", "blocked")
    assert (told["heavy"]["was"], told["heavy"]["not_passed"][0][:10]) == ("blocked", "calibrated")


def test_an_exception_is_asked_for_by_one_and_signed_by_another(office: Office) -> None:
    office.load(STOPS_ALL["bad_slice"][0])
    run = office.run("heavy")
    assert "bad_slice" in stopped(office.walk())
    asked = {"model": run, "rule": "bad_slice", "reason": "Shadow use only", "valid": "7d"}
    with pytest.raises(Refused, match="cannot be asked"):
        office.ana.change("exception.request", {**asked, "valid": "31d"})
    with pytest.raises(InputError, match="stops nothing"):
        office.ana.change("exception.request", {**asked, "rule": "no_leak"})
    with pytest.raises(NotFound, match="no gate"):
        office.ana.change("exception.request", {**asked, "rule": "bad_slise"})
    made = office.ana.change("exception.request", asked)["exception"]
    with pytest.raises(Conflict):
        office.founder.change("exception.request", asked)
    grant = {"exception": made, "meaning": "grant", "comment": "Looked at the slice"}
    for signer in (office.ana, office.founder):
        with pytest.raises(Refused):
            signer.change("exception.sign", grant, passphrase=PASSPHRASE)
    with pytest.raises(Refused, match="passphrase"):
        office.grace.change("exception.sign", grant, passphrase="not hers at all")
    office.founder.change("user.add", {"name": "ana2", "person": "Ana", "roles": ["reviewer"]}, passphrase=PASSPHRASE)
    with pytest.raises(Refused) as caught:
        office.founder.as_user("ana2", PASSPHRASE).change("exception.sign", grant, passphrase=PASSPHRASE)
    assert "made the model" in str(caught.value.problems)
    assert "bad_slice" in stopped(office.walk()), "asking changes nothing"
    with pytest.raises(Refused, match="policy in force"):  # registered before this gate came, and it would not pass
        office.ana.change("release.propose", {"model": "wages"})
    office.grace.change("exception.sign", grant, passphrase=PASSPHRASE)
    with pytest.raises(Refused, match="granted"):
        office.katherine.change("exception.sign", {**grant, "meaning": "refuse"}, passphrase=PASSPHRASE)
    row = office.ana.ask("exceptions").row(0, named=True)
    assert (row["state"], row["stands"], row["signed_by"]) == ("granted", True, "grace")
    assert office.walk()["state"] == "done"
    assert office.models() == ["heavy", "plain"]


def test_a_release_on_an_exception_stands_until_it_is_revoked_or_expired(office: Office, tmp_path: Path) -> None:
    run = office.run("heavy")
    asked = {"model": run, "rule": "bad_slice", "reason": "Trial", "valid": "7d", "environment": "staging"}
    second = office.ana.change("exception.request", asked)["exception"]
    with pytest.raises(Refused, match="cannot be proposed"):  # the first is for production alone
        office.ana.change("release.propose", {"model": "wages", "environment": "staging"})
    office.grace.change(
        "exception.sign", {"exception": second, "meaning": "grant", "comment": "for a week"}, passphrase=PASSPHRASE
    )
    releases = {}
    for environment in ("production", "staging"):
        made = office.ana.change("release.propose", {"model": "wages", "environment": environment})["release"]
        view = office.ana.ask("release", id=made)
        dossier = view["dossier"]
        assert [(one["rule"], one["signer_name"], one["stands"]) for one in view["exceptions"]] == [
            ("bad_slice", "grace", True)
        ]
        assert [piece["kind"] for piece in dossier["evidence"]].count("exception") == 1
        assert {gate["rule"] for gate in dossier["gates"]} >= {"evidence_evaluation", "evidence_validation"}
        assert office.sign(made)["complete"]
        office.ana.wait(office.ana.change("release.package", {"release": made})["job"])
        releases[environment] = made
        spec = {"name": f"{environment}-box", "url": "ssh://ops@127.0.0.1:9/srv/p", "environment": environment}
        spec |= {"host_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGr0", "client_key": str(tmp_path / "key")}
        office.ana.change("target.add", {"spec": spec})
    first = office.ana.ask("exceptions").filter(pl.col("environment") == "production")["exception"][-1]
    office.katherine.change("exception.revoke", {"exception": first, "reason": "The slice grew"})
    for operation, more in (("release.package", {}), ("deploy.start", {"target": "production-box"})):
        with pytest.raises(Refused) as caught:
            office.ana.change(operation, {"release": releases["production"], **more})
        assert "bad_slice blocks it" in str(caught.value.problems)
    _the_package_carries_it(office, releases["staging"])
    office.close()
    with closing(Engine(office.root, slots=0, clock=FixedClock(datetime.now(UTC) + LATER))) as engine:
        token = engine.login("ana", PASSPHRASE)
        with pytest.raises(Refused) as caught:
            engine.change(token, "deploy.start", {"release": releases["staging"], "target": "staging-box"}, None, None)
        assert "expired" in str(caught.value.problems)


def _the_package_carries_it(office: Office, release: str) -> None:
    """An exported package, where it is imported: it verifies with its exception, and not after that day or without."""
    file = Path(office.ana.ask("release_file", id=release))
    dossier, _ = package_dossier(file)
    root = TrustRoot.read(office.ana.ask("trust_root", project="wages", environment="staging"))
    now = datetime.now(UTC)
    assert blocking(dossier, root, now) == {}
    assert "expired" in blocking(dossier, root, now + LATER)["bad_slice"].what
    assert "bad_slice" in blocking(dossier.model_copy(update={"exceptions": []}), root, now)
