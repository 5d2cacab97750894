"""A model to train."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from core.kernel.records import Record

Calibrate = Literal["none", "platt", "isotonic"]


class Candidate(Record):
    """One model to train."""

    trainer: str = Field(
        pattern=r"^[a-z][a-z0-9_-]{0,40}$",
        description="linear (or logistic), boosting, mlp, sklearn, script, lightgbm, xgboost, or a plug-in's name",
    )
    settings: dict[str, Any] = Field(default_factory=dict)
    function: str = Field(
        default="",
        pattern=r"^$|^[\w./-]+\.py:[A-Za-z_]\w*$",
        description="sklearn and script: FILE.py:NAME, the file inside the project's folder",
    )
    source: str = Field(default="", description="Digest of the file; Plimsoll fills it in, leave it out")
    calibrate: Calibrate = Field(
        default="none",
        description="A map of the probabilities into the model, fitted on the last fifth of train; binary labels only",
    )
