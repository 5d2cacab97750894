"""Pictures of every page, made without a screen: for the manual, the demo and the tests."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app.actions import PAGES
from app.bridge import Bridge
from app.opening import leave_out_pandas, open_workspace
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
from core.kernel.errors import PlimsollError, SystemFault

if TYPE_CHECKING:
    from app.bridge import Client

PATIENCE_MS = 60_000
SETTLED_MS = 120
COLOURS, FREQUENT = 256, 128
THEMES = ("light", "dark")
SIZES = ((1280, 800), (1920, 1080))


def settle(bridge: Bridge, what: str, patience_ms: int = PATIENCE_MS) -> None:
    """Run the event loop until no call has been under way for a moment.

    Raises:
        SystemFault: when calls are still under way after ``patience_ms``.
    """
    loop, quiet, limit = QEventLoop(), QTimer(), QTimer()
    quiet.setSingleShot(True)
    quiet.setInterval(SETTLED_MS)
    limit.setSingleShot(True)
    limit.setInterval(patience_ms)

    def watch(busy: bool) -> None:
        quiet.stop() if busy else quiet.start()

    bridge.busy_changed.connect(watch)
    quiet.timeout.connect(lambda: loop.exit(0))
    limit.timeout.connect(lambda: loop.exit(1))
    limit.start()
    watch(bridge.pending > 0)
    late = loop.exec()
    bridge.busy_changed.disconnect(watch)
    if late:
        raise SystemFault(f"The {what} page did not finish loading", detail=f"{bridge.pending} calls are under way")


def with_palette(image: QImage) -> QImage:
    """The image in 256 colours, a third of the bytes.

    Half of them are the most frequent ones; the others are each the colour that is farthest from those
    chosen before (Gonzalez, 1985), so that a small green badge stays green.
    """
    image = image.convertToFormat(QImage.Format.Format_RGB32)
    width, height = image.width(), image.height()
    pixels = np.frombuffer(image.constBits(), dtype=np.uint32).reshape(height, width) & 0xFFFFFF
    colours, inverse, counts = np.unique(pixels, return_inverse=True, return_counts=True)
    parts = np.stack([(colours >> shift) & 255 for shift in (16, 8, 0)], axis=1).astype(np.int32)
    order = np.argsort(counts, kind="stable")[::-1]
    chosen, nearest, away = (
        list(order[:FREQUENT]),
        np.zeros(len(colours), dtype=np.uint8),
        np.full(len(colours), 1 << 30),
    )
    for place in range(min(COLOURS, len(colours))):
        if place >= len(chosen):
            chosen.append(away.argmax())
        step = parts - parts[chosen[place]]
        new = (step * step).sum(axis=1)
        nearest[new < away] = place
        away = np.minimum(away, new)
    kept = colours[chosen]
    indexed = np.ascontiguousarray(nearest[inverse].reshape(height, width))
    made = QImage(indexed.data, width, height, width, QImage.Format.Format_Indexed8)
    made.setColorTable([int(c) | 0xFF000000 for c in kept])
    return made.copy()


def render_pages(
    client: Client,
    folder: Path,
    themes: Iterable[str] = THEMES,
    sizes: Iterable[tuple[int, int]] = SIZES,
    workspace: str = "",
    pages: Iterable[str] = (),
) -> list[Path]:
    """Write ``<page>-<theme>-<W>x<H>.png`` for every page (or those named); returns the paths.

    The client stays open; it is the caller's.
    """
    app = QApplication.instance() or QApplication(["plimsoll"])
    assert isinstance(app, QApplication)
    folder.mkdir(parents=True, exist_ok=True)
    wanted, sizes = set(pages), list(sizes)
    style.apply(app, "light")
    bridge = Bridge()
    with tempfile.TemporaryDirectory() as nowhere:
        window = Window(bridge, Memory(Path(nowhere) / "window.json"))
    written, faults = [], list[PlimsollError]()
    bridge.failed.connect(faults.append)
    bridge.attach(client)
    window.show()
    window.dress()
    window.begin(workspace)
    settle(bridge, "first")
    try:
        for theme in themes:
            style.apply(app, theme)
            window.dress()
            for width, height in sizes:
                window.resize(width, height)
                for page in PAGES:
                    if wanted and page.id not in wanted:
                        continue
                    window.go(page.id)
                    settle(bridge, page.title)
                    written.append(_save(window, folder / f"{page.id}-{theme}-{width}x{height}.png"))
    finally:
        bridge.client = None
        bridge.close()
        window.deleteLater()
    if faults:
        raise faults[0]
    return written


def _save(window: Window, path: Path) -> Path:
    if not with_palette(window.grab().toImage()).save(str(path), "PNG", 0):
        raise SystemFault("The picture was not written", where=str(path))
    return path


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _one_line(error: Exception) -> str:
    if not isinstance(error, PlimsollError):
        return str(error)
    return " ".join(part.replace("\n", " ") for part in (error.headline, error.detail, error.remedy) if part)


def main(argv: list[str] | None = None) -> int:
    """Render the pages of a workspace; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m app.pictures", description="Render every page into a folder.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--as", dest="user", default="", metavar="USER")
    parser.add_argument("--themes", default=",".join(THEMES), help="light,dark")
    parser.add_argument("--sizes", default=",".join(f"{w}x{h}" for w, h in SIZES), help="1280x800,1920x1080")
    parser.add_argument("--pages", default="", help="overview,data,… (all when left out)")
    options = parser.parse_args(argv)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    try:
        sizes = [_size(text) for text in options.sizes.split(",")]
        client = open_workspace(options.workspace, options.user)
        try:
            pages = [name for name in options.pages.split(",") if name]
            render_pages(
                client, options.folder, options.themes.split(","), sizes, options.workspace.resolve().name, pages
            )
        finally:
            client.close()
    except (PlimsollError, ValueError) as error:
        sys.stderr.write(_one_line(error) + "\n")
        return 1
    return 0


if __name__ == "__main__":
    leave_out_pandas()
    sys.exit(main())
