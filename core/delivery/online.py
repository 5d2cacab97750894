"""The online store of a target, behind the HTTP of its server: the same verbs as a store on this machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import httpx
import orjson

from core.kernel.errors import InputError, SystemFault
from core.serving.online_records import Held, Row, Step, Value

AT_ONCE = 5_000  # rows in one request: a megabyte or so
PLACE = "/v2/plimsoll/features"


class TargetStore:
    """Feature values of a running server; ``names`` says the entity columns of each view."""

    def __init__(self, url: str, token: str, names: dict[str, list[str]]) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=120.0, trust_env=False)
        self._names = names

    def upsert(self, view: str, rows: Iterable[Row]) -> int:
        """Write versions outside any plan."""
        return sum(self.send({view: self.document(view, part)}) for part in _parts(list(rows)))

    def load(self, view: str, step: Step, rows: Sequence[Row]) -> int:
        """Write one batch of a plan, in several requests where it is large; what was written before is passed over."""
        written, parts = 0, _parts(rows) or [[]]
        for number, part in enumerate(parts):
            mark = step.mark if number == len(parts) - 1 else None
            one = step.model_copy(update={"first": step.first + number * AT_ONCE, "mark": mark})
            written += self.send({view: {**self.document(view, part), "step": one.plain()}})
        return written

    def held(self) -> dict[str, Held]:
        """How far each view was materialised."""
        return {view: Held.read(value) for view, value in self._asked("GET", PLACE, None).items()}

    def look_up(
        self, view: str, asked: Sequence[tuple[float, tuple[Value, ...]]], max_age_s: float | None
    ) -> list[dict[str, Value] | None]:
        """The values of many (instant, entity key), as a prediction on the target would see them."""
        out: list[dict[str, Value] | None] = []
        for start in range(0, len(asked), AT_ONCE):
            rows = [[at, *key] for at, key in asked[start : start + AT_ONCE]]
            document = {view: {"rows": rows, "max_age_s": max_age_s}}
            out += self._asked("POST", f"{PLACE}/lookup", document)[view]
        return out

    def document(self, view: str, rows: Sequence[Row]) -> dict[str, Any]:
        """One view's part of an update."""
        features = list(rows[0][2]) if rows else ["none"]
        cells = [[at, *key, *values.values()] for at, key, values in rows]
        return {"entity": self._names[view], "features": features, "rows": cells}

    def send(self, document: dict[str, Any]) -> int:
        """Post an update of one or several views; returns rows written."""
        return sum(self._asked("POST", PLACE, document)["upserted"].values()) if document else 0

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _asked(self, method: str, path: str, document: dict[str, Any] | None) -> dict[str, Any]:
        body = None if document is None else orjson.dumps(document)
        try:
            answer = self._client.request(method, path, content=body)
        except httpx.HTTPError as error:
            raise SystemFault("The target's server did not answer", detail=str(error)) from error
        if answer.status_code == 404:
            raise InputError("The target's runtime is too old for this", remedy="Deploy a release from here first.")
        if answer.status_code != 200:
            raise SystemFault("The target refused feature values", detail=answer.text[:2000])
        return dict(orjson.loads(answer.content))


def _parts(rows: Sequence[Row]) -> list[Sequence[Row]]:
    return [rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE)]
