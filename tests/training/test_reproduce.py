"""Then and now: packages by name, decisive ones first; scores within a tolerance."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from core.kernel.errors import SystemFault
from core.training.environment import capture_environment
from core.training.reproduce import TOLERANCE, compare_environments, judge, largest_difference, reproduction


def test_a_changed_package_is_named_and_decisive_ones_come_first(tmp_path: Path) -> None:
    now = capture_environment(tmp_path)
    older = {**now.packages, "rich": "1.0", "scikit-learn": "1.2.3"}
    then = now.model_copy(update={"packages": older, "variables": {**now.variables, "OMP_NUM_THREADS": "64"}})
    found = compare_environments(then, now)
    assert [(item.what, item.decisive) for item in found] == [
        ("package scikit-learn", True),
        ("package rich", False),
        ("variable OMP_NUM_THREADS", True),
    ]
    assert (found[0].then, found[0].now) == ("1.2.3", now.packages["scikit-learn"])
    assert compare_environments(now, now) == []


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [([0.1, 0.2], "within tolerance"), ([0.1, 0.2 + 3 * TOLERANCE], "different")],
)
def test_another_model_is_judged_by_its_predictions(scores: list[float], verdict: str, tmp_path: Path) -> None:
    frame = pl.DataFrame({"key": ["a", "b"], "split": "test", "probability": [0.1, 0.2]})
    frame.write_parquet(tmp_path / "then.parquet")
    frame.with_columns(pl.Series("probability", scores)).write_parquet(tmp_path / "now.parquet")
    environment = capture_environment(tmp_path)
    made = reproduction(
        recorded={"model": "b3:1", "predictions": tmp_path / "then.parquet", "environment": environment.plain()},
        model_now="b3:2",
        predictions=tmp_path / "now.parquet",
        environment=environment,
        seconds=1.0,
    )
    assert (made.rows, made.verdict) == (2, verdict)
    assert judge("b3:1", "b3:1", 9.0) == "identical"
    frame.rename({"probability": "other"}).write_parquet(tmp_path / "now.parquet")
    with pytest.raises(SystemFault, match="no score in common"):
        largest_difference(tmp_path / "then.parquet", tmp_path / "now.parquet")


def test_large_predictions_are_compared_relatively(tmp_path: Path) -> None:
    frame = pl.DataFrame({"key": ["a"], "split": "test", "prediction": [2e6]})
    frame.write_parquet(tmp_path / "then.parquet")
    frame.with_columns(pl.col("prediction") + 1.0).write_parquet(tmp_path / "now.parquet")
    assert largest_difference(tmp_path / "then.parquet", tmp_path / "now.parquet") == (1, 5e-7)
