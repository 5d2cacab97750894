"""The whole path to a real sshd with the real runtime; ``test_journey.py`` runs it where there is no network."""

from __future__ import annotations

import json
import os
import socket
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from core.contract.release import COMMAND_TYPE
from core.delivery import operate, target
from core.delivery.archive import Entry, write_tar
from core.delivery.loopback import LoopbackTarget, loopback_target
from core.delivery.runtime import runtime_name
from core.delivery.ssh import Remote, connect
from core.delivery.wheelhouse import wheelhouse
from core.kernel.clock import utc_text
from core.kernel.envelope import sign_statement
from core.kernel.errors import Conflict, InputError, NotFound, PlimsollError, Refused
from core.kernel.progress import Silent

from .conftest import Makers, golden_row


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Makers:
    return Makers(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="module")
def running(host: LoopbackTarget, workshop: Makers) -> Iterator[Remote]:
    """A target with trust and runtime, installed with no way out of the machine."""
    with connect(host.spec) as remote:
        target.check(remote, wheelhouse())
        target.prepare(remote, workshop.trust())
        target.install_runtime(remote, wheelhouse(), workshop.folder, Silent())
        yield remote
        operate.stop_server(remote)


def _infer(remote: Remote, a: float, b: float, *, forwarded: bool = False) -> tuple[float, str]:
    body = {
        "inputs": [
            {"name": "id", "shape": [1], "datatype": "INT64", "data": [7]},
            {"name": "at", "shape": [1], "datatype": "BYTES", "data": ["2013-06-01T12:00:00Z"]},
            {"name": "a", "shape": [1], "datatype": "FP64", "data": [a]},
            {"name": "b", "shape": [1], "datatype": "FP64", "data": [b]},
        ]
    }
    with operate.server_address(remote) as server, httpx.Client(trust_env=False) as client:
        if forwarded:
            port = int(server.url.rpartition(":")[2])
            with remote.forward(port) as local:
                assert local != port
                answer = client.post(f"http://127.0.0.1:{local}/v2/models/delay/infer", json=body)
        else:
            answer = client.post(f"{server.url}/v2/models/delay/infer", json=body)
    assert answer.status_code == 200, answer.text
    outputs = {item["name"]: item["data"] for item in answer.json()["outputs"]}
    return outputs["probability"][0], answer.json()["model_version"]


def _serves(remote: Remote, version: str, bias: float) -> None:
    """Within two seconds the server answers with this version and its own numbers."""
    end = time.monotonic() + 2
    while True:
        probability, said = _infer(remote, 1.5, 2.0)
        if said == version or time.monotonic() > end:
            break
    assert said == version
    assert probability == pytest.approx(golden_row(bias, 1.5, 2.0).output, abs=1e-6)


def test_there_is_no_network() -> None:
    if os.environ.get("PLIMSOLL_TEST_OFFLINE") != "1":
        pytest.skip("namespaces are not available")
    with (
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as trial,
        pytest.raises(OSError, match="unreachable"),
    ):
        trial.connect(("192.0.2.1", 53))


def test_release_goes_all_the_way_and_back(running: Remote, workshop: Makers) -> None:
    assert operate.start_server(running) == operate.start_server(running)  # a healthy one is left alone
    first = workshop.package("rel-1", 1, 0.1)
    target.push_release(running, first, Silent())
    target.push_release(running, first, Silent())  # again: nothing changes
    verified, golden = operate.contract_and_golden_test(running, "rel-1")
    assert verified.answer["approved_by"] == ["Person 0", "Person 1"]
    assert golden.answer["golden_rows"] == 2
    operate.switch(running, "rel-1", by="ada")
    _serves(running, "1", 0.1)
    assert _infer(running, 1.5, 2.0, forwarded=True)[1] == "1"

    target.push_release(running, workshop.package("rel-2", 2, 0.9), Silent())
    operate.switch(running, "rel-2", by="ada")
    _serves(running, "2", 0.9)
    now = operate.status(running)
    assert (now.current, now.previous, now.ready) == ("rel-2", "rel-1", True)

    operate.rollback(running, by="ada")
    _serves(running, "1", 0.1)
    assert operate.status(running).current == "rel-1"


def test_what_people_did_not_sign_is_never_served(running: Remote, workshop: Makers) -> None:
    target.push_release(running, workshop.package("rel-3", 3, 0.5, signers=1), Silent())
    with pytest.raises(Refused) as caught:
        operate.contract_and_golden_test(running, "rel-3")
    assert any("at least 2" in problem.what for problem in caught.value.problems)
    with pytest.raises(Refused):
        operate.switch(running, "rel-3", by="mallory")
    folder, _ = workshop.payload(3, 0.5)
    workshop.packed(folder, workshop.proposed["rel-3"], workshop.folder / "late.tar", signers=2)
    target.push_release(running, workshop.folder / "late.tar", Silent())  # the second sign-off came later
    operate.contract_and_golden_test(running, "rel-3")
    _serves(running, "1", 0.1)


def test_going_to_a_release_that_never_served_takes_a_signed_order(running: Remote, workshop: Makers) -> None:
    with pytest.raises(Refused, match="never served"):
        operate.rollback(running, by="ada", to="rel-3")
    said = {
        "command": "rollback",
        "release": "rel-3",
        "environment": "production",
        "expires_at": utc_text(datetime.now(UTC) + timedelta(hours=1)),
    }
    with pytest.raises(Refused):
        operate.rollback(running, "ada", "rel-3", sign_statement(COMMAND_TYPE, said, workshop.reviewers[0]))
    operate.rollback(running, "ada", "rel-3", sign_statement(COMMAND_TYPE, said, workshop.console))
    _serves(running, "3", 0.5)
    operate.rollback(running, "ada", to="rel-1")
    _serves(running, "1", 0.1)


def test_changed_bytes_are_refused_by_name(running: Remote, workshop: Makers) -> None:
    whole = workshop.package("rel-4", 4, 0.5)
    with tarfile.open(whole) as tar:
        files = [(item.name, tar.extractfile(item).read()) for item in tar.getmembers()]  # type: ignore[union-attr]
    changed = [Entry(name, body[:-1] + b"\x00" if name == "payload/model.onnx" else body) for name, body in files]
    write_tar(changed, workshop.folder / "changed.tar")
    target.push_release(running, workshop.folder / "changed.tar", Silent())
    with pytest.raises(Refused) as caught:
        operate.contract_and_golden_test(running, "rel-4")
    assert any("model.onnx" in problem.line() for problem in caught.value.problems)
    with pytest.raises(Conflict, match="Another content"):
        target.push_release(running, whole, Silent())
    _serves(running, "1", 0.1)


def test_links_in_a_package_are_refused_and_nothing_is_written(running: Remote, workshop: Makers) -> None:
    whole = workshop.package("rel-5", 5, 0.5)
    with tarfile.open(whole, "a") as tar:
        link = tarfile.TarInfo("payload/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(Refused, match="refused on the target") as caught:
        target.push_release(running, whole, Silent())
    assert "symbolic link" in caught.value.detail
    assert "rel-5" not in operate.status(running).releases
    assert running.run(f"ls {running.spec.root}/incoming").stdout == b""


def test_logs_come_exactly_once(running: Remote, tmp_path: Path) -> None:
    first = operate.fetch_logs(running, {}, tmp_path, Silent())
    for place in range(5):
        _infer(running, float(place), 0.5)
    lines: list[str] = []
    offsets = first.offsets
    for _ in range(50):
        batch = operate.fetch_logs(running, offsets, tmp_path, Silent(), most=700)  # small: several batches
        offsets = batch.offsets
        lines += [line for part in batch.parts for line in Path(part.path).read_text().splitlines()]
        if len(lines) >= 5 and not batch.more and not batch.parts:
            break
    assert [json.loads(line)["fields"]["a"] for line in lines] == [0.0, 1.0, 2.0, 3.0, 4.0]
    assert not list(tmp_path.glob("*.part"))
    with pytest.raises(Conflict, match="shorter"):
        operate.fetch_logs(running, dict.fromkeys(offsets, 10**9), tmp_path, Silent())


def test_feature_values_reach_the_online_store(running: Remote) -> None:
    rows = [["2013-01-01T00:00:00Z", "N1", 7], ["2013-01-01T00:00:00Z", "N2", None]]
    view = {"entity": ["tail"], "features": ["age"], "rows": rows}
    assert operate.push_features(running, {"planes": view}) == {"planes": 2}
    with pytest.raises(InputError, match="refused the feature values") as caught:
        operate.push_features(running, {"planes": {**view, "rows": [["never", "N1", 7]]}})
    assert "row 0" in caught.value.detail


def test_kill_switch_and_revival(running: Remote) -> None:
    operate.kill(running, "ada", "wrong numbers")
    with operate.server_address(running) as server, httpx.Client(trust_env=False) as client:
        end = time.monotonic() + 2
        while client.get(f"{server.url}/v2/health/ready").status_code == 200 and time.monotonic() < end:
            pass
        assert client.post(f"{server.url}/v2/models/delay/infer", json={}).status_code == 503
    operate.revive(running, "ada")
    end = time.monotonic() + 3
    while not operate.status(running).ready and time.monotonic() < end:
        pass
    _serves(running, "1", 0.1)


def test_a_killed_server_is_seen_and_started_again(running: Remote) -> None:
    before = operate.status(running)
    assert before.running
    running.run(f"kill -9 {before.pid}")
    after = operate.status(running)
    assert (after.running, after.ready, after.port) == (False, False, None)
    with pytest.raises(Conflict, match="No server runs"), operate.server_address(running):
        pass
    operate.start_server(running)
    _serves(running, "1", 0.1)
    assert operate.stop_server(running)
    assert not operate.stop_server(running)
    operate.start_server(running)
    _serves(running, "1", 0.1)


def test_a_server_that_the_host_started_is_found_and_left_alone(running: Remote) -> None:
    port = operate.start_server(running)
    pid = operate.status(running).pid
    running.run(f"rm {running.spec.root}/state/launch.json")
    assert operate.status(running).pid == pid
    assert operate.start_server(running) == port
    assert operate.status(running).pid == pid
    assert operate.stop_server(running)
    assert not operate.status(running).running
    operate.start_server(running)


def test_runtime_that_is_there_is_not_sent_again(running: Remote, workshop: Makers) -> None:
    if runtime_name(wheelhouse()) != operate.status(running).runtime:
        pytest.skip("the source of the runtime was edited since it was installed")
    target.install_runtime(running, wheelhouse(), workshop.folder / "nowhere", Silent())
    assert not (workshop.folder / "nowhere").exists()


def test_old_releases_go_but_never_those_in_use(running: Remote) -> None:
    removed = target.prune_releases(running, keep=0)
    assert operate.status(running).releases == ["rel-1", "rel-3"]  # the current one and the one before
    assert removed == ["rel-2", "rel-4"]
    _serves(running, "1", 0.1)


def test_unknown_releases_are_said_to_be_unknown(running: Remote) -> None:
    with pytest.raises(PlimsollError) as caught:
        operate.switch(running, "rel-77", by="ada")
    assert isinstance(caught.value, NotFound)


def test_without_a_runtime_the_next_step_is_named() -> None:
    failure = pytest.raises(PlimsollError, match="Install the runtime first")
    with loopback_target() as fresh, connect(fresh.spec) as remote, failure:
        operate.contract_and_golden_test(remote, "rel-1")
