"""Trainers by name. Each is imported only when it is used: scikit-learn and torch take seconds."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

from core.kernel.errors import InputError, SystemFault
from core.project.trainers import BUILT_IN, plug_ins
from core.training.trainers.fitted import Fitted, Order

MODULES = {
    "linear": "linear",
    "logistic": "linear",
    "boosting": "boosting",
    "mlp": "mlp",
    "sklearn": "pipelines",
    "script": "scripts",
    "lightgbm": "light",
    "xgboost": "extreme",
}


def trainer_of(name: str) -> Any:
    """The module or object of a trainer: it has ``Settings``, a record, and ``fit(order, settings)``.

    Raises:
        InputError: when there is none of that name. SystemFault: when a plug-in is not a trainer.
    """
    if name in MODULES:
        return _built_in(MODULES[name])
    point = plug_ins().get(name)
    if point is None:
        raise InputError(
            f"There is no trainer {name!r}",
            detail="Trainers: " + ", ".join([*BUILT_IN, *plug_ins()]),
            remedy="Correct the name, or install the package that brings it",
        )
    try:
        found = point.load()
    except Exception as error:  # whatever another package does wrong on import is told as its fault
        raise SystemFault(f"The trainer {name!r} cannot be loaded", detail=str(error), where=point.value) from error
    lacking = [part for part in ("Settings", "fit") if not hasattr(found, part)]
    if lacking:
        raise SystemFault(f"The trainer {name!r} has no {' and no '.join(lacking)}", where=point.value)
    return found


def _built_in(module: str) -> ModuleType:
    return importlib.import_module(f"core.training.trainers.{module}")


def fit_candidate(order: Order, name: str) -> Fitted:
    """Read the settings for the candidate's trainer and fit.

    Raises:
        InputError: when there is no such trainer, or it cannot use the settings or the data.
    """
    trainer = trainer_of(order.candidate.trainer)
    settings = trainer.Settings.read(order.candidate.settings, where=f"training.candidates.{name}.settings")
    fitted: Fitted = trainer.fit(order, settings)
    return fitted
