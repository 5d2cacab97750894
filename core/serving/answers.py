"""What the server answers: model metadata and inference responses, in V2's JSON or with binary tensors."""

from __future__ import annotations

from typing import Any

import orjson

from core.contract.schema import Contract
from core.contract.tasks import Task
from core.serving.binary import binary_bytes
from core.serving.protocol import InferRequest, model_inputs
from core.serving.scoring import Scored

EXTENSIONS = ["binary_tensor_data", "plimsoll_features"]
PLATFORM = "onnxruntime_onnx"


OF_TASK: dict[Task, dict[str, str]] = {
    "binary": {"probability": "FP64", "decision": "BOOL"},
    "multiclass": {"probabilities": "FP64", "prediction": "BYTES"},
    "regression": {"prediction": "FP64"},
}


def output_types(contract: Contract) -> dict[str, str]:
    """The outputs of a model and their datatypes, in order."""
    own = dict(OF_TASK[contract.task])
    if contract.task == "binary":  # a contract may name a binary model's output itself
        own = {contract.output: own.pop("probability"), **own}
    return {**own, "status": "BYTES", "prediction_id": "BYTES"}


def _shape(contract: Contract, output: str, rows: int) -> list[int]:
    return [rows, len(contract.classes)] if output == "probabilities" and contract.classes else [rows]


def server_metadata() -> dict[str, Any]:
    """GET /v2."""
    return {"name": "plimsoll", "version": "0.1.0", "extensions": EXTENSIONS}


def model_metadata(name: str, version: str, contract: Contract) -> dict[str, Any]:
    """GET /v2/models/{m}: one input of shape [-1] for each field and each view feature."""
    inputs = [
        {
            "name": item.name,
            "datatype": item.datatypes[0],
            "shape": [-1],
            "parameters": {"nullable": item.nullable, "required": item.required},
        }
        for item in model_inputs(contract)
    ]
    outputs: list[dict[str, Any]] = [
        {"name": key, "datatype": kind, "shape": _shape(contract, key, -1)}
        for key, kind in output_types(contract).items()
    ]
    if contract.classes:
        outputs[0]["parameters"] = {"classes": contract.classes}
    return {"name": name, "versions": [version], "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def infer_answer(
    request: InferRequest, scored: list[Scored], name: str, version: str, contract: Contract
) -> tuple[bytes, list[tuple[str, str]]]:
    """Body and headers of an inference response; only the requested outputs, in the requested order."""
    types = output_types(contract)
    columns = {key: _column(contract, key, scored) for key in types}
    outputs: list[dict[str, Any]] = []
    tail = b""
    for key in request.outputs or list(types):
        tensor: dict[str, Any] = {"name": key, "shape": _shape(contract, key, len(scored)), "datatype": types[key]}
        if key in request.binary:
            raw = binary_bytes(columns[key], types[key])
            tensor["parameters"] = {"binary_data_size": len(raw)}
            tail += raw
        else:
            tensor["data"] = columns[key]
        outputs.append(tensor)
    value: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": outputs}
    if request.id is not None:
        value["id"] = request.id
    head = orjson.dumps(value)
    if not tail:
        return head, [("content-type", "application/json")]
    headers = [("content-type", "application/octet-stream"), ("inference-header-content-length", str(len(head)))]
    return head + tail, headers


def _column(contract: Contract, key: str, scored: list[Scored]) -> list[Any]:
    """One output of all rows, flat: the probabilities of classes row by row."""
    if key == "probabilities" and contract.classes:
        return [share for row in scored for share in row.probabilities or ()]
    name = "probability" if contract.task == "binary" and key == contract.output else key
    return [getattr(row, name) for row in scored]
