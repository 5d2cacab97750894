"""Searching settings with Optuna: what to try next, what is hopeless, which settings mattered.

The search keeps nothing: it is told of all finished trials when it begins, so that it goes on wherever it stopped.
Settings are drawn by a tree-structured Parzen estimator (Bergstra et al. 2011); a trial is hopeless when at its
present step it is worse than the median of the others (Golovin et al. 2017); the importance of a setting is
PED-ANOVA's (Watanabe et al. 2023), the shares adding to one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field

from core.kernel.errors import InputError
from core.kernel.records import Record
from core.project.schema import Dimension

TrialState = Literal["done", "pruned", "failed"]
STARTUP = 6  # trials drawn at random, and finished before any is called hopeless
MEANT = 4  # finished trials from which the importance of settings means something


class Trial(Record):
    """One try: its settings, how it ended, the goal it reached, and the curve of it that was heard."""

    number: int
    settings: dict[str, Any]
    state: TrialState
    value: float | None = None
    curve: dict[int, float] = Field(default_factory=dict)
    run: str = ""
    seconds: float = 0.0
    reason: str = ""


class SettingsSearch:
    """Asks and tells. Only one thread may use it at a time."""

    def __init__(
        self, space: Mapping[str, Dimension], *, lower: bool, seed: int, finished: Sequence[Trial] = ()
    ) -> None:
        import optuna  # half a second that only a search pays

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._optuna = optuna
        self._distributions = {name: _distribution(optuna, dimension) for name, dimension in space.items()}
        sampler = optuna.samplers.TPESampler(seed=seed + len(finished), n_startup_trials=STARTUP, constant_liar=True)
        pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=2)
        direction = optuna.study.StudyDirection.MINIMIZE if lower else optuna.study.StudyDirection.MAXIMIZE
        self._study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)
        self._open: dict[int, Any] = {}
        for trial in finished:
            self._study.add_trial(self._frozen(trial))

    def ask(self) -> tuple[int, dict[str, Any]]:
        """The number of the next trial, from 0, and its settings."""
        trial = self._study.ask(self._distributions)
        self._open[trial.number] = trial
        return trial.number, dict(trial.params)

    def hopeless(self, number: int, step: int, value: float) -> bool:
        """Take in a point of a trial's curve; whether the trial may as well stop."""
        trial = self._open[number]
        if not math.isfinite(value):
            return False
        trial.report(value, step)
        return bool(trial.should_prune())

    def tell(self, number: int, state: TrialState, value: float | None) -> None:
        """A trial ended."""
        states = self._optuna.trial.TrialState
        if state == "done" and value is not None and math.isfinite(value):
            self._study.tell(self._open.pop(number), value)
        else:
            self._study.tell(self._open.pop(number), state=states.PRUNED if state == "pruned" else states.FAIL)

    def importance(self) -> dict[str, float]:
        """The share of each setting in what made trials good; empty while too few have ended."""
        done = [trial for trial in self._study.trials if trial.state.name == "COMPLETE"]
        if len(done) < MEANT or len({trial.value for trial in done}) < 2:
            return {}
        evaluator = self._optuna.importance.PedAnovaImportanceEvaluator()
        found = self._optuna.importance.get_param_importances(self._study, evaluator=evaluator)
        return {name: round(float(share), 4) for name, share in found.items()}

    def _frozen(self, trial: Trial) -> Any:
        states = self._optuna.trial.TrialState
        state = {"done": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[trial.state]
        return self._optuna.trial.create_trial(
            state=state,
            value=trial.value if trial.state == "done" else None,
            params=trial.settings,
            distributions=self._distributions,
            intermediate_values=trial.curve,
        )


def best_of(trials: Sequence[Trial], *, lower: bool) -> Trial | None:
    """The finished trial with the best goal; of equal ones the first."""
    done = [trial for trial in trials if trial.state == "done" and trial.value is not None]
    return min(done, key=lambda trial: (trial.value or 0.0) * (1 if lower else -1), default=None)


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    kinds = optuna.distributions
    if dimension.choices:
        return kinds.CategoricalDistribution(dimension.choices)
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.whole:
        step = int(dimension.step or 1)
        return kinds.IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log, step=step)
    return kinds.FloatDistribution(dimension.low, dimension.high, log=dimension.log, step=dimension.step)


DEFAULT_SPACES: dict[str, dict[str, Dimension]] = {
    "logistic": {"c": Dimension(low=1e-4, high=10.0, log=True)},
    "linear": {"c": Dimension(low=1e-4, high=10.0, log=True)},
    "boosting": {
        "learning_rate": Dimension(low=0.02, high=0.4, log=True),
        "iterations": Dimension(low=40, high=400, whole=True, log=True),
        "leaves": Dimension(low=7, high=127, whole=True, log=True),
        "min_leaf": Dimension(low=10, high=400, whole=True, log=True),
    },
    "lightgbm": {
        "learning_rate": Dimension(low=0.02, high=0.4, log=True),
        "iterations": Dimension(low=40, high=400, whole=True, log=True),
        "leaves": Dimension(low=7, high=127, whole=True, log=True),
        "min_leaf": Dimension(low=5, high=200, whole=True, log=True),
    },
    "xgboost": {
        "learning_rate": Dimension(low=0.02, high=0.4, log=True),
        "iterations": Dimension(low=40, high=400, whole=True, log=True),
        "leaves": Dimension(low=7, high=127, whole=True, log=True),
        "min_child_weight": Dimension(low=1, high=50, log=True),
    },
    "mlp": {
        "learning_rate": Dimension(low=2e-4, high=1e-2, log=True),
        "dropout": Dimension(low=0.0, high=0.4),
        "embedding": Dimension(low=2, high=24, whole=True),
        "weight_decay": Dimension(low=1e-7, high=1e-2, log=True),
    },
}


def space_of(trainer: str, declared: Mapping[str, Dimension]) -> dict[str, Dimension]:
    """The declared space, or the usual one of a built-in trainer.

    Raises:
        InputError: when neither is there.
    """
    space = dict(declared) or DEFAULT_SPACES.get(trainer, {})
    if not space:
        raise InputError(
            f"There is no space to search for the trainer {trainer!r}",
            remedy="Declare one under `training.search` in plimsoll.yaml.",
        )
    return space
