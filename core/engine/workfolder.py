"""A job's folder: what is asked, where the inputs lie, and where everything that is made goes."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.engine.curves import FILE, write_frame
from core.kernel.records import Record

BEFORE = "noted:before"  # the input that is a table as it was stored last


class JobFolder:
    """One job as its worker sees it. Written files are only taken over once ``outcome.json`` is there."""

    def __init__(self, path: Path, secrets: Mapping[str, str] | None = None) -> None:
        self.path = path
        self._secrets = dict(secrets or {})
        spec = json.loads((path / "job.json").read_text())
        self.work: str = spec["work"]
        self.params: dict[str, Any] = spec["params"]
        self._inputs: dict[str, str] = spec["inputs"]
        self._curves = (path / FILE).open("ab", buffering=0)
        self._log = (path / "log.txt").open("a", encoding="utf-8")

    def input(self, name: str) -> Path:
        """The file of an input, read-only."""
        return Path(self._inputs[name])

    def inputs(self, prefix: str) -> dict[str, Path]:
        """All inputs named ``prefix:something``, by that something."""
        start = prefix + ":"
        return {name[len(start) :]: Path(path) for name, path in self._inputs.items() if name.startswith(start)}

    def has(self, name: str) -> bool:
        """Whether the input was given."""
        return name in self._inputs

    def secret(self, name: str) -> str:
        """The value of a secret that the job was given; empty for no name."""
        return self._secrets[name] if name else ""

    def without_secrets(self, text: str) -> str:
        """The text with every secret of the job blotted out, as it stands or as JSON writes it."""
        for value in self._secrets.values():
            for form in (value, json.dumps(value)[1:-1], repr(value)[1:-1], quote(value), quote(value, safe="")):
                text = text.replace(form, "•••") if form else text
        return text

    def out(self, name: str) -> Path:
        """Where to write a file."""
        return self.path / name

    def write_json(self, name: str, record: Record) -> Path:
        """Write a record."""
        path = self.out(name)
        path.write_text(json.dumps(record.plain(), ensure_ascii=False, sort_keys=True))
        return path

    def write_outcome(self, value: dict[str, Any]) -> None:
        """The last act of a job."""
        temporary = self.out("outcome.new")
        temporary.write_text(json.dumps(value, ensure_ascii=False))
        temporary.replace(self.out("outcome.json"))

    def note_points(self, name: str, steps: array[int], values: array[float]) -> None:
        """Keep points of a curve."""
        write_frame(self._curves, name, steps, values)

    def note_log(self, text: str) -> None:
        """Keep a log line."""
        self._log.write(self.without_secrets(text.rstrip("\n")) + "\n")
        self._log.flush()

    def close(self) -> None:
        """Flush what was kept."""
        self._curves.close()
        self._log.close()


def write_job(path: Path, work: str, params: dict[str, Any], inputs: dict[str, Path]) -> None:
    """Make a job's folder. One that is there already keeps its checkpoints and loses its outcome."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    (path / "outcome.json").unlink(missing_ok=True)
    spec = {"work": work, "params": params, "inputs": {name: str(file) for name, file in inputs.items()}}
    temporary = path / "job.new"
    temporary.write_text(json.dumps(spec, indent=1))
    temporary.replace(path / "job.json")
