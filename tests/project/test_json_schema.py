"""The committed JSON Schema is the code's, and agrees with it about the examples."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import resources
from core.project.json_schema import project_json_schema, schema_text
from core.project.yaml_text import read_yaml

RESOURCES = Path(resources.__file__).parent


def test_the_committed_schema_is_up_to_date() -> None:
    committed = (RESOURCES / "plimsoll.schema.json").read_text("utf-8")
    assert committed == schema_text(), "run: make schema"


@pytest.mark.parametrize("example", ["flights", "blank"])
def test_the_examples_agree_with_the_schema(example: str) -> None:
    text = (RESOURCES / "examples" / example / "plimsoll.yaml").read_text("utf-8")
    value = json.loads(json.dumps(read_yaml(text, "plimsoll.yaml").value, default=str))
    jsonschema.Draft202012Validator(project_json_schema()).validate(value)


def test_a_wrong_section_is_seen_by_the_schema_too() -> None:
    validator = jsonschema.Draft202012Validator(project_json_schema())
    assert any("sorces" in error.message for error in validator.iter_errors({"sorces": {}}))
