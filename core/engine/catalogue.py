"""Loads every module that registers operations, job kinds and questions."""

from __future__ import annotations

import importlib

MODULES = (
    "core.engine.operations.people",
    "core.engine.operations.projects",
    "core.engine.operations.data",
    "core.engine.operations.training",
    "core.engine.operations.models",
    "core.engine.operations.releases",
    "core.engine.operations.delivery",
    "core.engine.operations.monitoring",
    "core.engine.operations.kill_switch",
    "core.engine.operations.incidents",
    "core.engine.operations.scheduling",
    "core.engine.questions.work",
    "core.engine.questions.overview",
    "core.engine.questions.data",
    "core.engine.questions.training",
    "core.engine.questions.releases",
    "core.engine.questions.monitoring",
    "core.engine.questions.lineage",
    "core.engine.questions.governance",
    "core.engine.questions.features",
    "core.engine.questions.tables",
    "core.engine.questions.reports",
    "core.engine.questions.policy",
    "core.engine.questions.targets",
    "core.engine.questions.exports",
    "core.engine.questions.profiles",
)


def load() -> None:
    """Import them all; a second call does nothing."""
    for module in MODULES:
        importlib.import_module(module)
