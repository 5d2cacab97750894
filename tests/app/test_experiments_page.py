"""The experiments page: searching as one types, comparing, curating, and pictures of many runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from pytestqt.qtbot import QtBot

from app.pages.experiments.relations import Parallel, Scatter, lines_by_thirds
from app.pages.experiments.view import View, columns_of
from app.pictures import settle
from app.shell.window import Window
from core.kernel.errors import InputError

from .fake import FakeClient
from .test_window import open_window


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def window(qtbot: QtBot, tmp_path: Path, client: FakeClient) -> Iterator[Window]:
    made = open_window(qtbot, tmp_path, client)
    yield made
    made.close()


@pytest.fixture
def page(window: Window) -> View:
    window.go("experiments")
    settle(window.bridge, "Experiments")
    view = window.page("experiments")
    assert isinstance(view, View)
    return view


def asked(client: FakeClient, name: str) -> list[dict[str, object]]:
    return [params for question, params in client.asked if question == name]


def test_search_columns_and_archive(page: View, client: FakeClient, qtbot: QtBot) -> None:
    page.bar.field.setText("metrics.test.roc_auc > 0.5")
    page.bar.field.returnPressed.emit()
    page.bar.typing.emit("metrics.")
    settle(page.bridge, "search")
    assert asked(client, "runs_found")[-1]["where"] == "metrics.test.roc_auc > 0.5"
    assert asked(client, "run_completions")[-1] == {"text": "metrics."}
    action = next(one for one in page.bar._menu.actions() if one.data() == "params.c")
    action.trigger()
    settle(page.bridge, "columns")
    assert "params.c" in asked(client, "runs_found")[-1]["columns"]  # type: ignore[operator]
    page.archive.click()
    settle(page.bridge, "archive")
    name, request = client.changed[-1]
    assert (name, request["archived"], len(request["runs"])) == ("run.archive", True, 1)
    page.bar.archived.setChecked(True)
    settle(page.bridge, "archived")
    assert asked(client, "runs_found")[-1]["lifecycle"] == "deleted"
    assert page.archive.text() == "Restore"


def test_a_wrong_search_is_told_beside_it_and_the_runs_stay(page: View) -> None:
    page.bar.field.setText("metrics.acu > 1")
    page._not_found(InputError("This search names what no run has", remedy="Did you mean metrics.auc?"))
    assert "metrics.auc" in page.bar.problem.text()
    assert page.states.state == "full"


def test_compare_note_and_tag(page: View, client: FakeClient) -> None:
    page.runs.selectAll()
    page._choose({})
    settle(page.bridge, "compare")
    model = page.differ.frame_model()
    assert model is not None
    assert model.frame["name"].to_list() == ["c"]
    page.words.note.setPlainText("shipped")
    page.words._save()
    page.words.tag.setText("team=sea")
    page.words._tag()
    settle(page.bridge, "words")
    changed = dict(client.changed)  # in the order in which the threads came
    assert changed["run.note"]["text"] == "shipped"
    assert changed["run.tag"]["tags"] == {"team": "sea"}


def test_curves_on_logarithmic_axes(page: View, client: FakeClient) -> None:
    page.curves.slider.setValue(60)
    page.curves.slider.sliderReleased.emit()
    settle(page.bridge, "curves")
    assert asked(client, "run_metrics")[-1]["smoothing"] == 0.6
    page.curves.log_x.setChecked(True)
    page.curves.log_y.setChecked(True)
    assert page.curves.chart._chart is not None
    assert page.curves.chart._chart.y_title.startswith("log₁₀")


def test_two_curves_are_zoomed_together(page: View, client: FakeClient) -> None:
    page.curves.slider.sliderReleased.emit()
    settle(page.bridge, "curves")
    curves = page.curves
    assert curves.second.currentText() not in ("", "nothing", curves.curve.currentText())
    curves.chart._plot.getPlotItem().setXRange(1, 2, padding=0)
    settle(page.bridge, "curves")
    assert curves.beside._plot.getPlotItem().viewRange()[0] == pytest.approx([1, 2], abs=0.5)
    curves.second.setCurrentText("nothing")
    assert not curves.beside.isVisibleTo(curves)


def test_a_hundred_thousand_runs(qtbot: QtBot) -> None:
    """Scatter shows them all, parallel coordinates some hundreds of lines in three colours; texts stay out."""
    count, dice = 100_000, np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "run": [f"run-{n}" for n in range(count)],
            "metrics.auc": dice.random(count),
            "params.depth": dice.integers(1, 9, count).astype(str),
            "params.kind": ["tree"] * count,
        }
    )
    scatter, parallel = Scatter(), Parallel()
    for widget in (scatter, parallel):
        qtbot.addWidget(widget)
        widget.show_runs(frame)
    assert [scatter.across.itemText(place) for place in range(scatter.across.count())] == [
        "metrics.auc",
        "params.depth",
    ]
    assert scatter.chart._chart is not None
    assert len(scatter.chart._chart.series[0].x) == count
    assert parallel.chart._chart is not None
    assert {one.name for one in parallel.chart._chart.series} == {"lowest third", "middle third", "highest third"}
    assert sum(len(one.x) for one in lines_by_thirds(np.array([[0.0, 1.0], [1.0, 0.0]]))) == 6
    assert columns_of(frame)["metrics.auc"] == "auc"
