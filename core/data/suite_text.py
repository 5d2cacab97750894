"""A suite as YAML for the project file, a reason behind each check as a comment."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

if TYPE_CHECKING:
    from core.data.suite_imported import Unmapped


def suite_yaml(table: str, checks: Sequence[tuple[dict[str, Any], str]], unmapped: Sequence[Unmapped] = ()) -> str:
    """The text of ``suites: {table: {checks: [...]}}``: one check a line, with its reason above it.

    What could not be carried over stands at the end, as comments.
    """
    items = CommentedSeq([_flow(check) for check, _ in checks])
    for place, (_, why) in enumerate(checks):
        if why:
            items.yaml_set_comment_before_after_key(place, before=why, indent=6)
    yaml, text = YAML(), io.StringIO()
    yaml.width = 4000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"suites": {table: {"checks": items}}}, text)
    left = "".join(f"      # not imported: {item.what}: {item.why}\n" for item in unmapped)
    return text.getvalue() + left


def _flow(check: dict[str, Any]) -> CommentedMap:
    made = CommentedMap({name: _listed(value) for name, value in check.items()})
    made.fa.set_flow_style()
    return made


def _listed(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    made = CommentedSeq(value)
    made.fa.set_flow_style()
    return made
