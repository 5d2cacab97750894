"""Suites of other tools read as checks: Great Expectations (1.x and 0.18, JSON) and Pandera (YAML, JSON).

Only documents are read, never code. What has no equivalent here is listed with the reason.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from core.data.suite_gx import from_gx
from core.data.suite_imported import ImportedSuite
from core.data.suite_pandera import from_pandera
from core.kernel.errors import InputError, NotFound

MOST_BYTES = 8_000_000


def read_suite(path: Path) -> ImportedSuite:
    """Read a suite file.

    Raises:
        NotFound: when it is not there. InputError: when it is too large, is neither JSON nor YAML, or is no suite.
    """
    document = _document(path)
    if isinstance(document.get("expectations"), list):
        return from_gx(document)
    if document.get("schema_type") == "dataframe" and isinstance(document.get("columns"), dict):
        return from_pandera(document)
    raise InputError(
        "This is no suite that can be read",
        where=str(path),
        detail="It has neither 'expectations' nor 'schema_type: dataframe' with 'columns'.",
        remedy="Save a Great Expectations suite as JSON, or a Pandera schema with to_yaml() or to_json().",
    )


def _document(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFound("There is no such file", where=str(path))
    if path.stat().st_size > MOST_BYTES:
        raise InputError("The file is too large for a suite", where=str(path), detail=f"at most {MOST_BYTES:,} bytes")
    try:
        text = path.read_text("utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") else YAML(typ="safe", pure=True).load(text)
    except (UnicodeDecodeError, ValueError, RecursionError, YAMLError) as error:
        first = (str(error).splitlines() or ["unreadable"])[0]
        raise InputError("The file is neither JSON nor YAML", where=str(path), detail=first) from error
    if not isinstance(document, dict):
        raise InputError("The file holds no suite", where=str(path), remedy="Its outermost value must be a mapping.")
    return document
