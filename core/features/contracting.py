"""The contract of a model, read off a training set: fields, levels, checks, views."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl

from core.contract.schema import Check, Contract, Feature, Field_, ViewRef
from core.contract.tasks import output_of
from core.features.asof import max_age_s
from core.features.build import raw_fields
from core.features.expressions import columns_read
from core.features.views import features_of
from core.kernel.errors import InputError
from core.project.schema import Project, RequestFeature

MOST_CLASSES = 1_000
RARE = 20  # rows of the train split below which a level is treated as unknown
FieldType = Literal["int", "float", "text", "bool", "time"]


def contract_of(project: Project, training_set: Path, version: str) -> Contract:
    """The contract that training, serving and monitoring share.

    Types and nulls are as seen in the whole training set; levels and
    ranges come from the **train split only**, so that nothing of later rows is learned.

    Raises:
        InputError: when the train split is empty, or its labels cannot be the classes of a model.
    """
    frame = pl.read_parquet(training_set)
    train = frame.filter(pl.col("split") == "train")
    if not train.height:
        raise InputError("The train split has no rows", where="split.train")
    fields = [_field(frame, "prediction_time"), *(_field(frame, name) for name in raw_fields(project))]
    return Contract(
        model=project.project,
        version=version,
        fields=fields,
        key=project.events.key,
        time_field="prediction_time",
        features=contract_features(project, train),
        views=[
            ViewRef(name=name, entity=view.entity, features=features_of(view), max_age_s=max_age_s(view))
            for name, view in project.features.views.items()
        ],
        checks=request_checks(project, train, fields),
        task=project.label.task,
        classes=classes_of(project, train),
        output=output_of(project.label.task),
        latency_budget_ms=_latency_budget(project),
        personal=sorted({name for source in project.sources.values() for name in source.personal}),
    )


def classes_of(project: Project, train: pl.DataFrame) -> list[str]:
    """The distinct labels of the train split, sorted; none unless the task has several classes.

    Raises:
        InputError: when there is one class only, or so many that the label must be a number.
    """
    if project.label.task != "multiclass":
        return []
    classes = train["label"].drop_nulls().unique().sort().to_list()
    if not 2 <= len(classes) <= MOST_CLASSES:
        raise InputError(
            f"The train split has {len(classes):,} classes",
            where="label.expression",
            detail=f"2 to {MOST_CLASSES:,} are allowed",
            remedy="Check the label's expression; a number is predicted with task: regression",
        )
    return classes


def contract_features(project: Project, train: pl.DataFrame) -> list[Feature]:
    """Features in order, with the levels of categories as seen in the train split."""
    out = []
    for name, feature in project.features.request.items():
        levels = levels_of(train[name]) if feature.kind == "category" else []
        out.append(
            Feature(name=name, kind=feature.kind, origin="request", expression=feature.expression, levels=levels)
        )
    for view_name, view in project.features.views.items():
        for name in features_of(view):
            text = train[name].dtype == pl.String
            kind: Literal["number", "category"] = "category" if text else "number"
            levels = levels_of(train[name]) if text else []
            out.append(Feature(name=name, kind=kind, origin="view", view=view_name, levels=levels))
    return out


def levels_of(column: pl.Series) -> list[str]:
    """Sorted levels with at least :data:`RARE` rows; rarer ones share the code of the unknown."""
    counts = column.drop_nulls().cast(pl.String).to_frame("level").group_by("level").len()
    return counts.filter(pl.col("len") >= RARE)["level"].sort().to_list()


def request_checks(project: Project, train: pl.DataFrame, fields: list[Field_]) -> list[Check]:
    """Checks on a request: shape and types refuse it, unseen levels and ranges only warn."""
    names = [field.name for field in fields]
    checks = [Check(kind="columns", columns=names, name="All fields are present")]
    checks += [Check(kind="type", columns=[field.name], type=field.type) for field in fields]
    checks += [Check(kind="not_null", columns=[field.name]) for field in fields if not field.nullable]
    seen = set()
    for name, feature in project.features.request.items():
        for column in columns_read(feature.expression, f"features.request.{name}"):
            if column not in seen:
                seen.add(column)
                checks += _seen_values(column, feature, train)
    return checks


def _seen_values(column: str, feature: RequestFeature, train: pl.DataFrame) -> list[Check]:
    """A warning for values that the train split has never shown."""
    values = train[column]
    if values.dtype == pl.String and feature.kind == "category":
        levels: list[str | float | bool] = list(levels_of(values))
        return [
            Check(
                kind="in_set", columns=[column], values=levels, severity="warn", name=f"{column} was seen in training"
            )
        ]
    if values.dtype.is_numeric() and values.drop_nulls().len():
        low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
        name = f"{column} is in the range of training"
        return [Check(kind="between", columns=[column], min=low, max=high, severity="warn", name=name)]
    return []


def _field(frame: pl.DataFrame, name: str) -> Field_:
    return Field_(name=name, type=_type_of(frame[name].dtype), nullable=frame[name].null_count() > 0)


def _type_of(kind: pl.DataType) -> FieldType:
    if kind == pl.Boolean:
        return "bool"
    if kind.is_integer():
        return "int"
    if kind.is_float():
        return "float"
    return "time" if kind.is_temporal() else "text"


def _latency_budget(project: Project) -> float:
    """The strictest latency objective, or the contract's default."""
    stated = [slo.threshold_ms for slo in project.slos.values() if slo.threshold_ms is not None]
    return min(stated) if stated else Contract.model_fields["latency_budget_ms"].default
