"""Payloads: same inputs, same bytes; a valid bill of materials; nothing executable ships."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import onnx
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from onnx import TensorProto, helper

from core.contract.schema import GoldenRow
from core.delivery.onnx_guard import check_onnx
from core.delivery.payload import build_payload, payload_manifest
from core.kernel.errors import Conflict, InputError

from .conftest import Makers, contract, golden_row, logistic


def _build(folder: Path, model: Path, bias: float = 0.1):
    return build_payload(folder, model, contract("1"), [golden_row(bias, 1, 2)], "card", {"metrics": {"auc": 0.7}})


def test_same_inputs_give_the_same_bytes(tmp_path: Path, makers: Makers) -> None:
    first = _build(tmp_path / "one", makers.model(0.1))
    second = _build(tmp_path / "two", makers.model(0.1))
    assert first == second
    assert [file.path for file in first.files] == sorted(file.path for file in first.files)
    assert payload_manifest(tmp_path / "one") == first
    assert _build(tmp_path / "one", makers.model(0.1)) == first  # again: nothing to do


def test_another_payload_is_not_overwritten(tmp_path: Path, makers: Makers) -> None:
    first = _build(tmp_path / "one", makers.model(0.1))
    with pytest.raises(Conflict):
        _build(tmp_path / "one", makers.model(0.2), 0.2)
    assert payload_manifest(tmp_path / "one") == first


def test_bill_of_materials_names_the_model_and_the_runtime(makers: Makers) -> None:
    folder, _ = makers.payload(1, 0.1)
    text = (folder / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    bom = json.loads(text)
    model = bom["metadata"]["component"]
    assert model["type"] == "machine-learning-model"
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == [{"type": "roc_auc", "value": "0.71"}]
    names = {item["name"] for item in bom["components"]}
    assert {"granian", "onnxruntime", "polars", "cryptography", "pydantic-core"} <= names
    assert not {"torch", "pyside6-essentials", "scikit-learn"} & names


@pytest.mark.parametrize(
    ("head", "word"),
    [
        (pickle.dumps({"a": 1}), "pickle"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"x\x9c\x03\x00", "zlib"),
        (b"hello", "not ONNX"),
        (b"", "may not ship"),
    ],
)
def test_other_formats_are_refused_by_what_they_are(tmp_path: Path, head: bytes, word: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(head)
    with pytest.raises(InputError, match=word):
        check_onnx(path)


def test_a_zip_named_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"x")
    with pytest.raises(InputError, match="zip"):
        check_onnx(path)


def test_weights_outside_the_file_are_refused(tmp_path: Path) -> None:
    model = logistic(0.1)
    path = tmp_path / "model.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="weights.bin", size_threshold=0)
    with pytest.raises(InputError) as caught:
        check_onnx(path)
    assert any("weights.bin" in problem.what for problem in caught.value.problems)


def test_operators_beyond_the_standard_are_refused_even_in_branches(tmp_path: Path) -> None:
    bad = helper.make_node("Run", ["features"], ["y"], domain="evil.ops")
    branch = helper.make_graph([bad], "b", [], [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = logistic(0.1)
    model.graph.node.append(helper.make_node("If", ["flag"], ["z"], then_branch=branch, else_branch=branch))
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError) as caught:
        check_onnx(path)
    assert "evil.ops" in caught.value.problems[0].what


def test_golden_rows_must_fit_the_contract(tmp_path: Path, makers: Makers) -> None:
    narrow = GoldenRow(fields={}, matrix=[1.0], output=0.5)
    with pytest.raises(InputError, match="2 features wide"):
        build_payload(tmp_path / "p", makers.model(0.1), contract("1"), [narrow], "", {})
    assert not (tmp_path / "p").exists()
    assert not list(tmp_path.glob(".p-*"))
