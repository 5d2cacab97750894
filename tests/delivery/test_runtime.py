"""The wheelhouse and the runtime bundle: complete, pinned, reproducible, and installed whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from core.delivery import target
from core.delivery.agent_call import call
from core.delivery.loopback import LoopbackTarget
from core.delivery.pins import serving_pins
from core.delivery.records import HostReport, TargetSpec
from core.delivery.runtime import build_runtime, runtime_source
from core.delivery.service_unit import service_unit
from core.delivery.ssh import connect
from core.delivery.target import host_problems
from core.delivery.wheelhouse import default_wheelhouse, wheelhouse
from core.kernel.errors import InputError
from core.kernel.progress import Silent


def test_wheelhouse_holds_the_pinned_runtime_and_pip() -> None:
    info = wheelhouse()
    assert [(wheel.name, wheel.version) for wheel in info.wheels] == [tuple(pin) for pin in serving_pins()]
    assert info.pip.startswith("pip-")
    assert info.python == f"cp{sys.version_info.major}{sys.version_info.minor}"
    assert info == wheelhouse()


def test_no_wheelhouse_says_which_command_makes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLIMSOLL_WHEELHOUSE", str(tmp_path / "none"))
    with pytest.raises(InputError) as caught:
        wheelhouse()
    assert "make wheelhouse" in caught.value.remedy


def test_every_gap_of_a_wheelhouse_is_told_at_once(tmp_path: Path) -> None:
    for file in default_wheelhouse().glob("*.whl"):
        if not file.name.startswith(("numpy", "pip")):
            os.link(file, tmp_path / file.name)
    with pytest.raises(InputError) as caught:
        wheelhouse(tmp_path)
    assert len(caught.value.problems) == 2
    assert "numpy" in caught.value.problems[0].what


def test_runtime_ships_only_the_rooms_that_the_server_needs() -> None:
    rooms = {path.split("/")[1] for path in runtime_source()} - {"__init__.py"}
    assert {"kernel", "contract", "serving"} <= rooms <= {"kernel", "contract", "serving", "measures"}
    assert not [path for path in runtime_source() if "pycache" in path]


def test_runtime_bundle_is_reproducible(tmp_path: Path) -> None:
    first = build_runtime(wheelhouse(), tmp_path / "a")
    second = build_runtime(wheelhouse(), tmp_path / "b")
    assert first.written == second.written
    assert first.name == second.name
    with tarfile.open(first.path) as tar:
        assert all(item.isreg() and item.mtime == 0 for item in tar)


def test_hosts_that_do_not_fit_are_told_every_reason() -> None:
    info = wheelhouse().model_copy(update={"glibc": (2, 34)})
    report = HostReport(
        python="3.9.2",
        implementation="CPython",
        machine="riscv64",
        system="linux",
        glibc="2.31",
        user="u",
        uid=1,
        free=1 << 20,
        writable=False,
        root_exists=False,
    )
    told = " ".join(problem.what for problem in host_problems(report, info))
    for word in ("may not write", "Python 3.9.2", "riscv64", "C library 2.31", "MiB free"):
        assert word in told


def test_service_unit_names_everything_and_needs_a_whole_path() -> None:
    spec = TargetSpec(
        name="plant", url="ssh://ops@plant.example/srv/plimsoll", host_key="", client_key="", python="/usr/bin/python3"
    )
    text = service_unit(spec, 8123)
    assert "ExecStart=/usr/bin/python3 -P -s -m core.serving --root /srv/plimsoll --host 127.0.0.1 --port 8123" in text
    assert "User=ops" in text
    assert "@" not in text
    with pytest.raises(InputError, match="whole path"):
        service_unit(spec.model_copy(update={"python": "python3"}), 8123)


INSTALL_AND_DIE = """
import os, signal, sys, threading
from pathlib import Path
from core.delivery import target
from core.delivery.records import TargetSpec
from core.delivery.ssh import connect
from core.delivery.wheelhouse import wheelhouse
from core.kernel.progress import Silent

class Die(Silent):
    def step(self, done, total, message=""):
        if message.startswith("installing"):
            threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGKILL)).start()

with connect(TargetSpec.model_validate_json(sys.argv[1])) as remote:
    target.install_runtime(remote, wheelhouse(), Path(sys.argv[2]), Die())
"""


@pytest.mark.slow
def test_an_install_whose_client_dies_can_be_repeated(host: LoopbackTarget, tmp_path: Path) -> None:
    spec = host.spec.model_copy(update={"url": host.spec.url + "-again"})
    command = [sys.executable, "-c", INSTALL_AND_DIE, spec.model_dump_json(), str(tmp_path)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    with connect(spec) as remote:
        name = target.install_runtime(remote, wheelhouse(), tmp_path, Silent())
        assert call(remote, "runtime_there", name=name)["complete"]
        left = set(remote.run(f"cd {spec.root}; ls -A runtimes incoming").stdout.split())
        assert left == {b"incoming:", b"runtimes:", name.encode(), b"current"}
