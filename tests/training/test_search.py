"""A search that is told of earlier trials: it drops what is hopeless, ranks what mattered, and refuses no space."""

from __future__ import annotations

import pytest

from core.kernel.errors import InputError
from core.measures.direction import lower_is_better
from core.project.schema import Dimension
from core.training.search import SettingsSearch, Trial, best_of, space_of

SPACE = {"rate": Dimension(low=0.01, high=1.0, log=True), "noise": Dimension(low=0, high=9, whole=True)}


def ended(number: int, rate: float, value: float) -> Trial:
    curve = {1: value - 0.1, 2: value - 0.05, 3: value}
    return Trial(number=number, settings={"rate": rate, "noise": number}, state="done", value=value, curve=curve)


def test_hopeless_trials_and_what_mattered() -> None:
    trials = [ended(number, rate, rate * 0.3 + 0.6) for number, rate in enumerate((0.02, 0.1, 0.3, 0.5, 0.7, 0.9))]
    search = SettingsSearch(SPACE, lower=False, seed=7, finished=trials)
    number, settings = search.ask()
    assert number == len(trials)
    assert 0.01 <= settings["rate"] <= 1.0
    assert not search.hopeless(number, 1, 0.1)  # too early to judge
    assert search.hopeless(number, 3, 0.5)
    assert not search.hopeless(number, 4, float("nan"))
    search.tell(number, "pruned", None)
    assert next(iter(search.importance())) == "rate"
    assert sum(search.importance().values()) == pytest.approx(1.0, abs=1e-3)
    best, worst = best_of(trials, lower=False), best_of(trials, lower=True)
    assert best is not None
    assert worst is not None
    assert (best.number, worst.number) == (5, 0)
    assert best_of([trial.model_copy(update={"state": "failed"}) for trial in trials], lower=False) is None


def test_a_trainer_without_a_space_is_refused() -> None:
    assert "learning_rate" in space_of("boosting", {})
    assert space_of("own", SPACE) == SPACE
    with pytest.raises(InputError, match="no space to search"):
        space_of("own", {})


@pytest.mark.parametrize("figure", ["validate.mape", "test.pinball", "validate_log_loss", "rmse"])
def test_an_error_is_better_when_it_is_lower(figure: str) -> None:
    assert lower_is_better(figure)
    assert not lower_is_better("validate.roc_auc")
