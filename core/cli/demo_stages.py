"""The stages of the demo, in order. Each does its part through the client, as the person whose part it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.cli.demo import PASSPHRASES, PEOPLE, Demo
from core.cli.demo_data import backfill, compare_snapshots, data_sheets, months_arrive, weak_labels
from core.cli.demo_features import online_features
from core.cli.demo_labels import late_labels
from core.cli.demo_site import prepare_site
from core.cli.demo_sources import data_desk
from core.kernel.errors import AnswerIsNo, Refused, SystemFault, error_from_dict

SINCE, UNTIL = "2013-07-01T00:00:00Z", "2013-08-01T00:00:00Z"
WHOLE_WEEKS = "2013-07-29T00:00:00Z"
AS_OF = "2013-08-02T12:00:00Z"
PIPELINE_STAGES = (
    ("ingest", "Ingest six tables", "Data · plimsoll data list", ("ingest:",)),
    ("snapshot", "Snapshot and derive", "Data · plimsoll data show trips", ("table:",)),
    ("profile", "Profile", "Data · plimsoll data profile flights", ("profile:",)),
    ("validate", "Validate", "Data · plimsoll data show flights", ("validate:",)),
    ("features", "Point-in-time features", "Data · plimsoll features list", ("features",)),
    ("leakage", "Leakage test", "Data · plimsoll data show flights_features", ("leakage",)),
    ("train", "Train three candidates", "Experiments · plimsoll runs list", ("train:",)),
    ("evaluate", "Evaluate", "Evaluation · plimsoll evaluate RUN", ("evaluate:",)),
    ("gates", "Gates", "Evaluation · plimsoll gates RUN", ("gates:",)),
    ("register", "Register", "Overview · plimsoll models list", ("payload", "register")),
)


def make_users(demo: Demo) -> None:
    """Demo people with keys of their own."""
    with demo.stage("workspace and users", "Governance · plimsoll user list") as line:
        known = set(demo.founder.ask("users")["name"].to_list())
        for name, full_name, roles in PEOPLE:
            if name not in known:
                request = {"name": name, "full_name": full_name, "roles": roles}
                demo.founder.change("user.add", request, passphrase=PASSPHRASES[name])
        made = "made" if demo.facts["fresh"] else "used as it is"
        line.result = f"workspace {made}; {len(PEOPLE)} demo users, each with an Ed25519 key of their own"


def walk_pipeline(demo: Demo) -> None:
    """From six tables to a registered candidate."""
    ada = demo.person("ada")
    demo.facts["site"] = prepare_site(demo.root)
    ada.change("project.load", {"path": str(demo.facts["site"])})
    view = demo.pipeline(ada.change("pipeline.run", {"reason": "demo"})["pipeline"])
    for _key, title, where, prefixes in PIPELINE_STAGES:
        steps = [step for step in view["steps"] if step["name"].startswith(prefixes)]
        with demo.stage(title, where) as line:
            line.ok = all(step["state"] == "done" for step in steps)
            line.seconds = sum(0.0 if step["cached"] else step["seconds"] for step in steps)
            cached = sum(step["cached"] for step in steps)
            line.result = "; ".join(step["summary"] for step in steps if step["summary"])
            if cached:
                line.result += f" ({cached} of {len(steps)} from the cache)"
    if view["state"] != "done":
        raise error_from_dict(view["error"]) if view["error"] else SystemFault(f"The pipeline was {view['state']}")
    compare_champion(demo)


def compare_champion(demo: Demo) -> None:
    """How the newest candidates stand against the champion on the same rows."""
    with demo.stage("Compare with the champion", "Evaluation") as line:
        champion = demo.founder.ask("overview")["champion"]
        if champion is None:
            line.result = "no champion yet: the first release has nothing to be compared with"
            return
        table = demo.founder.ask("evaluations")
        verdicts = [f"{row['name']} {row['champion']}" for row in table.head(3).to_dicts()]
        line.result = f"champion {champion['model']} v{champion['version']}: " + ", ".join(verdicts)


def propose(demo: Demo) -> None:
    """The author freezes the best candidate into a dossier."""
    with demo.stage("Propose release", "Approvals · plimsoll release list") as line:
        model = _first_version(demo)
        known = [row for row in demo.founder.ask("releases").to_dicts() if row["version"] == model["version"]]
        if known:
            demo.facts["release"] = known[0]["release"]
            line.result = f"{known[0]['release']} is there already ({known[0]['state']})"
            return
        made = demo.person("ada").change("release.propose", {"model": model["model_version"]})
        demo.facts["release"] = made["release"]
        line.result = (
            f"{made['release']} of {model['model']} v{model['version']}, dossier {made['dossier_digest'][:15]}…"
        )


def _first_version(demo: Demo) -> dict[str, Any]:
    rows: list[dict[str, Any]] = demo.founder.ask("models").sort("version").to_dicts()
    if not rows:
        raise SystemFault("The pipeline registered no model")
    return rows[0]


def refuse_own_sign_off(demo: Demo) -> None:
    """The author tries to approve her own release."""
    with demo.stage("Author's own sign-off", "Governance (ledger, refused) · plimsoll ledger show") as line:
        request = {"release": demo.facts["release"], "meaning": "approve", "comment": "I made it, it is fine"}
        try:
            demo.person("ada").change("release.sign", request, passphrase=PASSPHRASES["ada"])
        except Refused as refusal:
            reason = refusal.problems[0].what if refusal.problems else refusal.headline
            line.result = f"refused, as it must be: {reason}"
            return
        raise SystemFault("The author could sign off her own release")


def sign(demo: Demo) -> None:
    """Two reviewers read the dossier and sign with their own keys."""
    with demo.stage("Two sign-offs", "Approvals · plimsoll release show ID") as line:
        release = demo.founder.ask("release", id=demo.facts["release"])
        signed = {one["signer"] for one in release["sign_offs"]}
        words = {
            "grace": "Evaluation, slices and calibration read; the gates match the policy.",
            "katherine": "Data checks and leak tests read; fit for the warning service.",
        }
        evidence = [item["id"] for item in release["dossier"]["evidence"]]
        for name, comment in words.items():
            if name not in signed:
                request = {
                    "release": demo.facts["release"],
                    "meaning": "approve",
                    "comment": comment,
                    "evidence_opened": evidence,
                }
                demo.person(name).change("release.sign", request, passphrase=PASSPHRASES[name])
        tally = demo.founder.ask("release", id=demo.facts["release"])["tally"]
        line.ok = tally["complete"]
        line.result = f"{len(tally['approved_by'])} of {tally['needed']}: {', '.join(tally['approved_by'])}"


def package(demo: Demo) -> None:
    """The operator packs what was signed."""
    with demo.stage("Package", "Releases · plimsoll release package ID") as line:
        release = demo.facts["release"]
        made = demo.job(demo.person("oscar"), "release.package", {"release": release}, "Package")
        shown = demo.founder.ask("release", id=release)
        line.result = (
            f"{shown['package_bytes']:,} bytes: ONNX, contract, golden rows, card, SBOM, provenance, "
            f"{len(shown['sign_offs'])} signatures; {made['blob'][:15]}…"
        )


def deploy(demo: Demo) -> None:
    """Over SSH to a real sshd: install without a network, test, switch."""
    oscar = demo.person("oscar")
    target = demo.facts["target"]
    with demo.stage("Target over SSH", "Releases · plimsoll target list") as line:
        oscar.change("target.add", {"spec": target.spec.plain()})
        line.result = f"{target.spec.url}: {target.said}"
    with demo.stage("Push, install offline, test, switch", "Releases · plimsoll rollout status harbour") as line:
        made = demo.job(oscar, "deploy.start", {"release": demo.facts["release"], "target": "harbour"}, "Deploy")
        line.result = "; ".join(f"{step['step']}: {step['detail']}" for step in made["steps"])


def replay(demo: Demo) -> None:
    """July 2013 as requests over HTTP, features pushed hour by hour."""
    with demo.stage("Replay July over HTTP (V2)", "Monitoring") as line:
        collected = demo.founder.ask("collected", target="harbour")
        if collected["rows"]:
            demo.facts["replayed"] = False
            line.result = f"was replayed before: {collected['rows']:,} predictions are collected"
            return
        demo.facts["replayed"] = True
        request = {"target": "harbour", "since": SINCE, "until": UNTIL}
        sent = demo.job(demo.person("oscar"), "traffic.replay", request, "Replay")
        line.result = (
            f"{sent['rows']:,} predictions in {sent['requests']:,} requests, {sent['rejected_rows']} rejected by the "
            f"contract, {sent['errors']} errors, {sent['pushed_values']:,} feature values pushed"
        )
        line.ok = sent["errors"] == 0


def features_online(demo: Demo) -> None:
    """What the target's online store holds after the replay."""
    online_features(demo, UNTIL)


def add_labels(demo: Demo) -> None:
    """Outcomes arrive when they were really known, and the wrong ones among them are corrected."""
    late_labels(demo, SINCE, UNTIL, AS_OF)


def collect(demo: Demo) -> None:
    """Bring the prediction log home, exactly once."""
    with demo.stage("Collect prediction logs", "Monitoring · plimsoll monitor collect harbour") as line:
        rows, more = 0, True
        while more:
            got = demo.job(demo.person("oscar"), "monitor.collect", {"target": "harbour"}, "Collect")
            rows, more = rows + got["rows"], got["more"]
        line.result = f"{rows:,} new rows; {demo.founder.ask('collected', target='harbour')['rows']:,} in all"


def analyse(demo: Demo) -> None:
    """Four layers, week by week; signals become incidents and decisions."""
    oscar = demo.person("oscar")
    with demo.stage("Drift, quality, objectives", "Monitoring · plimsoll monitor report champion") as line:
        request = {"since": SINCE, "until": WHOLE_WEEKS, "as_of": AS_OF}
        found = demo.job(oscar, "monitor.analyse", request, "Analyse")
        demo.facts["analysis"] = found
        view = demo.founder.ask("monitoring")
        weeks = ", ".join(f"{week['auc']:.3f}" for week in view["windows"] if week["auc"] is not None)
        drifted = sorted({name for week in view["windows"] for name in week["drifted"]})
        parity = found["parity"]
        line.result = (
            f"ROC-AUC by week {weeks}; drifted: {', '.join(drifted) or 'nothing'}; served = offline on "
            f"{parity['rows']:,} rows (largest difference {parity['max_difference']:.1e})"
        )
    with demo.stage("Alert and incident", "Monitoring · plimsoll incidents list") as line:
        rows = demo.founder.ask("incidents").to_dicts()
        line.result = "; ".join(f"{row['title']} ({row['severity']}, {row['breaches']} breaches)" for row in rows)


def retrain(demo: Demo) -> None:
    """What the drift leads to: new candidates on newer data, which wait for people."""
    with demo.stage("Drift response", "Monitoring, Overview · plimsoll status") as line:
        decided = demo.facts["analysis"]["decisions"]
        line.result = "; ".join(_decision(item) for item in decided) or "nothing was decided"
    with demo.stage("Retrain, to the human gate", "Approvals · plimsoll models list") as line:
        run = demo.facts["analysis"]["pipeline"]
        if run is not None:
            view = demo.pipeline(run)
            if view["state"] not in ("done", "refused"):
                raise error_from_dict(view["error"]) if view["error"] else SystemFault("The retraining failed")
            if view["state"] == "refused":
                raise AnswerIsNo("The retrained candidates were stopped", detail=str(view["error"]))
        waiting = demo.founder.ask("overview")["candidates"]
        names = ", ".join(f"{item['model']} v{item['version']}" for item in waiting)
        if not waiting:
            raise AnswerIsNo("No retrained candidate waits at the human gate", detail=str(demo.facts["analysis"]))
        line.result = f"{names} waits for a proposal and two sign-offs; nothing was promoted by itself"


def _decision(item: dict[str, Any]) -> str:
    subjects = list(dict.fromkeys(str(key).rsplit("/", 1)[-1] for key in item["signals"]))
    more = f" and {len(subjects) - 4} more" if len(subjects) > 4 else ""
    held = f" (instead of {item['held']}: {item['reason']})" if item["held"] else ""
    return f"{item['on']} in {', '.join(subjects[:4])}{more} → {item['action']}{held}"


def verify(demo: Demo) -> None:
    """The ledger, the rows and the files, checked whole."""
    with demo.stage("Verify the ledger", "Governance · plimsoll ledger verify") as line:
        report = demo.founder.ask("ledger_verify")
        line.ok = report["ok"]
        line.result = (
            f"{report['entries']} entries, {report['rows']} rows, {report['points']} points, {report['blobs']} files, "
            f"{report['checkpoints']} signed checkpoints: "
            + ("sound" if report["ok"] else "; ".join(report["problems"]))
        )
        if not report["ok"]:
            raise AnswerIsNo("The ledger does not verify", detail="\n".join(report["problems"]))


STAGES: tuple[Callable[[Demo], None], ...] = (
    make_users,
    walk_pipeline,
    months_arrive,
    compare_snapshots,
    backfill,
    weak_labels,
    data_sheets,
    data_desk,
    propose,
    refuse_own_sign_off,
    sign,
    package,
    deploy,
    replay,
    features_online,
    collect,
    add_labels,
    analyse,
    retrain,
    verify,
)
