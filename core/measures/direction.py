"""Which figures are better when they are lower. One list: a search, a champion, a baseline and a gate must agree."""

from __future__ import annotations

LOWER_IS_BETTER = frozenset(
    {
        "brier",
        "log_loss",
        "expected_cost",
        "error_rate",
        "ece",
        "rmse",
        "mae",
        "mape",
        "pinball",
        "median_error",
        "mean_loss",
    }
)


def lower_is_better(figure: str) -> bool:
    """Whether less of a figure is better; ``figure`` may be dotted or a curve's name (``validate_log_loss``)."""
    return figure.rpartition(".")[2].removeprefix("validate_") in LOWER_IS_BETTER
