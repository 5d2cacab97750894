"""Tables, charts, graph and bridge."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PySide6.QtCore import QObject, Qt
from pytestqt.qtbot import QtBot

from app.actions import COMMANDS, command
from app.bridge import Bridge, message_of
from app.graph.layout import layers_of, place
from app.plots.chart import ChartView
from app.plots.decimate import min_max
from app.plots.series import Chart, histogram, line, reliability
from app.shell.memory import Memory
from app.shell.palette import rank
from app.tables import format as fmt
from app.tables.model import FrameModel, RemoteModel
from app.tables.view import Table
from core.kernel.errors import InputError, NotFound, PlimsollError, Problem

from .fake import FakeClient


def test_decimation_keeps_every_peak() -> None:
    y = np.random.default_rng(1).normal(size=1_000_000)
    y[123_457], y[765_431] = 50.0, -50.0
    x = np.arange(len(y), dtype=np.float64)
    few_x, few_y = min_max(x, y)
    assert len(few_x) <= 4002
    assert few_y.max() == 50.0
    assert few_y.min() == -50.0
    assert (np.diff(few_x) > 0).all()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1\u202f234\u202f567"),
        (0.75431, "0.7543"),
        (None, "–"),
        (1e-9, "1e-09"),
        (12.5, "12.5"),
        (True, "yes"),
        (float("nan"), "–"),
    ],
)
def test_numbers(value: Any, text: str) -> None:
    assert fmt.number(value) == text


def test_sizes_times_digests() -> None:
    assert fmt.size(9_104_211) == "9.1 MB"
    assert fmt.seconds(94.2) == "1 min 34 s"
    assert fmt.when("2013-12-01T08:30:15.123Z") == "2013-12-01 08:30"
    assert fmt.short("b3:" + "ab" * 32) == "ababababab"


def test_a_million_rows_sort_and_page(qtbot: QtBot) -> None:
    rows = 1_000_000
    frame = pl.DataFrame({"id": np.arange(rows), "value": np.random.default_rng(2).random(rows)})
    model = FrameModel(frame)
    start = time.process_time()
    model.sort(1, Qt.SortOrder.DescendingOrder)
    assert float(model.text(0, 1)) > 0.9999
    assert model.text(rows - 1, 0)
    assert time.process_time() - start < 3
    assert len(model._pages) <= 64


def test_missing_values_sort_last(qtbot: QtBot) -> None:
    model = FrameModel(pl.DataFrame({"a": [2, None, 1]}))
    for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        model.sort(0, order)
        assert model.text(2, 0) == "–"


def test_remote_pages_are_asked_once_and_stale_ones_dropped(qtbot: QtBot) -> None:
    asked: list[tuple[int, int, str, bool]] = []
    model = RemoteModel(1000, pl.DataFrame({"a": [1]}).clear(), lambda *a: asked.append(a))
    assert model.text(700, 0) == "…"
    assert model.text(701, 0) == "…"
    assert asked == [(512, 256, "", False)]
    model.sort(0, Qt.SortOrder.DescendingOrder)
    model.receive(512, "", False, pl.DataFrame({"a": list(range(256))}))
    assert model.text(700, 0) == "…"
    model.receive(512, "a", True, pl.DataFrame({"a": list(range(256))}))
    assert model.text(700, 0) == "188"


def test_table_keeps_its_selection_and_copies(qtbot: QtBot) -> None:
    from PySide6.QtGui import QGuiApplication

    table = Table("Things")
    qtbot.addWidget(table)
    table.show_frame(pl.DataFrame({"id": ["a", "b"], "n": [1, 2]}), key="id")
    table.select("id", "b")
    table.show_frame(pl.DataFrame({"id": ["z", "b"], "n": [3, 4]}), key="id")
    assert table.current() == {"id": "b", "n": 4}
    table.copy()
    assert QGuiApplication.clipboard().text() == "Id\tN\nb\t4"


def test_chart_has_a_table_twin_and_exports(qtbot: QtBot, tmp_path: Path) -> None:
    view = ChartView()
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.show()
    view.show_chart(Chart("Loss", "step", "loss", [line("train", [1, 2, 3], [3.0, 2.0, 1.0])]))
    assert "Loss" in view.accessibleName()
    view.save_png(tmp_path / "a.png")
    view.save_svg(tmp_path / "a.svg")
    view.save_csv(tmp_path / "a.csv")
    assert (tmp_path / "a.png").stat().st_size > 1000
    assert "<svg" in (tmp_path / "a.svg").read_text()
    assert pl.read_csv(tmp_path / "a.csv")["loss"].to_list() == [3.0, 2.0, 1.0]
    view.show_table(True)
    assert view._table.model().rowCount() == 3


def test_other_charts_draw(qtbot: QtBot) -> None:
    view = ChartView()
    qtbot.addWidget(view)
    view.show_chart(histogram("h", [0, 1, 2], [3, 4], "x"))
    view.show_chart(reliability("r", [0.1, 0.9], [0.12, 0.88]))
    assert view._chart is not None
    assert view._chart.frame().height == 2


def test_layout_puts_causes_left_and_is_quick() -> None:
    rng = np.random.default_rng(3)
    layer = np.sort(rng.integers(0, 9, 10_000))
    source = rng.integers(0, 10_000, 15_000)
    target = np.minimum(source + rng.integers(1, 2000, 15_000), 9_999)
    edges = np.column_stack([source, target])[layer[source] < layer[target]]
    start = time.process_time()
    placed = place(10_000, edges)
    assert time.process_time() - start < 2
    x = placed.positions[:, 0]
    assert (x[edges[:, 0]] < x[edges[:, 1]]).all()
    assert len(np.unique(placed.positions, axis=0)) == 10_000


def test_layout_survives_cycles_and_nothing() -> None:
    assert place(0, np.zeros((0, 2), dtype=np.int64)).positions.shape == (0, 2)
    assert len(layers_of(3, np.array([[0, 1], [1, 2], [2, 0]]))) == 3


def test_answers_come_back_on_the_gui_thread(qtbot: QtBot) -> None:
    bridge, owner, client = Bridge(), QObject(), FakeClient()
    bridge.attach(client)
    got: list[Any] = []
    bridge.ask(owner, "runs", lambda answer: got.append((threading.get_ident(), answer.height)))
    qtbot.waitUntil(lambda: bool(got))
    assert got == [(threading.get_ident(), client.answers["runs"].height)]
    assert threading.get_ident() not in client.threads
    bridge.close()
    assert client.closed


def test_a_newer_ask_makes_the_older_void(qtbot: QtBot) -> None:
    release = threading.Event()

    class Slow(FakeClient):
        def ask(self, name: str, **params: Any) -> Any:
            if params.get("slow"):
                release.wait(5)
            return params

    bridge, owner = Bridge(), QObject()
    bridge.attach(Slow())
    got: list[Any] = []
    bridge.ask(owner, "x", got.append, slow=True)
    bridge.ask(owner, "x", got.append, slow=False)
    qtbot.waitUntil(lambda: bool(got))
    release.set()
    qtbot.waitUntil(lambda: bridge.pending == 0)
    assert got == [{"slow": False}]
    bridge.close()


def test_errors_reach_the_asker_or_the_bar(qtbot: QtBot) -> None:
    bridge, owner = Bridge(), QObject()
    bridge.attach(FakeClient(broken=("runs",)))
    seen: list[PlimsollError] = []
    bridge.failed.connect(seen.append)
    bridge.ask(owner, "runs", lambda _a: None)
    qtbot.waitUntil(lambda: bool(seen))
    assert isinstance(seen[0], NotFound)
    bridge.ask(owner, "no_such_question", lambda _a: None)
    qtbot.waitUntil(lambda: len(seen) == 2)
    assert "inside Plimsoll" in seen[1].headline
    bridge.close()


def test_message_holds_all_parts() -> None:
    error = InputError(
        "Bad", detail="why", where="a.yaml:3", remedy="Fix it.", problems=[Problem("one"), Problem("two")]
    )
    headline, text = message_of(error)
    assert headline == "Bad"
    assert text.splitlines() == ["why", "Where: a.yaml:3", "• one", "• two", "Fix it."]


def test_memory_survives_rubbish(tmp_path: Path) -> None:
    path = tmp_path / "window.json"
    path.write_text("{nonsense")
    memory = Memory(path)
    memory.put("theme", "dark")
    memory.save()
    assert Memory(path).get("theme") == "dark"


def test_palette_finds_by_meaning() -> None:
    everything = list(COMMANDS)
    assert rank("drak", everything)[0].id.startswith("theme")
    assert rank("lineag", everything)[0].group in ("Navigate", "Lineage")
    assert rank("", everything) == everything


def test_commands_are_unique() -> None:
    keys = [k for c in COMMANDS for k in c.keys]
    assert len(keys) == len(set(keys))
    assert len({c.id for c in COMMANDS}) == len(COMMANDS)
    assert command("palette").keys == ("Ctrl+K", "Ctrl+Shift+P")
