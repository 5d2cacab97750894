"""XGBoost, an optional package: its trees on ordinal codes and plain numbers, written into our own graph.

Measured: training that is continued from saved trees equals an unbroken one to the bit only if nothing is
sampled, for samplers keep a state that is not saved. So every stretch begins from the saved bytes of the one
before, in a run that is never broken too, and a killed run goes the same way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from core.contract.tasks import Task
from core.kernel.errors import InputError
from core.kernel.records import Record
from core.training.checkpoints import CHECKPOINT, Arrays, identity_of, read_arrays, write_arrays
from core.training.matrices import Matrix, TrainingData
from core.training.trainers.fitted import Fitted, Order
from core.training.trainers.tree_graph import Tree, just_below, tree_graph
from core.training.watching import WATCHED
from core.training.weighing import CLASS_WEIGHT_WORDS, ClassWeight, row_weights

OBJECTIVES: dict[Task, str] = {
    "binary": "binary:logistic",
    "multiclass": "multi:softprob",
    "regression": "reg:squarederror",
}
Booster = Any  # of a package that may not be there


class Settings(Record):
    """Settings of the XGBoost trainer."""

    iterations: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=0.06, gt=0, le=1)
    leaves: int = Field(default=31, ge=2)
    min_child_weight: float = Field(default=1.0, ge=0, description="Least sum of second derivatives in a leaf")
    l1: float = Field(default=0.0, ge=0)
    l2: float = Field(default=1.0, ge=0)
    feature_share: float = Field(default=1.0, gt=0, le=1, description="Share of the features that a tree may use")
    row_share: float = Field(default=1.0, gt=0, le=1, description="Share of the rows that a tree is grown from")
    patience: int = Field(
        default=0, ge=0, description="Stop after so many iterations without a better validation figure; 0: never"
    )
    class_weight: ClassWeight = Field(default="none", description=CLASS_WEIGHT_WORDS)
    report_every: int = Field(
        default=20, ge=1, description="Iterations between two points of the curves, and two checkpoints"
    )
    device: Literal["cpu", "cuda"] = "cpu"
    threads: int = Field(default=1, ge=1, description="Part of the result: sums depend on it")


@dataclass(frozen=True)
class _State:
    """The bytes of the model after ``done`` iterations, and which iteration was the best at ``gain``."""

    model: bytes = b""
    done: int = 0
    best: int = 0
    gain: float = -np.inf

    def arrays(self) -> Arrays:
        return {"model": np.frombuffer(self.model, dtype=np.uint8), "counts": np.array([self.done, self.best]),
                "gain": np.array(self.gain)}  # fmt: skip

    @staticmethod
    def read(saved: Arrays | None) -> _State:
        if saved is None:
            return _State()
        done, best = (int(count) for count in saved["counts"])
        return _State(saved["model"].tobytes(), done, best, float(saved["gain"]))


def fit(order: Order, settings: Settings) -> Fitted:
    """Fit in short stretches, deterministically, and write the trees into a graph.

    Raises:
        InputError: when the package or the GPU that is asked for cannot be used, or a feature is infinite.
    """
    xgboost = _package()
    data = order.data
    _finite(data)
    parameters = _parameters(data, settings, order.seed)
    identity, path = identity_of(order, settings, str(xgboost.__version__)), order.folder / CHECKPOINT
    state = begun = _State.read(read_arrays(path, identity))
    if begun.done:
        order.progress.log(f"Going on after {begun.done} iterations of an interrupted run")
    weight = row_weights(data, settings.class_weight)
    rows = xgboost.DMatrix(data.x, data.y, weight=weight, nthread=settings.threads)
    _on_device(xgboost, parameters, rows, settings.device)
    for state in _stretches(xgboost, order, settings, parameters, rows, begun):
        write_arrays(path, identity, state.arrays())
    rounds = state.best if settings.patience else state.done
    booster = _loaded(xgboost, {**parameters, "device": "cpu"}, [], state.model)

    def native(x: Matrix) -> npt.NDArray[np.float64]:
        return _predicted(xgboost, booster, x, settings.threads, rounds)

    graph = tree_graph(*_trees(booster, data, rounds), data)
    plain = settings.plain()
    return Fitted(graph, native, rounds, plain, settings.threads, device=settings.device, resumed_from=begun.done)


def _package() -> Any:
    try:
        import xgboost
    except (ImportError, OSError) as error:
        raise InputError(
            "The trainer xgboost needs the package xgboost-cpu or xgboost, which cannot be used here",
            detail=str(error),
            remedy="Install plimsoll-console[boosters]; the trainer boosting needs nothing more",
        ) from error
    return xgboost


def _finite(data: TrainingData) -> None:
    bad = np.isinf(data.x).any(axis=0) | np.isinf(data.x_validate).any(axis=0)
    if bad.any():
        names = [data.columns.names[place] for place in np.flatnonzero(bad)]
        raise InputError(
            "XGBoost takes no infinite numbers",
            where=f"features: {', '.join(names)}",
            remedy="Let the expression of the feature give null there",
        )


def _parameters(data: TrainingData, settings: Settings, seed: int) -> dict[str, Any]:
    return {
        "objective": OBJECTIVES[data.task],
        "tree_method": "hist",
        "grow_policy": "lossguide",
        "max_depth": 0,  # the count of leaves is the bound
        "max_leaves": settings.leaves,
        "learning_rate": settings.learning_rate,
        "min_child_weight": settings.min_child_weight,
        "alpha": settings.l1,
        "lambda": settings.l2,
        "colsample_bytree": settings.feature_share,
        "subsample": settings.row_share,
        "seed": seed,
        "seed_per_iteration": True,  # a stretch draws by the number of its iterations, not as the first one did
        "nthread": settings.threads,
        "device": settings.device,
        "verbosity": 0,
    } | ({"num_class": data.outputs} if data.task == "multiclass" else {})


def _on_device(xgboost: Any, parameters: dict[str, Any], rows: Any, device: str) -> None:
    """Where a GPU is asked for and cannot be had, XGBoost goes on with the CPU and only warns; we refuse."""
    if device == "cpu":
        return
    remedy = "Set device: cpu, or put the full package in place of the small one: pip uninstall xgboost-cpu, then"
    if not xgboost.build_info().get("USE_CUDA"):
        raise InputError("The XGBoost that is installed is built without CUDA", remedy=f"{remedy} pip install xgboost")
    config = json.loads(xgboost.Booster(parameters, [rows]).save_config())
    if not config["learner"]["generic_param"]["device"].startswith("cuda"):
        raise InputError("XGBoost finds no GPU here", remedy="Set device: cpu")


def _loaded(xgboost: Any, parameters: dict[str, Any], cache: list[Any], model: bytes) -> Booster:
    booster = xgboost.Booster(parameters, cache)
    if model:
        booster.load_model(bytearray(model))
        booster.set_param(parameters)
    return booster


def _stretches(
    xgboost: Any, order: Order, settings: Settings, parameters: dict[str, Any], rows: Any, state: _State
) -> Iterator[_State]:
    """The state after each stretch, until all iterations are done or the figure has long been no better."""
    data, progress, watched = order.data, order.progress, WATCHED[order.data.task]
    while state.done < settings.iterations:
        if settings.patience and state.best and state.done - state.best >= settings.patience:
            progress.log(f"No better {watched.words} since iteration {state.best}: stopped")
            return
        done = min(state.done + settings.report_every, settings.iterations)
        booster = _loaded(xgboost, parameters, [rows], state.model)
        for iteration in range(state.done, done):
            progress.check()
            booster.update(rows, iteration)
        value = watched.measure(data.y_validate, _predicted(xgboost, booster, data.x_validate, settings.threads, done))
        model, gain = bytes(booster.save_raw("ubj")), watched.gain(value)
        better = gain > state.gain
        state = _State(model, done, done if better else state.best, gain if better else state.gain)
        yield state
        progress.metric(watched.name, done, value)
        progress.step(done, settings.iterations, f"{done} iterations: {watched.words} {value:.4g}")


def _predicted(xgboost: Any, booster: Booster, x: Matrix, threads: int, rounds: int) -> npt.NDArray[np.float64]:
    """The task's answer of the first ``rounds`` iterations."""
    answer = booster.predict(xgboost.DMatrix(x, nthread=threads), iteration_range=(0, rounds))
    return np.asarray(answer, dtype=np.float64)


def _trees(booster: Booster, data: TrainingData, rounds: int) -> tuple[list[Tree], list[float]]:
    """The trees of the first ``rounds`` iterations, and what each output begins with."""
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    model = learner["gradient_booster"]["model"]
    trees = [_tree(tree, target) for tree, target in zip(model["trees"], model["tree_info"], strict=True)]
    base = np.atleast_1d(np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32))
    if data.task == "binary":  # the only one that is not kept as a sum of leaves: a probability
        base = -np.log(np.float32(1) / base - np.float32(1))
    return trees[: rounds * data.outputs], [float(value) for value in np.broadcast_to(base, data.outputs)]


def _tree(tree: dict[str, Any], target: int) -> Tree:
    """XGBoost's lists: a row goes left if its float32 value is *below* the split, or missing and told so.

    The value of a leaf stands where other nodes have their split.
    """
    left, conditions = np.array(tree["left_children"]), np.array(tree["split_conditions"], dtype=np.float32)
    return Tree(
        leaf=left < 0,
        feature=np.array(tree["split_indices"]),
        split=just_below(conditions),
        left=left,
        right=np.array(tree["right_children"]),
        missing_left=np.array(tree["default_left"], dtype=np.int64),
        value=conditions,
        target=target,
    )
