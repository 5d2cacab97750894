"""The evaluation page on real reports of each kind of label: what is moved, chosen, hovered and exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from app.bridge import Bridge
from app.pages.evaluation.costs import Costs, cheapest, figures, mean_cost, steps_of
from app.pages.evaluation.view import View
from app.plots.hover import hover_text
from app.plots.series import Chart, line, points
from tests.app.fake import FakeClient

REPORTS = json.loads((Path(__file__).parent / "reports.json").read_text("utf-8"))


def report(task):
    return json.loads(json.dumps(REPORTS[task]))


@pytest.fixture
def page(qtbot):
    bridge = Bridge()
    bridge.client = FakeClient()  # not attached: nothing polls
    made = View(bridge)
    qtbot.addWidget(made)
    made.resize(1280, 800)
    return made


def test_the_threshold_is_moved_without_a_question(page):
    client = page.bridge.client
    page._show(report("binary"))
    explorer, before = page.threshold, len(client.asked)
    own = REPORTS["binary"]["confusion"]
    assert explorer.value.text() == f"{own['threshold']:.3f}"
    step = explorer._steps[explorer.slider.value()]
    assert (step["tp"], step["fp"]) == (own["tp"], own["fp"])
    assert figures(step, explorer._chosen_costs())["cost"] == pytest.approx(own["cost"])
    explorer.slider.setValue(0)
    assert explorer._steps[0]["fn"] == 0
    explorer.costs["fn"].setValue(50.0)
    explorer.best.click()
    dear = explorer.value.text()
    explorer.costs["fn"].setValue(0.1)
    explorer.best.click()
    assert float(dear) < own["threshold"] < float(explorer.value.text())
    explorer.reset.click()
    assert explorer.value.text() == f"{own['threshold']:.3f}"
    assert explorer.costs["fn"].value() == 2.0
    assert len(client.asked) == before


def test_costs_are_those_of_the_report_and_by_hand():
    steps = steps_of(REPORTS["binary"])
    costs = Costs(fp=1.0, fn=2.0)
    assert [mean_cost(one, costs) for one in steps] == pytest.approx([one["cost"] for one in steps])
    best = steps[cheapest(steps, costs)]
    assert mean_cost(best, costs) == min(one["cost"] for one in steps)
    step = {"threshold": 0.5, "tp": 6, "fp": 2, "fn": 4, "tn": 8}
    found = figures(step, Costs(tp=-1.0, fp=1.0, fn=2.0, tn=0.5))
    assert (found["recall"], found["precision"], found["cost"]) == pytest.approx((0.6, 0.75, (-6 + 2 + 8 + 4) / 20))
    assert figures({"threshold": 1.0, "tp": 0, "fp": 0, "fn": 1, "tn": 1}, Costs())["precision"] is None


def test_found_slices_reasons_and_errors_lead_to_rows(page):
    page._show(report("binary"))
    assert page.found.model().rowCount() == 1
    assert "found" in page.tabs.tabText(page._places["slices"])
    reasons = page.reasons
    assert reasons.rows.count() == len(REPORTS["binary"]["explanation"]["explained"])
    for place in (0, reasons.rows.count() - 1):
        reasons.rows.setCurrentIndex(place)
        one, chart = REPORTS["binary"]["explanation"]["explained"][place], reasons.waterfall._chart
        ends = np.concatenate([s.y2 for s in chart.series if s.kind == "floats"])
        assert ends.size == len(chart.labels)
        assert one["margin"] == pytest.approx(
            ends[np.argmax(np.concatenate([s.x for s in chart.series if s.kind == "floats"]))], abs=1e-4
        )
    reasons._feature_chosen({"feature": REPORTS["binary"]["explanation"]["dependence"][1]["feature"]})
    assert reasons.dependence._chart.series
    failures = page.failures
    assert failures.rows.model().rowCount() > 0
    failures._choose({"kind": REPORTS["binary"]["errors"][-1]["name"]})
    assert failures.rows.model().rowCount() == len(REPORTS["binary"]["errors"][-1]["worst"])


@pytest.mark.parametrize(
    ("task", "shown", "hidden"),
    [
        ("multiclass", "classes", "threshold"),
        ("regression", "residuals", "classes"),
        ("binary", "threshold", "residuals"),
    ],
)
def test_each_kind_of_label_has_its_own_tabs(page, task, shown, hidden):
    page._show(report(task))
    assert page.tabs.isTabVisible(page._places[shown])
    assert not page.tabs.isTabVisible(page._places[hidden])
    assert all(view._chart.series for view in page.charts)
    assert page.metrics.model().rowCount() == len(REPORTS[task]["metrics"])
    if task == "multiclass":
        assert page.matrix.model().rowCount() == page.matrix.model().columnCount() - 1 == 3
        assert page.tabs.isTabVisible(page._places["costs"])
        assert page.decision.model().rowCount() == 3
        assert f"costs {REPORTS[task]['decision']['cost']:.4f}" in page.decided.text()
        page._show({**report(task), "decision": None})
        assert not page.tabs.isTabVisible(page._places["costs"])


def test_values_under_the_mouse():
    chart = Chart(
        "t", "threshold", "cost", [line("cost", [0.0, 0.5, 1.0], [3.0, 1.0, 2.0]), points("chosen", [0.5], [1.0])]
    )
    assert hover_text(chart, 0.52, near=0.05).splitlines() == ["threshold 0.52", "cost 1", "chosen 1"]
    assert hover_text(chart, 0.9, near=0.05).splitlines() == ["threshold 0.9", "cost 2"]
    assert hover_text(Chart("t", "x", "y", []), 0.5, near=1.0) == ""


def test_charts_leave_as_png_svg_and_csv(page, tmp_path):
    page._show(report("regression"))
    view = page.charts[1]
    for ending, save in (("png", view.save_png), ("svg", view.save_svg), ("csv", view.save_csv)):
        save(tmp_path / f"chart.{ending}")
        assert (tmp_path / f"chart.{ending}").stat().st_size > 100
    assert "<svg" in (tmp_path / "chart.svg").read_text("utf-8")[:400]
