"""The one figure that is watched while a model is trained: drawn as a curve, and what early stopping goes by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.contract.tasks import Task
from core.measures.classification import roc_auc
from core.measures.multiclass import class_arrays, row_figures
from core.measures.regression import rmse


@dataclass(frozen=True)
class Watched:
    """A figure on the validation rows; ``name`` is that of its curve."""

    name: str
    words: str
    measure: Callable[[Any, Any], float]
    higher_is_better: bool

    def gain(self, value: float) -> float:
        """The figure so that more is better."""
        return value if self.higher_is_better else -value


def _log_loss(label: Any, probability: Any) -> float:
    y, p, _ = class_arrays(label, probability)
    return float(row_figures(y, p, top=p.shape[1])["log_loss"].mean())


WATCHED: dict[Task, Watched] = {
    "binary": Watched("validate_auc", "validation AUC", roc_auc, higher_is_better=True),
    "multiclass": Watched("validate_log_loss", "validation log loss", _log_loss, higher_is_better=False),
    "regression": Watched("validate_rmse", "validation RMSE", rmse, higher_is_better=False),
}
