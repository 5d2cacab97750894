"""The bill of materials of a payload: CycloneDX 1.6 JSON with the model, its card and the runtime's packages.

The JSON is written by hand and validated: the object model of cyclonedx-python-lib drops ``modelCard``.
"""

from __future__ import annotations

import uuid
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from core.contract.schema import Contract
from core.delivery.pins import Pin, serving_pins
from core.kernel.digests import canonical_json, digest_json
from core.kernel.errors import SystemFault

_NAMESPACE = uuid.UUID("6f1f1c0a-0f0e-5c53-9a38-0c1d0b3f7f11")


def bill_of_materials(model: Path, sha256: str, contract: Contract, provenance: dict[str, Any]) -> bytes:
    """Canonical CycloneDX 1.6 bytes, validated strictly against its JSON schema.

    ``provenance`` may hold ``trainer`` (text) and ``metrics`` (name to number): they go into the
    model card. The serial number is derived from the content, so same inputs give same bytes.

    Raises:
        SystemFault: when the document doesn't satisfy the schema.
    """
    component = _model_component(model.name, sha256, contract, provenance)
    packages = [_package(pin) for pin in serving_pins()]
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component},
        "components": packages,
        "dependencies": [{"ref": component["bom-ref"], "dependsOn": [item["bom-ref"] for item in packages]}],
    }
    body["serialNumber"] = f"urn:uuid:{uuid.uuid5(_NAMESPACE, digest_json(body))}"
    text = canonical_json(body)
    _validate(text)
    return text


def _model_component(file: str, sha256: str, contract: Contract, provenance: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{contract.model}@{contract.version}",
        "name": contract.model,
        "version": contract.version,
        "hashes": [{"alg": "SHA-256", "content": sha256}],
        "modelCard": _model_card(contract, provenance),
        "properties": [
            {"name": "plimsoll:contract", "value": contract.fingerprint()},
            {"name": "plimsoll:file", "value": file},
        ],
    }


def _model_card(contract: Contract, provenance: dict[str, Any]) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "approach": {"type": "supervised"},
        "task": "regression" if contract.task == "regression" else "classification",
        "inputs": [{"format": f"{field.name}: {field.type}"} for field in contract.fields],
        "outputs": [{"format": f"{contract.output}: float"}],
    }
    if trainer := provenance.get("trainer"):
        parameters["modelArchitecture"] = str(trainer)
    card: dict[str, Any] = {"modelParameters": parameters}
    if metrics := provenance.get("metrics"):
        card["quantitativeAnalysis"] = {
            "performanceMetrics": [{"type": name, "value": repr(float(metrics[name]))} for name in sorted(metrics)]
        }
    if contract.personal:
        text = "Masked before logging: " + ", ".join(sorted(contract.personal))
        card["considerations"] = {"ethicalConsiderations": [{"name": "Personal data", "mitigationStrategy": text}]}
    return card


def _package(pin: Pin) -> dict[str, Any]:
    purl = f"pkg:pypi/{pin.name}@{pin.version}"
    out: dict[str, Any] = {"type": "library", "bom-ref": purl, "name": pin.name, "version": pin.version, "purl": purl}
    about = distribution(pin.name).metadata
    if "License-Expression" in about:
        out["licenses"] = [{"expression": about["License-Expression"]}]
    return out


def _validate(text: bytes) -> None:
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text.decode())
    if error is not None:
        raise SystemFault("The bill of materials does not satisfy CycloneDX 1.6", detail=str(error)[:2000])
