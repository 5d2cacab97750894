"""Pictures of every page, made without a screen: for the manual, the demo and the tests."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from app.actions import PAGES
from app.bridge import Bridge
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
from core.kernel.errors import SystemFault

if TYPE_CHECKING:
    from app.bridge import Client

PATIENCE_MS = 30_000
SETTLED_MS = 120


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


def render_pages(
    client: Client,
    folder: Path,
    themes: Iterable[str] = ("light", "dark"),
    sizes: Iterable[tuple[int, int]] = ((1280, 800), (1920, 1080)),
    workspace: str = "",
) -> list[Path]:
    """Write ``<page>-<theme>-<W>x<H>.png`` for every page; returns the paths.

    The client stays open; it is the caller's.
    """
    app = QApplication.instance() or QApplication(["plimsoll"])
    assert isinstance(app, QApplication)
    folder.mkdir(parents=True, exist_ok=True)
    style.apply(app, "light")
    bridge = Bridge()
    window = Window(bridge, Memory(folder / ".window.json"))
    bridge.attach(client)
    window.show()
    window.dress()
    window.begin(workspace)
    written = []
    try:
        for theme in themes:
            style.apply(app, theme)
            window.dress()
            for width, height in sizes:
                window.resize(width, height)
                for page in PAGES:
                    window.go(page.id)
                    settle(bridge, page.title)
                    path = folder / f"{page.id}-{theme}-{width}x{height}.png"
                    if not window.grab().save(str(path), "PNG"):
                        raise SystemFault("The picture was not written", where=str(path))
                    written.append(path)
    finally:
        bridge.client = None
        bridge.close()
        window.deleteLater()
    return written
