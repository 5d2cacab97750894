"""Open Inference Protocol V2 over JSON: tensors to rows, strictly; predictions to tensors.

A request carries one tensor of shape [n] for each field of the contract. Values are never converted
between kinds: text is not a number, 1.0 is not an integer, a null needs a nullable field.
Source: kserve/open-inference-protocol, inference_rest.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from core.contract.schema import Contract
from core.kernel.errors import InputError, Problem
from core.serving.binary import binary_values, wants_binary

MOST_ROWS = 10_000
MOST_TEXT = 10_000
Value = str | float | int | bool | None

DATATYPES: dict[str, tuple[str, ...]] = {
    "int": ("INT64", "INT32", "INT16", "INT8", "UINT64", "UINT32", "UINT16", "UINT8"),
    "float": ("FP64", "FP32"),
    "text": ("BYTES",),
    "bool": ("BOOL",),
    "time": ("BYTES",),
}
RANGES = {
    f"{sign}INT{bits}": _range
    for bits in (8, 16, 32, 64)
    for sign, _range in (("", (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)), ("U", (0, 2**bits - 1)))
}


@dataclass(frozen=True)
class InferRequest:
    """A decoded request: rows of field values, given view features, and which outputs are wanted."""

    id: str | None
    rows: list[dict[str, Value]]
    given: list[dict[str, Value]] = field(default_factory=list)
    outputs: list[str] | None = None
    binary: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Input:
    """One tensor that a model takes, as the metadata states it."""

    name: str
    datatypes: tuple[str, ...]
    nullable: bool
    required: bool


def model_inputs(contract: Contract) -> list[Input]:
    """The contract's fields, then the view features, which a caller may give instead of the online store."""
    fields = [Input(item.name, DATATYPES[item.type], item.nullable, True) for item in contract.fields]
    known = {item.name for item in fields}
    view = [
        Input(item.name, DATATYPES["float" if item.kind == "number" else "text"], True, False)
        for item in contract.features
        if item.origin == "view" and item.name not in known
    ]
    return fields + view


def decode(body: bytes, raw: bytes, contract: Contract, outputs: Sequence[str]) -> InferRequest:
    """Read an inference request; ``raw`` holds the binary tensors that follow the JSON.

    Raises:
        InputError: with every problem of every tensor.
    """
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InputError("The request is not JSON", detail=str(error)) from error
    if not isinstance(document, dict) or not isinstance(document.get("inputs"), list):
        raise InputError("The request must be an object with a list 'inputs'")
    problems: list[Problem] = []
    tensors = _tensors(document["inputs"], raw, problems)
    inputs = model_inputs(contract)
    problems += _name_problems(document["inputs"], inputs)
    columns = {item.name: _column(item, tensors[item.name], problems) for item in inputs if item.name in tensors}
    _lengths(columns, problems)
    request_id = document.get("id")
    if request_id is not None and not (isinstance(request_id, str) and len(request_id) <= 200):
        problems.append(Problem("it must be text of at most 200 characters", where="id"))
    wanted, binary = _wanted(document, outputs, problems)
    if problems:
        raise InputError("The request does not fit the model's contract", problems=problems)
    names = [item.name for item in contract.fields]
    rows = [dict(zip(names, values, strict=True)) for values in zip(*(columns[name] for name in names), strict=True)]
    extra = [name for name in columns if name not in names]
    given = [{name: columns[name][row] for name in extra} for row in range(len(rows))]
    return InferRequest(request_id, rows, given, wanted, binary)


def _tensors(items: list[Any], raw: bytes, problems: list[Problem]) -> dict[str, dict[str, Any]]:
    """Tensors by name, binary data cut out of ``raw`` in order."""
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    for place, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            problems.append(Problem("a tensor needs a name", where=f"inputs[{place}]"))
            continue
        parameters = item.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is not None:
            if not isinstance(size, int) or size < 0 or offset + size > len(raw):
                problems.append(Problem("binary_data_size does not fit the body", where=item["name"]))
                continue
            item = {**item, "data": _Raw(raw[offset : offset + size])}
            offset += size
        if item["name"] in found:
            problems.append(Problem("the tensor occurs twice", where=item["name"]))
        found[item["name"]] = item
    if offset != len(raw):
        problems.append(Problem(f"{len(raw) - offset} bytes of the body belong to no tensor"))
    return found


class _Raw(bytes):
    """Binary tensor data, told apart from JSON data."""


def _name_problems(items: list[Any], inputs: list[Input]) -> list[Problem]:
    sent = {item["name"] for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
    known = {item.name for item in inputs}
    needed = [item.name for item in inputs if item.required]
    missing = [Problem("the field is missing", where=name) for name in needed if name not in sent]
    unknown = [Problem("the model has no such input", where=repr(name)[:100]) for name in sorted(sent - known)]
    return missing + unknown


def _column(wanted: Input, tensor: dict[str, Any], problems: list[Problem]) -> list[Value]:
    """One tensor as a list of Python values; problems say what does not fit."""
    datatype: Any = tensor.get("datatype")
    shape: Any = tensor.get("shape")
    data = tensor.get("data")
    if datatype not in wanted.datatypes:
        expected = " or ".join(wanted.datatypes[:2])
        problems.append(Problem(f"datatype {str(datatype)[:40]!r}", where=wanted.name, expected=expected))
        return []
    if not _is_column(shape):
        problems.append(Problem(f"shape {str(shape)[:40]}", where=wanted.name, expected="[n] with n at least 1"))
        return []
    values = binary_values(data, datatype, shape[0], wanted.name, problems) if isinstance(data, _Raw) else _flat(data)
    if len(values) != shape[0]:
        problems.append(Problem(f"{len(values)} values", where=wanted.name, expected=f"{shape[0]}, as the shape says"))
        return []
    _check_values(wanted, datatype, values, problems)
    return values


def _flat(data: Any) -> list[Any]:
    """JSON data of shape [n] or [n, 1], flat or nested, as a flat list."""
    items = data if isinstance(data, list) else []
    return [item[0] if isinstance(item, list) and len(item) == 1 else item for item in items]


def _is_column(shape: Any) -> bool:
    if not isinstance(shape, list) or len(shape) not in (1, 2) or not all(type(size) is int for size in shape):
        return False
    return bool(1 <= shape[0] <= MOST_ROWS and shape[1:] in ([], [1]))


def _check_values(wanted: Input, datatype: str, values: list[Value], problems: list[Problem]) -> None:
    """Every value of the right kind; the first offending row of each kind of complaint is told."""
    accepts = _acceptor(datatype)
    wrong = [row for row, value in enumerate(values) if value is not None and not accepts(value)]
    nulls = [] if wanted.nullable else [row for row, value in enumerate(values) if value is None]
    if wrong:
        rest = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
        kind = type(values[wrong[0]]).__name__
        problems.append(
            Problem(f"row {wrong[0]}{rest}: {kind} value does not fit", where=wanted.name, expected=datatype)
        )
    if nulls:
        rest = f" and {len(nulls) - 1} more" if len(nulls) > 1 else ""
        problems.append(Problem(f"row {nulls[0]}{rest}: null", where=wanted.name, expected="a value"))


def _acceptor(datatype: str) -> Callable[[Any], bool]:
    """Whether one JSON value is of a V2 datatype."""
    if datatype == "BOOL":
        return lambda value: type(value) is bool
    if datatype == "BYTES":
        return lambda value: type(value) is str and len(value) <= MOST_TEXT
    if datatype in RANGES:
        low, high = RANGES[datatype]
        return lambda value: type(value) is int and low <= value <= high
    return lambda value: type(value) in (int, float) and math.isfinite(value)


def _lengths(columns: dict[str, list[Value]], problems: list[Problem]) -> None:
    sizes = {name: len(values) for name, values in columns.items() if values}
    if len(set(sizes.values())) > 1:
        text = ", ".join(f"{name} {size}" for name, size in sizes.items())
        problems.append(Problem(f"tensors of different lengths: {text}", where="inputs", expected="one length"))


def _wanted(
    document: dict[str, Any], outputs: Sequence[str], problems: list[Problem]
) -> tuple[list[str] | None, set[str]]:
    """The requested outputs in their order (None: all), and those wanted as binary."""
    default = wants_binary(document.get("parameters"), "binary_data_output", False)
    asked = document.get("outputs")
    if not asked:
        return None, set(outputs) if default else set()
    names: list[str] = []
    binary: set[str] = set()
    for item in asked if isinstance(asked, list) else [None]:
        entry = item if isinstance(item, dict) else {}
        name = str(entry.get("name"))
        if name not in outputs:
            problems.append(Problem(f"no output {name[:100]!r}", where="outputs", expected=", ".join(outputs)))
        elif name not in names:
            names.append(name)
            if wants_binary(entry.get("parameters"), "binary_data", default):
                binary.add(name)
    return names, binary
