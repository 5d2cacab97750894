"""Offline against online: the same entity at the same instant, feature by feature, and why they differ.

Offline is an as-of join of the view's values; online is a look-up in the store that serves. Where they
differ, the definitions of both sides are laid beside each other and the part that changed is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from core.contract.parity import FeatureParity, Value, compare_feature
from core.contract.schema import GoldenRow, ViewRef
from core.features.asof import look_up, max_age_s
from core.features.definitions import DefinitionChange, changes, definition_digest
from core.features.online import newest_at
from core.features.views import features_of
from core.kernel.clock import parse_utc, utc_text
from core.kernel.records import Record
from core.project.schema import FeatureView
from core.serving.online_records import VERSIONS, FeatureStore, Mark

ENTITIES = 2_000
PARTS = (1.0, 1 / 4, 1 / 16, 1 / 64, 0.0)  # instants by how far back they lie: of busy entities little history is kept


class ViewParity(Record):
    """One view's features compared. ``changes`` holds what differs between the definitions (online, then offline)."""

    view: str
    rows: int
    instants: list[str]
    offline_version: str
    online_version: str
    changes: list[DefinitionChange]
    features: list[FeatureParity]
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Rows were compared, and no feature differed."""
        return self.rows > 0 and not any(feature.mismatched for feature in self.features)

    def causes(self, feature: str) -> list[str]:
        """The changed parts of the definition that can explain a feature's difference, in words."""
        return [f"{item.what}: online {item.before}, offline {item.after}" for item in self.changes if feature in item.features]  # noqa: E501  # fmt: skip


class ParityReport(Record):
    """All views of one model against one store, and its golden rows against the tables of today."""

    model: str
    place: str
    offline: str
    views: list[ViewParity]
    golden: list[FeatureParity] = Field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Every view was compared and nothing differed."""
        return all(view.passed for view in self.views) and not any(item.mismatched for item in self.golden)

    def problems(self) -> list[str]:
        """One line for each feature that differs, with its count and its cause."""
        out = [f"{view.view}: {view.reason}" for view in self.views if view.reason and not view.rows]
        for view in self.views:
            for item in view.features:
                if item.mismatched:
                    cause = "; ".join(view.causes(item.feature)) or view.reason
                    out.append(f"{view.view}.{item.feature}: {item.mismatched:,} of {item.compared:,} rows ({cause})")
        return out + [
            f"{item.view}.{item.feature}: {item.mismatched:,} of {item.compared:,} golden rows are computed otherwise"
            for item in self.golden
            if item.mismatched
        ]


def view_parity(
    store: FeatureStore,
    ref: ViewRef,
    view: FeatureView,
    definition: dict[str, Any],
    values: Path,
    at: Sequence[datetime] = (),
    entities: int = ENTITIES,
) -> ViewParity:
    """Compare one view of ``store`` with its offline values.

    Args:
        ref: how the served contract looks the view up, its largest age included.
        view, definition, values: the offline side: the view, its definition, and its values in a file.
        at: instants to compare at; without any, five over what the store holds, closer together at its end.
            Those that the store does not reach are left out.
        entities: how many entities are drawn (seeded) at each instant.
    """
    mark = store.held().get(ref.name)
    if mark is None or mark.mark is None:
        return _nothing(ref.name, definition, "nothing was materialised there: run `plimsoll features materialize`")
    instants = _instants(mark.mark, at)
    if not instants:
        reach = f"{utc_text(_moment(mark.mark.since))} to {utc_text(_moment(mark.mark.until))}"
        return _nothing(ref.name, definition, f"the store reaches from {reach}, and none of the instants lies there")
    asked = _asked(view, values, mark.mark, instants, entities)
    offline = look_up(asked, pl.read_parquet(values), ref.name, view, "at")
    differ = definition_changes(mark.mark.definition, ref, view, definition)
    compared = _compared(store, ref, asked, offline)
    unexplained = any(item.mismatched for item in compared) and not differ
    return ViewParity(
        view=ref.name,
        rows=asked.height,
        instants=[utc_text(one) for one in instants],
        offline_version=definition_digest(definition),
        online_version=mark.mark.version,
        changes=differ,
        features=compared,
        reason="the definitions agree, so the data under them differ" if unexplained else "",
    )


def definition_changes(
    online: dict[str, Any], ref: ViewRef, view: FeatureView, definition: dict[str, Any]
) -> list[DefinitionChange]:
    """What differs between what was materialised and looked up, and the offline definition.

    How old a value may be is the contract's word online, whatever the materialised definition says.
    """
    out = [item for item in changes(online, definition) if item.what != "tolerance"]
    if ref.max_age_s != max_age_s(view):
        seconds = ["any age" if age is None else f"{age:g}s" for age in (ref.max_age_s, max_age_s(view))]
        out.append(
            DefinitionChange(what="tolerance", before=seconds[0], after=seconds[1], features=features_of(view))
        )  # fmt: skip
    return out


def golden_parity(
    rows: Sequence[GoldenRow], time_field: str, ref: ViewRef, view: FeatureView, values: Path
) -> list[FeatureParity]:
    """The view in golden rows: as the release recorded it (offline), and as it is computed now (online)."""
    if not rows or any(name not in rows[0].fields for name in ref.entity):
        return []
    at = [parse_utc(str(row.fields[time_field])) for row in rows]
    kinds = pl.scan_parquet(values).collect_schema()
    asked = pl.DataFrame({name: [row.fields[name] for row in rows] for name in ref.entity}).cast(
        {name: kinds[name] for name in ref.entity}
    )
    now = look_up(asked.with_columns(pl.Series("at", at)), pl.read_parquet(values), ref.name, view, "at")
    keys = asked.to_dicts()
    return [
        compare_feature(
            ref.name,
            name,
            [row.view_features.get(name) for row in rows],
            [float(one) if isinstance(one, int) else one for one in now[name].to_list()],
            keys,
            [utc_text(one) for one in at],
        )
        for name in ref.features
        if name in now.columns
    ]


def _compared(store: FeatureStore, ref: ViewRef, asked: pl.DataFrame, offline: pl.DataFrame) -> list[FeatureParity]:
    moments = asked["at"].to_list()
    seconds = asked.select(pl.col("at").dt.epoch("us") / 1e6).to_series().to_list()
    keys = list(asked.select(ref.entity).iter_rows())
    found = store.look_up(ref.name, list(zip(seconds, keys, strict=True)), ref.max_age_s)
    named = [dict(zip(ref.entity, key, strict=True)) for key in keys]
    at = [utc_text(one) for one in moments]
    out = []
    for name in dict.fromkeys([*ref.features, *offline.columns]):
        online: list[Value] = [None if one is None else one.get(name) for one in found]
        known: list[Value] = offline[name].to_list() if name in offline.columns else [None] * len(found)
        out.append(compare_feature(ref.name, name, known, online, named, at))
    return out


def _instants(mark: Mark, wanted: Sequence[datetime]) -> list[datetime]:
    first, last = _moment(mark.since), _moment(mark.until)
    if wanted:
        return [one for one in wanted if first <= one <= last]
    return [last - (last - first) * part for part in PARTS]


def _asked(view: FeatureView, values: Path, mark: Mark, instants: list[datetime], entities: int) -> pl.DataFrame:
    """(entity, at) rows that the store can answer: of an entity with many versions the oldest are not kept."""
    until = _moment(mark.until)
    known = newest_at(view, values, until).select(view.entity)
    drawn = known.sample(min(entities, known.height), seed=7, shuffle=True)
    asked = drawn.join(pl.DataFrame({"at": instants}).cast(pl.Datetime("us", "UTC")), how="cross")
    kept = (
        pl.scan_parquet(values)
        .filter(pl.col("valid_from") <= until)
        .group_by(view.entity)
        .agg(pl.len().alias("_n"), pl.col("valid_from").sort().tail(VERSIONS).first().alias("_first"))
        .collect()
    )
    reached = (pl.col("_n") <= VERSIONS) | (pl.col("at") >= pl.col("_first"))
    return asked.join(kept, on=view.entity, how="left").filter(reached).select(*view.entity, "at")


def _nothing(name: str, definition: dict[str, Any], reason: str) -> ViewParity:
    return ViewParity(
        view=name, rows=0, instants=[], offline_version=definition_digest(definition), online_version="",
        changes=[], features=[], reason=reason,
    )  # fmt: skip


def _moment(seconds: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=round(seconds * 1e6))
