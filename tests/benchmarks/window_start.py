"""From process start to the first painted page, against a bare PySide6 window with one pyqtgraph line.

Run it as ``python tests/benchmarks/window_start.py [WORKSPACE [USER]]`` (passphrase from
``PLIMSOLL_PASSPHRASE``); without a workspace it founds an empty one. Each round starts a new
interpreter; the figures are CPU seconds of the window's own process, the median of the rounds, and
their ratio. The window is measured with an engine that it starts beside itself, and as a guest of another owner.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
ROUNDS = 3
MOST = 2.5
BARE = """
import sys, time
from PySide6.QtWidgets import QApplication, QMainWindow
import pyqtgraph as pg
class Plot(pg.PlotWidget):
    def paintEvent(self, event):
        super().paintEvent(event)
        print(time.process_time())
        sys.stdout.flush()
        QApplication.exit(0)
app = QApplication([])
window = QMainWindow()
window.resize(1280, 800)
plot = Plot()
plot.plot(list(range(100)), list(range(100)))
window.setCentralWidget(plot)
window.show()
app.exec()
"""
REAL = """
import sys, time
from pathlib import Path
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication
from app.__main__ import Start
from app.bridge import Bridge
from app.opening import leave_out_pandas
from app.shell.memory import Memory
from app.shell.window import Window
from app.theme import style
class Watch(QObject):
    def eventFilter(self, watched, event):
        if event.type() == QEvent.Type.Paint and window.page("overview").states.state in ("full", "empty"):
            QTimer.singleShot(0, done)
        return False
def begun():
    page = window.page("overview")
    for part in (page, *page.findChildren(QObject)):
        part.installEventFilter(watch)
def done():
    heavy = sorted({"torch", "sklearn", "onnxruntime", "onnx", "scipy", "pandas"} & set(sys.modules))
    print(time.process_time(), *heavy)
    sys.stdout.flush()
    QApplication.exit(0)
leave_out_pandas()
app = QApplication([])
style.apply(app, "light")
window = Window(Bridge(), Memory(Path(sys.argv[1]) / "no-window.json"))
watch, start = Watch(), Start(window, Path(sys.argv[1]), sys.argv[2])
window.bridge.connected.connect(begun)
window.show()
QTimer.singleShot(0, start.painted)
app.exec()
window.bridge.close()
"""


def once(code: str, *arguments: str) -> tuple[float, list[str]]:
    """CPU seconds to the first paint, and the heavy modules that were imported by then."""
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=120,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
    )
    words = ran.stdout.split()
    return float(words[0]), words[1:]


def median(code: str, *arguments: str) -> float:
    """Median CPU seconds of the rounds; the first, which fills the disk cache, is not counted."""
    once(code, *arguments)
    return statistics.median(once(code, *arguments)[0] for _ in range(ROUNDS))


def founded(folder: Path) -> Path:
    """An empty workspace."""
    from core.engine.founding import found_workspace

    found_workspace(folder, "bench", "a passphrase for the benchmark")
    return folder


def main(arguments: list[str]) -> int:
    """Print the figures; the status says whether the window stays within the goal."""
    user = arguments[1] if len(arguments) > 1 else ""
    with tempfile.TemporaryDirectory(prefix="plimsoll-bench-") as place:
        work = Path(place) / "workspace"
        if arguments:
            shutil.copytree(arguments[0], work, ignore=shutil.ignore_patterns("owner.lock", "pictures"))
        else:
            founded(work)
        bare = median(BARE)
        own = median(REAL, str(work), user)
        from app.opening import open_workspace

        owner = open_workspace(work, user)
        guest = median(REAL, str(work), user)
        owner.close()
    sys.stdout.write(f"bare window with one plot    {bare:.2f} CPU s\n")
    for name, value in (("with an engine started beside it", own), ("guest of another owner", guest)):
        sys.stdout.write(f"first page, {name}  {value:.2f} CPU s  ratio {value / bare:.2f} (goal {MOST})\n")
    return 0 if max(own, guest) <= MOST * bare else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
