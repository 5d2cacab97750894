"""From fields and view features to the model's matrix: one implementation for training, batch and serving.

A :class:`Transformer` is built once from a contract and then applied to frames of any height. Few
rows go through plain Python where that is the same by construction (a column as it is, a level's
index); every computed expression goes through Polars whatever the height.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from core.contract.expressions import first_line, parse_expression, roots
from core.contract.rules import type_class
from core.contract.schema import Contract, Feature
from core.kernel.errors import InputError, Problem

Matrix = npt.NDArray[np.float32]
FIELD_TYPES: dict[str, pl.DataType] = {
    "int": pl.Int64(),
    "float": pl.Float64(),
    "text": pl.String(),
    "bool": pl.Boolean(),
    "time": pl.Datetime("us", "UTC"),
}
_FEW = 8  # rows up to which plain Python beats starting the engine's column kernels
_PREFIX = "__feature__"


class Transformer:
    """A contract's request expressions and level maps, compiled.

    Raises:
        InputError: all at once, for expressions that do not parse, read an unknown field, or give a
            row another value depending on the rows beside it.
    """

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.names = [feature.name for feature in contract.features]
        self._direct: dict[str, str] = {}
        self._computed: dict[str, pl.Expr] = {}
        self._levels: dict[str, dict[str | None, int]] = {
            f.name: dict(zip(f.levels, range(len(f.levels)), strict=True)) for f in contract.features
        }
        self._accepted: list[pl.Schema] = []
        self._compile()
        self._typed = [self._final_type(feature) for feature in contract.features]
        self._coded = [_code(feature) for feature in contract.features]
        self._exprs = [expr.alias(_PREFIX + name) for name, expr in self._computed.items()]

    def _compile(self) -> None:
        problems: list[Problem] = []
        known = {field.name: FIELD_TYPES[field.type] for field in self.contract.fields}
        for feature in self.contract.features:
            if feature.origin == "view" or not feature.expression:
                self._direct[feature.name] = feature.name
                continue
            try:
                self._bind(feature, known)
            except InputError as error:
                problems.append(Problem(what=str(error), where=f"feature {feature.name}"))
        for feature in self.contract.features:
            if len(set(feature.levels)) != len(feature.levels):
                problems.append(Problem(what="names a level twice", where=f"feature {feature.name}"))
        if problems:
            raise InputError("The contract's features cannot be computed", problems=problems)

    def _bind(self, feature: Feature, known: dict[str, pl.DataType]) -> None:
        expr = parse_expression(str(feature.expression), who=f"The feature {feature.name}")
        used = roots(expr)
        missing = [name for name in used if name not in known]
        if missing:
            raise InputError(f"it reads {', '.join(missing)}, which no field of the request is called")
        if len(used) == 1 and expr.meta.eq(pl.col(used[0])):
            self._direct[feature.name] = used[0]
            return
        require_row_by_row(expr, {name: known[name] for name in used})
        self._computed[feature.name] = expr

    def _final_type(self, feature: Feature) -> pl.Expr:
        source = self._direct.get(feature.name, _PREFIX + feature.name)
        dtype: pl.DataType = pl.Float64() if feature.kind == "number" else pl.String()
        return pl.col(source).cast(dtype).alias(feature.name)

    def request_features(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The features that come from the request: ``frame`` [n, fields] to [n, request features]."""
        wanted = [f.name for f in self.contract.features if f.origin == "request"]
        return self.assemble(frame).select(wanted)

    def assemble(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Raw features in contract order [n, d]: numbers as Float64, categories as String.

        View features are columns of ``frame`` by name; an absent one is null.
        """
        out = self._evaluated(frame)
        absent = [pl.lit(None).alias(name) for name in self._direct.values() if name not in out.columns]
        return out.with_columns(absent).select(self._typed)

    def _evaluated(self, frame: pl.DataFrame) -> pl.DataFrame:
        try:
            out = frame.with_columns_seq(self._exprs) if self._exprs else frame
        except pl.exceptions.PolarsError as error:
            raise InputError("A feature cannot be computed from these rows", detail=first_line(error)) from error
        found = out.schema
        if found not in self._accepted:
            self._refuse_types(found)
            self._accepted = [*self._accepted[-7:], found]
        return out

    def _refuse_types(self, schema: pl.Schema) -> None:
        problems = []
        for feature in self.contract.features:
            kind = type_class(schema.get(self._direct.get(feature.name, _PREFIX + feature.name), pl.Null()))
            allowed = ("int", "float", "bool") if feature.kind == "number" else ("text", "int", "bool")
            if kind not in (*allowed, "no values"):
                problems.append(Problem(what=f"is {kind}", where=f"feature {feature.name}", expected=feature.kind))
        if problems:
            raise InputError("Features have the wrong type", problems=problems)

    def to_matrix(self, features: pl.DataFrame) -> Matrix:
        """Raw features [n, d] to float32 [n, d], C order: null numbers are NaN, categories their code.

        An unknown or null category becomes ``len(levels)``.
        """
        if features.height <= _FEW:
            return self._few(features.select(self.names).rows())
        coded = features.select(self._coded)
        return np.ascontiguousarray(coded.to_numpy(), dtype=np.float32)

    def matrix(self, frame: pl.DataFrame) -> Matrix:
        """``to_matrix(assemble(frame))``, with a short way for few rows."""
        if frame.height > _FEW:
            return self.to_matrix(self.assemble(frame))
        out = self._evaluated(frame)
        columns = [self._direct.get(name, _PREFIX + name) for name in self.names]
        return self._few(out.rows(named=True), columns)

    def _few(self, rows: list[Any], columns: list[str] | None = None) -> Matrix:
        """Matrix of a few rows, cell by cell; ``columns`` names the cells of rows that are dicts."""
        out = np.empty((len(rows), len(self.names)), dtype=np.float32)
        for i, row in enumerate(rows):
            cells = row if columns is None else [row.get(column) for column in columns]
            for j, (feature, value) in enumerate(zip(self.contract.features, cells, strict=True)):
                if feature.kind == "category":
                    levels = self._levels[feature.name]
                    out[i, j] = levels.get(_category(value), len(levels))
                else:
                    out[i, j] = _single(np.nan if value is None else float(value))
        return out


def require_row_by_row(expr: pl.Expr, types: dict[str, pl.DataType]) -> None:
    """Refuse an expression whose value for a row depends on the rows around it.

    It is asked for three rows together and for each alone. An expression that cannot be evaluated
    on the probe (a text that must be a number) is not judged here.

    Raises:
        InputError: when the answers differ: an aggregate or a window over rows.
    """
    probe = pl.DataFrame(
        {name: _probe_values(dtype) for name, dtype in types.items()},
        schema=types,
    )
    try:
        together = probe.select(expr.alias("it"))["it"].to_list()
        alone = [probe[i : i + 1].select(expr.alias("it"))["it"].to_list() for i in range(probe.height)]
    except pl.exceptions.PolarsError:
        return
    flat = [value for values in alone for value in values]
    constant = not types and len(together) == 1
    if not constant and repr(together) != repr(flat):
        raise InputError(
            "its value for one row depends on other rows",
            remedy="Use a feature view for aggregates: a request is scored alone.",
        )


def _probe_values(dtype: pl.DataType) -> list[Any]:
    values: dict[str, list[Any]] = {
        "int": [3, 1, 2],
        "float": [3.5, 1.25, 2.0],
        "text": ["b", "a", "c"],
        "bool": [True, False, True],
        "time": [1_000_000_000_000_000, 1_350_000_000_000_000, 1_200_000_000_000_000],
    }
    raw = values[type_class(dtype)]
    return pl.Series(raw).cast(dtype).to_list() if type_class(dtype) == "time" else raw


def _category(value: Any) -> str | None:
    """A category's text, as Polars casts it: ``true``/``false`` for truths."""
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _single(value: float) -> np.float32:
    with np.errstate(over="ignore"):
        return np.float32(value)


def _code(feature: Feature) -> pl.Expr:
    if feature.kind == "number":
        return pl.col(feature.name).cast(pl.Float32).fill_null(float("nan"))
    if not feature.levels:
        return (pl.col(feature.name).is_null().cast(pl.Float32) * 0.0).alias(feature.name)
    codes = pl.col(feature.name).cast(pl.Enum(feature.levels), strict=False).to_physical()
    return codes.cast(pl.Float32).fill_null(float(len(feature.levels)))


@lru_cache(maxsize=16)
def _by_text(text: str) -> Transformer:
    return Transformer(Contract.model_validate_json(text))


def transformer_of(contract: Contract) -> Transformer:
    """The compiled form of ``contract``; equal contracts share one."""
    return _by_text(contract.model_dump_json())


def request_features(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """See :meth:`Transformer.request_features`."""
    return transformer_of(contract).request_features(frame)


def assemble(contract: Contract, frame: pl.DataFrame) -> pl.DataFrame:
    """See :meth:`Transformer.assemble`."""
    return transformer_of(contract).assemble(frame)


def to_matrix(contract: Contract, features: pl.DataFrame) -> Matrix:
    """See :meth:`Transformer.to_matrix`."""
    return transformer_of(contract).to_matrix(features)
