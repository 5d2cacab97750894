"""A release in memory: the contract compiled, the model's session open, the golden rows reproduced.

The bytes that are loaded are hashed again against the verified manifest, so a file that was swapped
between verification and loading is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.golden import check_golden
from core.contract.matrix import FIELD_TYPES, Matrix, Transformer
from core.contract.release import Dossier, PayloadManifest, VerifiedRelease
from core.contract.requests import RequestValidator
from core.contract.schema import CheckResult, Contract, GoldenRow
from core.kernel.clock import Clock, SystemClock, utc_text
from core.kernel.digests import digest_bytes, digest_json, strict_json
from core.kernel.errors import AnswerIsNo, InputError, Problem, Refused
from core.serving.layout import read_limited
from core.serving.verify import DOCUMENT_LIMIT

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: the Python call alone does not stop its look-ups
import onnxruntime as ort

MODEL_LIMIT = 2**31
Value = str | float | int | bool | None


class LoadedModel:
    """Everything that answers requests for one release."""

    def __init__(self, dossier: Dossier, payload: str, contract: Contract, model: bytes) -> None:
        self.name = dossier.model
        self.version = str(dossier.version)
        self.release = dossier.release
        self.payload = payload
        self.contract = contract
        self.dossier = dossier
        self.golden_rows = 0
        self.loaded_at = ""
        self.approved_by: list[str] = []
        self._validator = RequestValidator(contract)
        self._transformer = Transformer(contract)
        self._views = [
            (item.name, FIELD_TYPES["float" if item.kind == "number" else "text"])
            for item in contract.features
            if item.origin == "view"
        ]
        self._session = open_session(model)
        self._input = self._session.get_inputs()[0].name
        self._output = _output_name(self._session, contract.output)

    def checked(self, rows: list[dict[str, Value]]) -> tuple[pl.DataFrame, dict[int, list[CheckResult]]]:
        """Rows decoded to a frame [n, fields], and for each row that breaks the contract its failed checks."""
        frame, report = self._validator.validate(rows)
        failed = [result for result in report.results if not result.passed and result.severity == "fail"]
        if not failed:
            return frame, {}
        if len(rows) > 1 and any(result.failed > len(result.examples) for result in failed):
            return frame, self._row_by_row(rows, failed)
        broken: dict[int, list[CheckResult]] = {}
        for result in failed:
            for row in {item.row for item in result.examples} or range(len(rows)):
                broken.setdefault(row, []).append(result)
        return frame, broken

    def _row_by_row(self, rows: list[dict[str, Value]], failed: list[CheckResult]) -> dict[int, list[CheckResult]]:
        """The same when a report names only some of many failing rows; checks of whole tables break every row."""
        whole = [result for result in failed if not result.examples]
        broken: dict[int, list[CheckResult]] = {}
        for place, row in enumerate(rows):
            _, report = self._validator.validate([row])
            own = [result for result in report.results if not result.passed and result.severity == "fail"]
            if own or whole:
                broken[place] = [*own, *whole]
        return broken

    def answers(self, frame: pl.DataFrame, view: Sequence[dict[str, Value]]) -> list[Any]:
        """Outputs of n rows that passed their checks: a number each, or one for each class.

        ``view`` holds each row's view features.
        """
        columns = [
            pl.Series(name, [row.get(name) for row in view], dtype=kind, strict=False) for name, kind in self._views
        ]
        full = frame.hstack(columns) if columns else frame
        return list(self.predict(self._transformer.matrix(full)).tolist())

    def predict(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        """The model on a matrix [n, d] float32, as [n], or [n, k] for k classes.

        Of a binary model with two columns the second is taken.

        Raises:
            AnswerIsNo: when the output has another shape.
        """
        (raw,) = self._session.run([self._output], {self._input: matrix})
        out = np.asarray(raw, dtype=np.float64)
        classes = len(self.contract.classes)
        if not classes and out.ndim == 2 and out.shape[1] in (1, 2):
            out = out[:, -1]
        if out.shape != ((len(matrix), classes) if classes else (len(matrix),)):
            raise AnswerIsNo(f"The model gave an output of shape {list(out.shape)} for {len(matrix)} rows")
        return out


def runtime_version() -> str:
    """The version of onnxruntime that runs models here."""
    return str(ort.__version__)


def open_session(model: bytes) -> Any:
    """An onnxruntime session with one thread: requests run side by side, not one request on all cores.

    Raises:
        InputError: when the bytes are not a model that this runtime can run.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise InputError("The model cannot be loaded", detail=str(error)[:500], where="payload/model.onnx") from error


def _output_name(session: Any, wanted: str) -> str:
    """The output named by the contract; a classifier's ``probabilities``; else the last."""
    names = [str(item.name) for item in session.get_outputs()]
    return next((name for name in (wanted, "probabilities") if name in names), names[-1])


def load_release(folder: Path, verified: VerifiedRelease, clock: Clock | None = None) -> LoadedModel:
    """Load a verified release and reproduce its golden rows.

    Raises:
        Refused: bytes changed since verification. AnswerIsNo: with every golden row that differs.
        InputError: the contract or the model is not usable.
    """
    if not verified.ok:
        raise Refused(f"Release {verified.release} was not verified", detail="; ".join(verified.problems))
    dossier = read_dossier(folder)
    if dossier.fingerprint() != verified.dossier:
        raise Refused(f"Release {verified.release} changed while it was loaded", where="dossier.json")
    files = _payload_bytes(folder, verified)
    contract = Contract.read(strict_json(files["contract.json"]), where="payload/contract.json")
    golden = [GoldenRow.read(row, where="payload/golden.json") for row in strict_json(files["golden.json"])]
    model = LoadedModel(dossier, verified.payload, contract, files["model.onnx"])
    problems = check_golden(contract, golden, model.predict)
    if problems:
        raise AnswerIsNo(f"Release {verified.release} does not reproduce its golden rows", problems=problems[:50])
    model.golden_rows = len(golden)
    model.loaded_at = utc_text((clock or SystemClock()).now())
    model.approved_by = verified.approved_by
    return model


def read_dossier(folder: Path) -> Dossier:
    """The dossier of an unpacked release."""
    return Dossier.read(strict_json(read_limited(folder / "dossier.json", DOCUMENT_LIMIT)), where="dossier.json")


def _payload_bytes(folder: Path, verified: VerifiedRelease) -> dict[str, bytes]:
    """The three files that are executed or obeyed, each exactly as the verified manifest names it."""
    head = strict_json(read_limited(folder / "manifest.json", DOCUMENT_LIMIT))
    if digest_json(head["payload"]) != verified.payload:
        raise Refused("The manifest changed after it was verified", where="manifest.json")
    digests = {item.path: item.digest for item in PayloadManifest.read(head["payload"]).files}
    files = {}
    problems = []
    for name in ("contract.json", "golden.json", "model.onnx"):
        files[name] = read_limited(folder / "payload" / name, MODEL_LIMIT)
        if digest_bytes(files[name]) != digests.get(name):
            problems.append(Problem("the file changed after it was verified", where=f"payload/{name}"))
    if problems:
        raise Refused(f"Release {verified.release} changed while it was loaded", problems=problems)
    return files
