"""Pictures of every page, and those of the manual, which ``make pictures`` renders from a real workspace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from app.actions import PAGES
from app.pictures import SIZES, THEMES, main, render_pages, with_palette

from .fake import FakeClient

MOST_BYTES = 6_000_000
REPOSITORY = Path(__file__).parents[2]


def colours_of(image: QImage) -> set[int]:
    return {image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}


def test_pictures_of_all_pages(qtbot: QtBot, tmp_path: Path) -> None:
    client = FakeClient()
    paths = render_pages(client, tmp_path, themes=("dark",), sizes=((1280, 800),))
    assert [p.name for p in paths] == [f"{page.id}-dark-1280x800.png" for page in PAGES]
    for path in paths:
        image = QImage(str(path))
        assert image.size().toTuple() == (1280, 800)
        assert len(colours_of(image)) > 20, path.name
    assert not client.closed
    assert sum(path.stat().st_size for path in paths) < MOST_BYTES / 4


def test_few_colours_look_the_same() -> None:
    noise = np.random.default_rng(3).integers(0, 1 << 24, (90, 120), dtype=np.uint32) | 0xFF000000
    noise[:60] = 0xFF15181E
    image = QImage(noise.tobytes(), 120, 90, QImage.Format.Format_RGB32)
    small = with_palette(image)
    assert small.colorCount() == 256
    assert small.pixel(5, 5) == 0xFF15181E
    apart = [abs((small.pixel(x, 80) >> 8 & 255) - (image.pixel(x, 80) >> 8 & 255)) for x in range(120)]
    assert np.mean(apart) < 24


def test_a_failure_is_one_line_and_a_status(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "app.pictures", str(tmp_path / "nowhere"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        cwd=REPOSITORY,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    assert ran.returncode == 1
    assert len(ran.stderr.strip().splitlines()) == 1
    assert "Traceback" not in ran.stderr


def test_a_wrong_size_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), str(tmp_path / "out"), "--sizes", "wide"]) == 1
    assert capsys.readouterr().err


def test_the_manual_has_every_page() -> None:
    """`make pictures` renders a real workspace; here is seen that the set is whole, legible and small."""
    names = {f"{page.id}-{theme}-{w}x{h}.png" for page in PAGES for theme in THEMES for w, h in SIZES}
    paths = sorted((REPOSITORY / "docs" / "pictures").glob("*-*x*.png"))
    assert {path.name for path in paths} == names
    assert sum(path.stat().st_size for path in paths) < MOST_BYTES
    for path in paths:
        image = QImage(str(path))
        assert path.stem.endswith(f"{image.width()}x{image.height()}")
        assert len(colours_of(image)) > 20, path.name
