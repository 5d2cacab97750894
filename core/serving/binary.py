"""The binary tensor extension of V2 (Triton's extension_binary_data): raw little-endian tensors after the JSON."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from core.kernel.errors import Problem

NUMPY = {
    "BOOL": "?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP32": "<f4",
    "FP64": "<f8",
}


def wants_binary(parameters: Any, name: str, default: bool) -> bool:
    """A boolean parameter of a request or of one output."""
    value = parameters.get(name, default) if isinstance(parameters, dict) else default
    return value is True


def binary_values(data: bytes, datatype: str, count: int, name: str, problems: list[Problem]) -> list[Any]:
    """``count`` Python values of one tensor; BYTES are length-prefixed UTF-8. Problems are added, none raised."""
    try:
        if datatype == "BYTES":
            return _texts(data)
        return list(np.frombuffer(data, dtype=NUMPY[datatype]).tolist())
    except (ValueError, struct.error, UnicodeDecodeError):
        problems.append(Problem(f"its {len(data)} bytes are not {count} values of {datatype}", where=name))
        return []


def _texts(data: bytes) -> list[str]:
    out: list[str] = []
    offset = 0
    while offset < len(data):
        (size,) = struct.unpack_from("<I", data, offset)
        offset += 4
        if offset + size > len(data):
            raise ValueError("a text goes beyond the end")
        out.append(data[offset : offset + size].decode())
        offset += size
    return out


def binary_bytes(values: list[Any], datatype: str) -> bytes:
    """One output tensor as raw bytes."""
    if datatype == "BYTES":
        encoded = [str(value).encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return np.asarray(values, dtype=NUMPY[datatype]).tobytes()
