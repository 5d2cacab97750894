"""Golden rows: requests whose features and output every implementation must reproduce.

They travel with a package and are checked at training, at packaging and on the target, so a changed
default, level map or null rule is caught by the name of the feature it touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.matrix import FIELD_TYPES, Matrix, transformer_of
from core.contract.requests import validate_rows
from core.contract.schema import Contract, Feature, GoldenRow
from core.kernel.clock import utc_text
from core.kernel.errors import InputError, Problem

Outputs = npt.NDArray[np.floating[Any]]


def golden_rows(
    contract: Contract, frame: pl.DataFrame, matrix: Matrix, outputs: Outputs, n: int, seed: int
) -> list[GoldenRow]:
    """``n`` rows of ``frame`` [rows, fields and view features] that cover outputs and odd values.

    Up to half are rows with a null or an unknown level, one for each feature that has any; the
    rest are spread over the quantiles of ``outputs`` [rows], or class by class over those of [rows, k].

    Raises:
        InputError: when the lengths differ or there are fewer than ``n`` rows.
    """
    if not frame.height == len(matrix) == len(outputs) or frame.height < n or n < 1:
        raise InputError(f"Golden rows need {n} rows and as many matrix rows and outputs as rows")
    odd = _odd_rows(contract, matrix, np.random.default_rng(seed), n // 2)
    along = np.asarray(outputs, dtype=np.float64)
    along = along if along.ndim == 1 else along.argmax(axis=1) + along.max(axis=1)
    spread = _spread_rows(along, n - len(odd), taken=set(odd))
    return [_golden(contract, frame, matrix, outputs, index) for index in sorted([*odd, *spread])]


def _odd_rows(contract: Contract, matrix: Matrix, rng: np.random.Generator, limit: int) -> list[int]:
    chosen: list[int] = []
    for column, feature in enumerate(contract.features):
        values = matrix[:, column]
        odd = np.flatnonzero(np.isnan(values) if feature.kind == "number" else values == len(feature.levels))
        if len(odd) and not set(odd[:1000].tolist()) & set(chosen) and len(chosen) < limit:
            chosen.append(int(rng.choice(odd)))
    return list(dict.fromkeys(chosen))


def _spread_rows(outputs: npt.NDArray[np.float64], n: int, taken: set[int]) -> list[int]:
    order = [int(i) for i in np.argsort(outputs, kind="stable") if int(i) not in taken]
    places = np.linspace(0, len(order) - 1, n).round().astype(int)
    return [order[place] for place in places]


def _golden(contract: Contract, frame: pl.DataFrame, matrix: Matrix, outputs: Outputs, index: int) -> GoldenRow:
    row = frame.row(index, named=True)
    views = [feature.name for feature in contract.features if feature.origin == "view"]
    return GoldenRow(
        fields={field.name: _plain(row[field.name]) for field in contract.fields},
        view_features={name: _plain(row.get(name)) for name in views},
        matrix=[None if math.isnan(value) else float(value) for value in matrix[index].tolist()],
        output=outputs[index].tolist(),
    )


def _plain(value: Any) -> Any:
    return utc_text(value) if isinstance(value, datetime) else value


def golden_frame(contract: Contract, rows: Sequence[GoldenRow]) -> pl.DataFrame:
    """The rows as a frame [n, fields and view features] that a transformer takes.

    Raises:
        InputError: when a row does not fit the contract's fields.
    """
    frame, report = validate_rows(contract.model_copy(update={"checks": []}), [row.fields for row in rows])
    if not report.passed:
        problems = [
            Problem(what=f"{result.name}: {result.observed}", where=f"golden row {example.row}")
            for result in report.results
            for example in result.examples
        ]
        raise InputError("The golden rows do not fit the contract", problems=problems)
    types = {"number": FIELD_TYPES["float"], "category": FIELD_TYPES["text"]}
    views = [feature for feature in contract.features if feature.origin == "view"]
    columns = [
        pl.Series(f.name, [_view_value(f, row.view_features) for row in rows], dtype=types[f.kind]) for f in views
    ]
    return frame.with_columns(columns)


def _view_value(feature: Feature, values: Mapping[str, float | str | None]) -> float | str | None:
    value = values.get(feature.name)
    if value is None:
        return None
    return str(value) if feature.kind == "category" else float(value)


def check_golden(
    contract: Contract,
    rows: Sequence[GoldenRow],
    predict: Callable[[Matrix], Outputs],
    tolerance: float = 1e-5,
) -> list[Problem]:
    """What this contract and ``predict`` ([n, d] to [n] or [n, k]) do differently from the golden rows.

    Features must agree to the last bit of float32, probabilities to ``tolerance`` and numbers to that
    part of the largest of them.
    """
    if not rows:
        return [Problem(what="there are no golden rows", remedy="Build the package again.")]
    try:
        matrix = transformer_of(contract).matrix(golden_frame(contract, rows))
    except InputError as error:
        return list(error.problems) or [Problem(what=str(error))]
    problems = [problem for i, row in enumerate(rows) for problem in _feature_problems(contract, row, matrix[i], i)]
    width = max(len(contract.classes), 1)
    outputs = np.asarray(predict(matrix), dtype=np.float64)
    if outputs.size != len(rows) * width:
        return [*problems, Problem(what=f"the model gave {outputs.size} outputs for {len(rows)} rows")]
    expected = [row.output if isinstance(row.output, list) else [row.output] for row in rows]
    return problems + _output_problems(contract, expected, outputs.reshape(-1, width), tolerance)


def _output_problems(
    contract: Contract, expected: list[list[float]], outputs: npt.NDArray[np.float64], tolerance: float
) -> list[Problem]:
    names = [f"{contract.output} of {name}" for name in contract.classes] or [contract.output]
    if contract.task == "regression":
        tolerance *= max(abs(value) for values in expected for value in values) or 1.0
    problems = []
    for index, (wanted, found) in enumerate(zip(expected, outputs.tolist(), strict=True)):
        if len(wanted) != len(found):
            problems.append(Problem(what=f"golden row {index} has {len(wanted)} outputs", expected=f"{len(found)}"))
            continue
        for name, value, output in zip(names, wanted, found, strict=True):
            if not abs(output - value) <= tolerance:
                problems.append(_differs(f"golden row {index}", name, value, output))
    return problems


def _feature_problems(contract: Contract, row: GoldenRow, found: Matrix, index: int) -> list[Problem]:
    where = f"golden row {index}"
    if len(row.matrix) != len(found):
        return [Problem(what=f"has {len(found)} features", where=where, expected=f"{len(row.matrix)}")]
    out = []
    for feature, expected, value in zip(contract.features, row.matrix, found.tolist(), strict=True):
        same = math.isnan(value) if expected is None else np.float32(expected) == np.float32(value)
        if not same:
            out.append(_differs(where, f"feature {feature.name}", expected, value))
    return out


def _differs(where: str, name: str, expected: float | None, found: float) -> Problem:
    words = "null" if math.isnan(found) else f"{found:.9g}"
    return Problem(what=f"{name} is {words}", where=where, expected="null" if expected is None else f"{expected:.9g}")
