"""Trainers by the project's own code, optional packages, plug-ins: proven on real rows, or refused with the reason."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import onnx
import polars as pl
import pytest

import core.project.trainers
from core.contract.schema import Contract
from core.contract.tasks import Task
from core.evaluation.explain_graph import leaves_of
from core.kernel.digests import digest_bytes
from core.kernel.errors import InputError, SystemFault
from core.kernel.progress import Silent
from core.project.candidates import Candidate
from core.training.records import TrainResult
from core.training.train import train
from tests.training.task_sets import training_set
from tests.training.test_tasks import FLOORS, TASKS

BOOSTERS: dict[str, dict[str, Any]] = {"lightgbm": {}, "xgboost": {"row_share": 0.8, "feature_share": 0.7}}
CODE = """
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler


def build(context):
    columns = ColumnTransformer([
        ("codes", OneHotEncoder(handle_unknown="ignore"), context.categories),
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), context.numbers),
    ])
    last = LinearRegression() if context.task == "regression" else LogisticRegression(C=context.settings["c"])
    return make_pipeline(columns, last)


def wrong_categories(context):
    return HistGradientBoostingClassifier(categorical_features=context.categories, max_iter=20, random_state=0)


def not_convertible(context):
    return make_pipeline(SimpleImputer(), FunctionTransformer(np.sqrt), LogisticRegression())


def no_estimator(context):
    return 42


def forest(context):
    kind = RandomForestRegressor if context.task == "regression" else RandomForestClassifier
    model = kind(n_estimators=context.settings["trees"], max_depth=6, random_state=context.seed)
    x = np.nan_to_num(context.x, nan=0.5)
    context.log("growing")
    context.metric("trees", 1, context.settings["trees"])
    context.check()
    return model.fit(x, context.y)


def with_onnx(context):
    from onnx import TensorProto, helper, numpy_helper
    hour = context.columns.index("hr")
    nodes = [
        helper.make_node("Gather", ["x", "hour"], ["column"], axis=1),
        helper.make_node("Mul", ["column", "ten"], ["prediction"]),
    ]
    graph = helper.make_graph(
        nodes, "mine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(context.columns)])],
        [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.array([hour]), "hour"), numpy_helper.from_array(np.float32([10]), "ten")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    if not context.settings.get("off"):
        return model.SerializeToString()
    return model, lambda x: x[:, hour] * 10 + context.settings["off"]


def breaks(context):
    return 1 / 0
"""


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, tuple[Path, Contract]]:
    folder = tmp_path_factory.mktemp("sets")
    made = {}
    for task in TASKS:
        path, contract = training_set(task, folder)
        pl.read_parquet(path).with_columns(pl.col("hum").fill_null(0.5)).write_parquet(path)  # forests take no nulls
        made[task] = (path, contract)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "models.py").write_text(CODE)
    return folder


def trained(
    trainer: str, function: str, made: tuple[Path, Contract], project: Path, out: Path, **settings: Any
) -> TrainResult:
    source = digest_bytes((project / "models.py").read_bytes())
    candidate = Candidate(trainer=trainer, function=f"models.py:{function}", source=source, settings=settings)
    return train(candidate, "own", made[0], made[1], 7, out, Silent(), project)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("trainer", "function"), [("sklearn", "build"), ("script", "forest")])
def test_a_projects_own_estimator_is_converted_and_proven(
    trainer: str,
    function: str,
    task: Task,
    sets: dict[Task, tuple[Path, Contract]],
    project: Path,
    tmp_path: Path,
) -> None:
    result = trained(trainer, function, sets[task], project, tmp_path / "a", c=1.0, trees=12)
    again = trained(trainer, function, sets[task], project, tmp_path / "b", c=1.0, trees=12)
    figure, floor = FLOORS[task]
    assert result.quality[1].figures[figure] > floor, result.quality
    assert result.parity.rows == 450
    assert result.parity.max_difference <= 1e-5
    assert result.model_digest == again.model_digest
    assert result.settings == {"c": 1.0, "trees": 12}


def test_a_conversion_that_is_silently_wrong_is_refused_and_named(
    sets: dict[Task, tuple[Path, Contract]], project: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemFault, match=r"differs from the trained one in \d+ of 450") as caught:
        trained("sklearn", "wrong_categories", sets["binary"], project, tmp_path)
    assert "categorical_features" in caught.value.remedy
    assert not [file.name for file in tmp_path.iterdir() if file.suffix in (".onnx", ".parquet")]


@pytest.mark.parametrize(
    ("trainer", "function", "says"),
    [
        ("sklearn", "not_convertible", "cannot be converted to ONNX"),
        ("sklearn", "no_estimator", "gave int"),
        ("script", "no_estimator", "gave int"),
        ("script", "breaks", "models.py:breaks failed"),
    ],
)
def test_what_cannot_be_served_is_refused_with_the_reason(
    trainer: str, function: str, says: str, sets: dict[Task, tuple[Path, Contract]], project: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says) as caught:
        trained(trainer, function, sets["binary"], project, tmp_path)
    if function == "breaks":
        line = CODE[: CODE.index("1 / 0")].count("\n") + 1
        assert f"models.py:{line}: ZeroDivisionError" in caught.value.detail


def test_a_script_may_bring_its_own_graph_and_is_held_to_its_own_function(
    sets: dict[Task, tuple[Path, Contract]], project: Path, tmp_path: Path
) -> None:
    result = trained("script", "with_onnx", sets["regression"], project, tmp_path)
    predictions = pl.read_parquet(tmp_path / "predictions.parquet")
    hours = pl.read_parquet(sets["regression"][0]).filter(pl.col("split") != "train")["hr"]
    assert (predictions["prediction"] - hours * 10).abs().max() == 0
    assert result.parity.max_difference == 0
    with pytest.raises(SystemFault, match="differs from the trained one in 450 of 450"):
        trained("script", "with_onnx", sets["regression"], project, tmp_path / "off", off=1.0)


def test_code_that_changed_since_it_was_queued_is_not_run(
    sets: dict[Task, tuple[Path, Contract]], project: Path, tmp_path: Path
) -> None:
    candidate = Candidate(trainer="sklearn", function="models.py:build", source=digest_bytes(b"another"))
    with pytest.raises(InputError, match="changed after the job was queued"):
        train(candidate, "own", *sets["binary"], 7, tmp_path, Silent(), project)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("package", list(BOOSTERS))
def test_a_booster_goes_into_our_own_graph(
    package: str, task: Task, sets: dict[Task, tuple[Path, Contract]], tmp_path: Path
) -> None:
    pytest.importorskip(package, reason=f"the optional package {package} is not installed")
    path, contract = sets[task]
    holes = pl.when(pl.int_range(pl.len()) % 3 == 0).then(None).otherwise(pl.col("temp")).alias("temp")
    late = pl.when((pl.col("split") != "train") & (pl.col("hr") > 12)).then(None).otherwise(pl.col("hr")).alias("hr")
    weight = (1 + pl.col("workingday")).cast(pl.Float64).alias("weight")
    below = (pl.col("hr") - 12).alias("hr")  # split points below, at and above zero
    rows = pl.read_parquet(path).with_columns(holes, late, weight).with_columns(below)
    rows.write_parquet(tmp_path / "holes.parquet")
    candidate = Candidate(trainer=package, settings={"iterations": 30} | BOOSTERS[package])
    result = train(candidate, "it", tmp_path / "holes.parquet", contract, 7, tmp_path / "run", Silent())
    figure, floor = FLOORS[task]
    assert result.quality[1].figures[figure] > floor, result.quality
    assert result.parity.rows == 450
    assert result.parity.max_difference <= 1e-5, "missing values in training, and only later, included"
    again = train(candidate, "it", tmp_path / "holes.parquet", contract, 7, tmp_path / "again", Silent())
    assert result.model_digest == again.model_digest
    assert leaves_of(onnx.load(tmp_path / "run" / "model.onnx")), "explained exactly, as trees are"
    if task == "binary":
        rows.drop("weight").write_parquet(tmp_path / "alike.parquet")
        alike = train(candidate, "it", tmp_path / "alike.parquet", contract, 7, tmp_path / "alike", Silent())
        assert alike.model_digest != result.model_digest, "weights count"


def test_xgboost_stops_where_the_figure_was_best(sets: dict[Task, tuple[Path, Contract]], tmp_path: Path) -> None:
    pytest.importorskip("xgboost", reason="the optional package xgboost is not installed")
    fast = {"iterations": 200, "learning_rate": 0.6, "report_every": 4, "patience": 12}
    stopped = train(Candidate(trainer="xgboost", settings=fast), "it", *sets["regression"], 7, tmp_path / "a", Silent())
    assert 4 <= stopped.rounds < 60
    told = fast | {"iterations": stopped.rounds, "patience": 0}
    whole = train(Candidate(trainer="xgboost", settings=told), "it", *sets["regression"], 7, tmp_path / "b", Silent())
    assert whole.model_digest == stopped.model_digest, "the trees after the best iteration are not kept"


def test_xgboost_says_what_it_cannot_do(
    sets: dict[Task, tuple[Path, Contract]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xgboost = pytest.importorskip("xgboost", reason="the optional package xgboost is not installed")
    path, contract = sets["binary"]

    def refused(rows: Path, **settings: Any) -> str:
        with pytest.raises(InputError) as caught:
            train(Candidate(trainer="xgboost", settings=settings), "it", rows, contract, 7, tmp_path, Silent())
        return str(caught.value)

    if not xgboost.build_info()["USE_CUDA"]:
        assert "built without CUDA" in refused(path, device="cuda")
    endless = pl.when(pl.int_range(pl.len()) == 9).then(float("inf")).otherwise(pl.col("windspeed")).alias("windspeed")
    pl.read_parquet(path).with_columns(endless).write_parquet(tmp_path / "endless.parquet")
    assert "features: windspeed: XGBoost takes no infinite numbers" in refused(tmp_path / "endless.parquet")
    monkeypatch.setitem(sys.modules, "xgboost", None)
    assert "Install plimsoll-console[boosters]" in refused(path)


def test_another_package_brings_a_trainer(
    sets: dict[Task, tuple[Path, Contract]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [
        EntryPoint("theirs", "core.training.trainers.linear", "plimsoll.trainers"),
        EntryPoint("broken", "core.training.scaling", "plimsoll.trainers"),
        EntryPoint("absent", "no_such_package", "plimsoll.trainers"),
    ]
    monkeypatch.setattr(core.project.trainers, "entry_points", lambda group: points)
    result = train(Candidate(trainer="theirs"), "it", *sets["binary"], 7, tmp_path, Silent())
    assert result.trainer == "theirs"
    with pytest.raises(SystemFault, match="has no Settings and no fit"):
        train(Candidate(trainer="broken"), "it", *sets["binary"], 7, tmp_path, Silent())
    with pytest.raises(SystemFault, match="cannot be loaded"):
        train(Candidate(trainer="absent"), "it", *sets["binary"], 7, tmp_path, Silent())
    with pytest.raises(InputError, match="no trainer 'nobody'"):
        train(Candidate(trainer="nobody"), "it", *sets["binary"], 7, tmp_path, Silent())
