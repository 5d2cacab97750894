"""Which way a packaged graph is explained: proven additive, else sampled; the scale by how the graph ends."""

from __future__ import annotations

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.contract.schema import Contract
from core.evaluation.explain import Judged, explain
from core.evaluation.explain_graph import leaves_of, margins_of
from tests.evaluation import bikes


def graph(nodes, constants, output="probability"):
    """A graph of four numbers."""
    made = helper.make_graph(
        nodes,
        "plain",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.asarray(v, dtype=np.float32), k) for k, v in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


@pytest.fixture(scope="module")
def rows():
    frame = bikes.rows().select("id", "prediction_time", *bikes.NUMBERS, *bikes.CATEGORIES, "bikers")
    whole = bikes.contract(frame)
    contract = Contract.model_validate(
        {**whole.plain(), "features": [f.plain() for f in whole.features if f.kind == "number"]}
    )
    return frame[:1_500], frame[2_000:2_300], contract


def explained(model, rows, **changes):
    train, judged, contract = rows
    n = judged.height
    facts = Judged(judged, judged["id"].to_list(), ["x"] * n, np.zeros(n), np.arange(n, dtype=np.float64))
    return explain(model, contract.model_copy(update=changes), train, facts)


def test_a_linear_graph_is_additive_and_equals_the_formula(rows):
    weight = np.array([0.2, -1.0, 3.0, 0.5])
    model = graph(
        [helper.make_node("MatMul", ["features", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["probability"])],
        {"w": weight},
    )
    found = explained(model, rows)
    assert (found.method, found.scale, found.largest_error) == ("additive", "log-odds", 0.0)
    one = found.explained[0]
    frame = rows[1].filter(pl.col("id") == one.key).select(bikes.NUMBERS)
    margin = float(frame.to_numpy().astype(np.float32)[0] @ weight)
    assert one.base + sum(one.contributions) == pytest.approx(margin, abs=1e-4) == one.margin
    assert leaves_of(onnx.load_from_string(model)) is None


def test_a_product_is_sampled_with_a_stated_error_and_sums_to_the_answer(rows):
    nodes = [
        helper.make_node("ReduceProd", ["features"], ["answer"], axes=[1], keepdims=0),
        helper.make_node("Identity", ["answer"], ["prediction"]),
    ]
    model = graph(nodes, {}, "prediction")
    found = explained(model, rows, task="regression")
    assert (found.method, found.scale) == ("sampled", "label")
    assert found.largest_error > 0
    assert found.largest_gap < 1e-4
    assert found.rows < 300
    assert explained(model, rows).scale == "probability"
    x = rows[1].select(bikes.NUMBERS).to_numpy().astype(np.float32)
    assert margins_of(onnx.load_from_string(model))(x)[:, 0] == pytest.approx(x.prod(axis=1), rel=1e-5)
