"""Replaying recorded events as production traffic: features pushed as they become known, then requests.

Time is the data's own: for each hour, the feature values that became valid in it are pushed to the
target's online store, then the requests of that hour are sent with the V2 protocol over HTTP.
"""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from core.contract.schema import Contract
from core.delivery.online import TargetStore
from core.engine.work.training import read_contract
from core.engine.workfolder import JobFolder
from core.features.definitions import definition_of
from core.features.materialise import MaterialisedView, bring_to, mark_reached
from core.features.online import store_rows, updates_between
from core.kernel.clock import parse_utc, utc_text
from core.kernel.progress import Progress
from core.project.schema import Project

HOUR = timedelta(hours=1)
INSTANT = timedelta(microseconds=1)
ROWS_PER_REQUEST = 20
DATATYPES = {"int": "INT64", "float": "FP64", "text": "BYTES", "bool": "BOOL", "time": "BYTES"}


def replay(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Send the events of [since, until) to a target; returns counts and how long the sending took."""
    from core.delivery import operate
    from core.delivery.records import TargetSpec
    from core.delivery.ssh import connect
    from core.features.online import write_view_values

    project = Project.read(folder.params["project"])
    contract = read_contract(folder.input("contract"))
    since, until = parse_utc(folder.params["since"]), parse_utc(folder.params["until"])
    values = write_view_values(project, folder.inputs("table"), folder.out("views"))
    requests = requests_of(folder.input("training_set"), contract, since, until)
    with connect(TargetSpec.read(folder.params["target"])) as remote, operate.server_address(remote) as address:
        sender = Sender(address.url, contract)
        feed = Feed(TargetStore(address.url, address.token, entities_of(project)), project, values, progress)
        with sender.client, closing(feed.store):
            feed.begin(since, until)
            hours = int((until - since) / HOUR)
            for number in range(hours):
                hour = since + number * HOUR
                progress.check()
                progress.step(number, hours, hour.strftime("%d %B %H:00 UTC"))
                feed.push(hour, hour + HOUR)
                due = requests.filter(pl.col("_at").is_between(hour, hour + HOUR, closed="left"))
                for some in due.iter_slices(ROWS_PER_REQUEST):
                    sender.infer(some)
            held = feed.end(until - INSTANT)
    sent = {"pushed_values": feed.pushed, "materialised": held}
    return sender.counts | sent | {"since": utc_text(since), "until": utc_text(until)}


def requests_of(training_set: Path, contract: Contract, since: datetime, until: datetime) -> pl.DataFrame:
    """The raw request fields of the events of a period, in order of prediction; ``_at`` is when."""
    fields = [item.name for item in contract.fields]
    return (
        pl.scan_parquet(training_set)
        .filter(pl.col("prediction_time").is_between(since, until, closed="left"))
        .select(*fields, pl.col("prediction_time").dt.convert_time_zone("UTC").alias("_at"))
        .sort("_at", maintain_order=True)
        .collect()
    )


class Feed:
    """Keeps a target's online store as it stood at each hour: a materialisation, then every update as it comes."""

    def __init__(self, store: TargetStore, project: Project, values: dict[str, Path], progress: Progress) -> None:
        self.store = store
        self.pushed = 0
        self._project, self._values, self._progress = project, values, progress
        self._news: dict[str, pl.DataFrame] = {}
        self._definitions = {name: definition_of(project, name) for name in project.features.views}

    def begin(self, since: datetime, until: datetime) -> None:
        """Bring every view to just before ``since``, and read what is to become valid in [since, until)."""
        for name in self._values:
            self.pushed += self._brought(name, since - INSTANT).rows
        self._news = updates_between(self._values, since, until)

    def push(self, since: datetime, until: datetime) -> None:
        """Write what becomes valid in [since, until), a part of the period that was begun."""
        document, inside = {}, pl.col("valid_from").is_between(since, until, closed="left")
        for name, frame in self._news.items():
            rows = list(store_rows(name, self._project.features.views[name], frame.filter(inside)))
            if rows:
                document[name] = self.store.document(name, rows)
        self.pushed += self.store.send(document)

    def end(self, at: datetime) -> list[dict[str, Any]]:
        """Note how far the store has come; returns what it holds of each view."""
        views, out = self._project.features.views, []
        for name, path in self._values.items():
            mark_reached(self.store, name, views[name], self._definitions[name], path, at)
            out.append(self._brought(name, at).plain())
        return out

    def _brought(self, name: str, at: datetime) -> MaterialisedView:
        view, definition = self._project.features.views[name], self._definitions[name]
        return bring_to(self.store, name, view, definition, self._values[name], at, self._progress)


def entities_of(project: Project) -> dict[str, list[str]]:
    """The entity columns of each view."""
    return {name: view.entity for name, view in project.features.views.items()}


class Sender:
    """Speaks to one server and counts what it said."""

    def __init__(self, url: str, contract: Contract) -> None:
        self.client = httpx.Client(base_url=url, timeout=30.0, trust_env=False)
        self._contract = contract
        self.counts: dict[str, Any] = {
            "requests": 0,
            "rows": 0,
            "rejected_rows": 0,
            "errors": 0,
            "seconds_inferring": 0.0,
        }

    def infer(self, rows: pl.DataFrame) -> None:
        """Send rows as one request; when the contract refuses it, row by row, so that good rows are served."""
        if rows.is_empty():
            return
        status = self._post(rows)
        if status == 200:
            self.counts["rows"] += rows.height
        elif status == 400 and rows.height > 1:
            for number in range(rows.height):
                self.infer(rows.slice(number, 1))
        elif status == 400:
            self.counts["rejected_rows"] += 1
        else:
            self.counts["errors"] += 1

    def _post(self, rows: pl.DataFrame) -> int:
        inputs = [
            {
                "name": item.name,
                "shape": [rows.height],
                "datatype": DATATYPES[item.type],
                "data": _json_column(rows[item.name]),
            }
            for item in self._contract.fields
        ]
        began = time.perf_counter()
        answer = self.client.post(f"/v2/models/{self._contract.model}/infer", json={"inputs": inputs})
        self.counts["seconds_inferring"] += time.perf_counter() - began
        self.counts["requests"] += 1
        return answer.status_code


def _json_column(column: pl.Series) -> list[Any]:
    if isinstance(column.dtype, pl.Datetime):
        return [None if value is None else utc_text(_aware(value)) for value in column]
    return column.to_list()


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)
