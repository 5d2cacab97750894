"""The pinned PySide6 keeps count of None. Version 6.12.0 lost one reference for each call that returns
nothing, and aborted Python 3.11 after some 5,000 of them."""

from __future__ import annotations

import subprocess
import sys

CALLS = """
from PySide6.QtCore import QObject, QTimer
from PySide6.QtGui import QColor
timer, item, color = QTimer(), QObject(), QColor()
for number in range(5_000):
    timer.setInterval(number)
    item.setObjectName("x")
    color.setRed(number % 255)
    item.blockSignals(False)
    timer.stop()
print("alive")
"""


def test_twenty_thousand_calls_that_return_nothing() -> None:
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "alive"), done.stderr
