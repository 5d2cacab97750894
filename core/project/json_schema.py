"""The JSON Schema of ``plimsoll.yaml``, for editors that complete and check while one writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from core.project.schema import Project

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def project_json_schema() -> dict[str, Any]:
    """The schema as JSON values, keys in the order of the file's sections."""
    schema = Project.model_json_schema(by_alias=True)
    schema.update({"$schema": DIALECT, "title": "Plimsoll project"})
    return schema


def schema_text() -> str:
    """The text of ``resources/plimsoll.schema.json``."""
    return json.dumps(project_json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
