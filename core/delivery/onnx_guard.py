"""What may be in a payload: one self-contained ONNX graph of standard operators, and nothing executable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.kernel.errors import InputError, Problem

if TYPE_CHECKING:
    import onnx

STANDARD_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
LARGEST = 2**31 - 1  # protobuf refuses messages beyond 2 GiB
_MAGIC = {
    b"PK\x03\x04": "a zip archive (PyTorch, Keras and skops files are)",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "gzip data",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
}


def foreign_format(head: bytes) -> str | None:
    """Name the format that the first bytes of a file give away, if it isn't one that may ship."""
    if len(head) > 1 and head[0] == 0x80 and head[1] in (1, 2, 3, 4, 5):
        return "a pickle, which runs code when it is loaded"
    if head[:1] == b"x" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
        return "zlib data (joblib writes such pickles)"
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def check_onnx(path: Path) -> onnx.ModelProto:
    """Parse a model file and make sure that it may ship.

    Raises:
        InputError: with every reason why not: a foreign format, bytes that don't parse, an
            unknown IR version, weights kept outside the file, operators beyond the ONNX standard.
    """
    import onnx

    data = _read(path)
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's error types differ by back-end
        raise InputError("The model is not ONNX", where=path.name, detail=str(error), remedy=_REMEDY) from error
    problems = [*_version_problems(model, onnx.IR_VERSION, path.name), *_content_problems(model, path.name)]
    if problems:
        raise InputError("This model may not ship", where=path.name, problems=problems, remedy=_REMEDY)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise InputError("The ONNX graph is not valid", where=path.name, detail=str(error), remedy=_REMEDY) from error
    return model


_REMEDY = "Export the model to one ONNX file with its weights inside and ship that."


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST:
            raise InputError("The model is larger than 2 GiB", where=path.name, remedy=_REMEDY)
        data = path.read_bytes()
    except OSError as error:
        raise InputError("Cannot read the model", where=str(path), detail=error.strerror or "") from error
    foreign = foreign_format(data[:16])
    if foreign:
        raise InputError(f"The model is {foreign}, not ONNX", where=path.name, remedy=_REMEDY)
    return data


def _version_problems(model: onnx.ModelProto, newest: int, where: str) -> Iterator[Problem]:
    if not 3 <= model.ir_version <= newest:
        yield Problem(f"IR version {model.ir_version}", where, f"3 to {newest}")
    if not model.graph.node:
        yield Problem("The graph has no operators", where)


def _content_problems(model: onnx.ModelProto, where: str) -> Iterator[Problem]:
    local = {(function.domain, function.name) for function in model.functions}
    graphs = [model.graph]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if graphs:
            graph = graphs.pop()
            nodes.extend(graph.node)
            yield from _outside(graph.initializer, where)
            yield from _outside(
                [part for item in graph.sparse_initializer for part in (item.values, item.indices)], where
            )
            continue
        node = nodes.pop()
        if node.domain not in STANDARD_DOMAINS and (node.domain, node.op_type) not in local:
            yield Problem(
                f"Operator {node.op_type} is of the domain {node.domain!r}", where, "a standard ONNX operator"
            )
        for attribute in node.attribute:
            yield from _outside([attribute.t, *attribute.tensors], where)
            graphs.extend([attribute.g] if attribute.HasField("g") else [])
            graphs.extend(attribute.graphs)


def _outside(tensors: object, where: str) -> Iterator[Problem]:
    for tensor in tensors:  # type: ignore[attr-defined]
        if tensor.data_location == 1 or tensor.external_data:  # TensorProto.EXTERNAL
            places = ", ".join(entry.value for entry in tensor.external_data if entry.key == "location")
            yield Problem(f"The tensor {tensor.name!r} lies outside the file ({places})", where, "weights inside")
