"""Bulk updates of the online store, as they arrive over HTTP: everything is checked, then written."""

from __future__ import annotations

from typing import Any

from core.contract.schema import Contract, ViewRef
from core.kernel.errors import InputError, Problem
from core.serving.online import OnlineStore, Row, epoch_s


def apply_updates(store: OnlineStore, document: dict[str, Any], contract: Contract | None) -> dict[str, int]:
    """Write ``{view: {"entity": [...], "features"?: [...], "rows": [[valid_from, key..., values...]]}}``.

    ``features`` defaults to those of the serving contract's view. Returns rows written by view.

    Raises:
        InputError: with every problem; then nothing was written.
    """
    views = {view.name: view for view in contract.views} if contract else {}
    problems: list[Problem] = []
    read = {name: _rows(name, value, views.get(name), problems) for name, value in document.items()}
    if problems:
        raise InputError("The feature update is refused; nothing was written", problems=problems[:50])
    return {name: store.upsert(name, rows) for name, rows in read.items()}


def _rows(name: str, value: Any, view: ViewRef | None, problems: list[Problem]) -> list[Row]:
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list) or not _names(value.get("entity")):
        problems.append(Problem("it needs 'entity' (names) and 'rows' (lists)", where=name))
        return []
    entity: list[str] = value["entity"]
    features: Any = value.get("features", view.features if view else None)
    if not _names(features):
        problems.append(Problem("the serving model does not know this view: name its 'features'", where=name))
        return []
    if view is not None and view.entity != entity:
        problems.append(Problem(f"entity {entity}", where=name, expected=str(view.entity)))
        return []
    width = 1 + len(entity) + len(features)
    rows = (_row(name, place, row, len(entity), features, width, problems) for place, row in enumerate(value["rows"]))
    return [row for row in rows if row is not None]


def _row(
    name: str, place: int, row: Any, keys: int, features: list[str], width: int, problems: list[Problem]
) -> Row | None:
    where = f"{name} row {place}"
    if not isinstance(row, list) or len(row) != width or not all(_plain(cell) for cell in row):
        problems.append(Problem("it is not a list of plain values", where=where, expected=f"{width} values"))
        return None
    try:
        at = epoch_s(row[0], where)
    except InputError as error:
        problems.append(Problem(error.headline, where=where))
        return None
    return at, tuple(row[1 : 1 + keys]), dict(zip(features, row[1 + keys :], strict=True))


def _names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _plain(cell: Any) -> bool:
    return cell is None or isinstance(cell, str | int | float | bool)
