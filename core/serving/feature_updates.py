"""Updates and look-ups of the online store, as they arrive over HTTP: everything is checked, then done."""

from __future__ import annotations

from typing import Any

from core.contract.schema import Contract, ViewRef
from core.kernel.errors import InputError, Problem
from core.serving.online_records import FeatureStore, Row, Step, Value, epoch_s


def apply_updates(store: FeatureStore, document: dict[str, Any], contract: Contract | None) -> dict[str, int]:
    """Write ``{view: {"entity": [...], "features"?: [...], "rows": [[valid_from, key..., values...]], "step"?: ...}}``.

    ``features`` defaults to those of the serving contract's view. With a ``step`` the rows are one batch
    of a materialisation, written once however often it is sent. Returns rows written by view.

    Raises:
        InputError: with every problem; then nothing was written.
    """
    views = {view.name: view for view in contract.views} if contract else {}
    problems: list[Problem] = []
    read = {name: _rows(name, value, views.get(name), problems) for name, value in document.items()}
    steps = {name: _step(name, value, problems) for name, value in document.items()}
    if problems:
        raise InputError("The feature update is refused; nothing was written", problems=problems[:50])
    written = {}
    for name, rows in read.items():
        step = steps[name]
        written[name] = store.upsert(name, rows) if step is None else store.load(name, step, rows)
    return written


def _step(name: str, value: Any, problems: list[Problem]) -> Step | None:
    if not isinstance(value, dict) or value.get("step") is None:
        return None
    try:
        return Step.read(value["step"], where=name)
    except InputError as error:
        problems.extend(error.problems)
        return None


def answer_look_ups(store: FeatureStore, document: dict[str, Any]) -> dict[str, list[dict[str, Value] | None]]:
    """Look up ``{view: {"rows": [[at, key...]], "max_age_s"?: number}}``; one answer for each row, null where none.

    Raises:
        InputError: with every problem.
    """
    problems: list[Problem] = []
    asked = {name: _asked(name, value, problems) for name, value in document.items()}
    if problems:
        raise InputError("The look-up is refused", problems=problems[:50])
    return {name: store.look_up(name, rows, max_age) for name, (rows, max_age) in asked.items()}


def _asked(
    name: str, value: Any, problems: list[Problem]
) -> tuple[list[tuple[float, tuple[Value, ...]]], float | None]:
    rows = value.get("rows") if isinstance(value, dict) else None
    age = value.get("max_age_s") if isinstance(value, dict) else None
    plain = isinstance(rows, list) and all(isinstance(row, list) and all(map(_plain, row)) for row in rows)
    if not plain or isinstance(age, bool) or not isinstance(age, float | int | None):
        problems.append(Problem("it needs 'rows' (lists of an instant and a key), and perhaps 'max_age_s'", where=name))
        return [], None
    out: list[tuple[float, tuple[Value, ...]]] = []
    for place, row in enumerate(rows or []):
        try:
            out.append((epoch_s(row[0] if row else None, f"{name} row {place}"), tuple(row[1:])))
        except InputError as error:
            problems.append(Problem(error.headline, where=error.where))
    return out, age


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
