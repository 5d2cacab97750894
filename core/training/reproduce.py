"""Is a run that was made again the same run? And what differs between then and now?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from core.kernel.errors import SystemFault
from core.kernel.records import Record
from core.training.records import RunEnvironment

TOLERANCE = 1e-6  # of a probability or of a prediction in its own unit, relative above one
DECISIVE = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "lightgbm",
    "xgboost",
    "xgboost-cpu",
    "onnx",
    "onnxruntime",
    "skl2onnx",
    "polars",
)

Verdict = Literal["identical", "within tolerance", "different"]


class Difference(Record):
    """One thing that is not as it was. ``decisive`` is what may change the numbers of a run."""

    what: str
    then: str
    now: str
    decisive: bool


class Reproduction(Record):
    """A run made again from what was recorded of it."""

    verdict: Verdict
    model_then: str
    model_now: str
    rows: int = Field(description="Rows whose predictions were compared; 0 where the models are the same bytes")
    largest_difference: float
    tolerance: float = TOLERANCE
    environment: list[Difference]
    seconds: float

    @property
    def summary(self) -> str:
        """The verdict in a line, with what may explain it."""
        told = {
            "identical": "The model is the same, byte for byte",
            "within tolerance": f"Not the same bytes, but no prediction differs by more than {self.tolerance:g}",
            "different": f"Predictions differ by up to {self.largest_difference:.3g}",
        }[self.verdict]
        reasons = [item.what for item in self.environment if item.decisive]
        return told + (f"; changed since: {', '.join(reasons)}" if reasons else "")


def compare_environments(then: RunEnvironment, now: RunEnvironment) -> list[Difference]:
    """What differs, in the order in which it is most likely to matter: code, Python, packages, processors."""
    found = _differences("code", _code(then), _code(now), decisive=True)
    found += _differences("Python", {"": then.python}, {"": now.python}, decisive=True)
    packages = _differences("package", then.packages, now.packages, decisive=False)
    decisive = {f"package {name}" for name in DECISIVE}
    packages = [item.model_copy(update={"decisive": item.what in decisive}) for item in packages]
    found += sorted(packages, key=lambda item: not item.decisive)
    found += _differences("processor", {"": then.cpu}, {"": now.cpu}, decisive=True)
    found += _differences("GPU", _gpus(then), _gpus(now), decisive=True)
    found += _differences("variable", then.variables, now.variables, decisive=True)
    return found + _differences("system", {"": then.system}, {"": now.system}, decisive=False)


def _code(environment: RunEnvironment) -> dict[str, str]:
    code = environment.code
    return {"commit": code.commit or "none", "changes": code.changes or "none"}


def _gpus(environment: RunEnvironment) -> dict[str, str]:
    return {str(number): f"{gpu.name}, driver {gpu.driver}" for number, gpu in enumerate(environment.gpus)}


def _differences(kind: str, then: Mapping[str, str], now: Mapping[str, str], *, decisive: bool) -> list[Difference]:
    return [
        Difference(
            what=f"{kind} {name}".strip(),
            then=then.get(name, "absent"),
            now=now.get(name, "absent"),
            decisive=decisive,
        )
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]


def largest_difference(then: Path, now: Path) -> tuple[int, float]:
    """Rows that both prediction files hold, and the largest difference of any score in them.

    A difference is relative where the score is above one, as a predicted amount may be.

    Raises:
        SystemFault: when the files have no score in common.
    """
    first, second = pl.scan_parquet(then), pl.scan_parquet(now)
    names = [name for name in _scores(first) if name in _scores(second)]
    if not names:
        raise SystemFault("The two prediction files have no score in common", where=then.name)
    both = first.select("split", "key", *names).join(
        second.select("split", "key", *(pl.col(name).alias(f"{name} now") for name in names)), on=["split", "key"]
    )
    gaps = [((pl.col(name) - pl.col(f"{name} now")).abs() / pl.col(name).abs().clip(lower_bound=1.0)) for name in names]
    rows, worst = both.select(pl.len(), pl.max_horizontal(gaps).max().alias("worst")).collect().row(0)
    return int(rows), float(worst or 0.0)


def _scores(frame: pl.LazyFrame) -> list[str]:
    names = frame.collect_schema().names()
    return [name for name in names if name.startswith("probability") or name == "prediction"]


def judge(model_then: str, model_now: str, largest: float) -> Verdict:
    """Identical by digest, within tolerance by predictions, or different."""
    if model_then == model_now:
        return "identical"
    return "within tolerance" if largest <= TOLERANCE else "different"


def reproduction(
    *, recorded: Mapping[str, Any], model_now: str, predictions: Path, environment: RunEnvironment, seconds: float
) -> Reproduction:
    """Compare a run made again with the recorded one.

    Args:
        recorded: ``model`` digest, ``predictions`` path and ``environment`` of the first run.
    """
    rows, largest = 0, 0.0
    if recorded["model"] != model_now:
        rows, largest = largest_difference(Path(recorded["predictions"]), predictions)
    return Reproduction(
        verdict=judge(recorded["model"], model_now, largest),
        model_then=recorded["model"],
        model_now=model_now,
        rows=rows,
        largest_difference=largest,
        environment=compare_environments(RunEnvironment.read(recorded["environment"]), environment),
        seconds=seconds,
    )
