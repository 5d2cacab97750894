"""What the server answers: model metadata and inference responses, in V2's JSON or with binary tensors."""

from __future__ import annotations

from typing import Any

import orjson

from core.contract.schema import Contract
from core.serving.binary import binary_bytes
from core.serving.protocol import InferRequest, model_inputs
from core.serving.scoring import Scored

EXTENSIONS = ["binary_tensor_data", "plimsoll_features"]
PLATFORM = "onnxruntime_onnx"


def output_types(contract: Contract) -> dict[str, str]:
    """The outputs of a model and their datatypes, in order."""
    return {contract.output: "FP64", "decision": "BOOL", "status": "BYTES", "prediction_id": "BYTES"}


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
    outputs = [{"name": key, "datatype": kind, "shape": [-1]} for key, kind in output_types(contract).items()]
    return {"name": name, "versions": [version], "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def infer_answer(
    request: InferRequest, scored: list[Scored], name: str, version: str, contract: Contract
) -> tuple[bytes, list[tuple[str, str]]]:
    """Body and headers of an inference response; only the requested outputs, in the requested order."""
    types = output_types(contract)
    columns: dict[str, list[Any]] = {
        contract.output: [row.probability for row in scored],
        "decision": [row.decision for row in scored],
        "status": [row.status for row in scored],
        "prediction_id": [row.prediction_id for row in scored],
    }
    outputs: list[dict[str, Any]] = []
    tail = b""
    for key in request.outputs or list(types):
        tensor: dict[str, Any] = {"name": key, "shape": [len(scored)], "datatype": types[key]}
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
