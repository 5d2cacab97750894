"""Loads every module that registers operations, job kinds and questions: all of those two packages."""

from __future__ import annotations

import importlib
import pkgutil

from core.engine import operations, questions


def load() -> None:
    """Import them all; a second call does nothing."""
    for package in (operations, questions):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
