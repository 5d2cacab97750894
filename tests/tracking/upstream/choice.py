"""Which of MLflow's REST tests are asked, why the others are not, and what came of each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

NOT_SPOKEN = {
    r"trace|assessment|otel": "traces are not spoken",
    r"graphql": "GraphQL is not spoken",
    r"evaluation_dataset|_rest_tracking$": "evaluation data sets are not spoken",
    r"scorer|scoring": "scorers are not spoken",
    r"promptlab": "the prompt lab is not spoken",
    r"issue": "issues of traces are not spoken",
    r"secret|endpoint|provider|list_models|model_definition|gateway": "the gateway and its secrets are not spoken",
}
OUTCOMES: dict[str, tuple[str, str]] = {}


def not_asked(item: pytest.Item) -> str:
    """Why a test is left out; empty for one that is run."""
    name = getattr(item, "originalname", item.name)
    if "[file" in item.name:
        return "MLflow skips its file store itself"
    for words, reason in NOT_SPOKEN.items():
        if re.search(words, name):
            return reason
    if not any("mlflow_client" in one for one in getattr(item, "fixturenames", ())):
        return "asks MLflow's code in its own process or a server that it starts itself"
    return ""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not spoken."""
    left = [(item, not_asked(item)) for item in items]
    OUTCOMES.update({item.name: ("not asked", reason) for item, reason in left if reason})
    items[:] = [item for item, reason in left if not reason]
    config.hook.pytest_deselected(items=[item for item, reason in left if reason])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """The worst that came of a test."""
    name = report.nodeid.split("::")[-1]
    if report.when == "call" or report.outcome != "passed":
        xfailed = hasattr(report, "wasxfail") and report.skipped
        said = str(getattr(report.longrepr, "reprcrash", "")).splitlines()[:1]
        outcome = "xfailed" if xfailed else report.outcome
        OUTCOMES[name] = (outcome, "".join(said)[-300:] if outcome == "failed" else "")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write down what came of each."""
    (Path(session.config.rootpath) / "outcomes.json").write_text(json.dumps(OUTCOMES))


@pytest.fixture
def db_uri(tmp_path: Path) -> str:
    """Asked for by their fixtures; no store of theirs is made."""
    return f"sqlite:///{tmp_path}/unused.db"


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """No run and no address is left over for the next test."""
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
