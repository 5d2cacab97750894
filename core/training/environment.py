"""Recording the environment of a run: code, interpreter, packages, processors."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import psutil

from core.kernel.digests import digest_bytes
from core.training.records import CodeState, Gpu, RunEnvironment

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


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None where there is no git or no repository."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="surrogateescape").encode("utf-8", "replace").decode()
