"""Recording the environment of a run: code, interpreter, packages, processors."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import tempfile
from pathlib import Path

import psutil

from core.kernel.digests import digest_bytes
from core.training.records import CodeState, Gpu, RunEnvironment

LARGEST_PATCH = 32 * 2**20  # bytes
VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")


def capture_environment(project_folder: Path) -> RunEnvironment:
    """The state of this machine and of the project's code, now."""
    return RunEnvironment(
        code=code_state(project_folder),
        python=platform.python_version(),
        system=platform.platform(),
        cpu=cpu_name(),
        cpu_count=os.cpu_count() or 1,
        memory_mib=psutil.virtual_memory().total // 2**20,
        gpus=gpus(),
        packages=packages(),
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def code_state(folder: Path) -> CodeState:
    """Commit, branch and the digest of everything in ``folder`` that git does not hold yet.

    A folder outside git gives an empty state that counts as dirty: nobody could get it back.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return CodeState(commit=None, branch=None, dirty=True, changes=None)
    difference = _git(folder, "diff", "HEAD", "--binary", "--no-ext-diff", "--", ".") or ""
    changed = (_git(folder, "diff", "HEAD", "--name-only", "--relative", "--", ".") or "").splitlines()
    untracked = (_git(folder, "ls-files", "--others", "--exclude-standard", "--", ".") or "").splitlines()
    parts = [difference.encode()]
    for name in sorted(untracked):
        file = folder / name
        parts.append(name.encode() + b"\0" + (digest_bytes(file.read_bytes()).encode() if file.is_file() else b""))
    dirty = bool(difference or untracked)
    return CodeState(
        commit=commit.strip(),
        branch=(_git(folder, "rev-parse", "--abbrev-ref", "HEAD") or "").strip() or None,
        dirty=dirty,
        changes=digest_bytes(b"\0".join(parts)) if dirty else None,
        changed_files=sorted({*changed, *untracked}),
    )


def write_changes(folder: Path, target: Path) -> bool:
    """Write what git does not hold yet as one patch onto the commit, untracked files included; False for nothing.

    Neither the project's index nor its objects are touched. A patch beyond :data:`LARGEST_PATCH` is not kept: the
    digest of the changes still says that they were there.
    """
    top = _git(folder, "rev-parse", "--absolute-git-dir")
    if top is None or _git(folder, "rev-parse", "HEAD") is None:
        return False
    with tempfile.TemporaryDirectory(prefix="plimsoll-changes-") as aside:
        own = {
            "GIT_INDEX_FILE": f"{aside}/index",
            "GIT_OBJECT_DIRECTORY": aside,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": f"{top.strip()}/objects",
        }
        if _git(folder, "read-tree", "HEAD", own=own) is None or _git(folder, "add", "-A", ".", own=own) is None:
            return False
        command = ["diff", "--cached", "--binary", "--no-ext-diff", f"--output={target}", "HEAD", "--", "."]
        done = _git(folder, *command, own=own) is not None
    size = target.stat().st_size if target.is_file() else 0
    if not done or size == 0 or size > LARGEST_PATCH:
        target.unlink(missing_ok=True)
        return False
    return True


def packages() -> dict[str, str]:
    """Installed distributions and their versions, sorted by name."""
    found = {item.metadata["Name"]: item.version for item in importlib.metadata.distributions()}
    return dict(sorted((name, version) for name, version in found.items() if name))


def cpu_name() -> str:
    """The processor's model name as the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def gpus() -> list[Gpu]:
    """NVIDIA processors by their driver's word; empty where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        driver = _text(pynvml.nvmlSystemGetDriverVersion())
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            Gpu(
                name=_text(pynvml.nvmlDeviceGetName(handle)),
                memory_mib=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total) // 2**20,
                driver=driver,
            )
            for handle in handles
        ]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _git(folder: Path, *arguments: str, own: dict[str, str] | None = None) -> str | None:
    """What git says, or None where there is no git or no repository."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=30, env={**os.environ, **(own or {})})
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="surrogateescape").encode("utf-8", "replace").decode()
