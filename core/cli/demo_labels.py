"""A stage of the demo: outcomes that arrive late, some of them wrong, and corrections of those."""

from __future__ import annotations

import polars as pl

from core.cli.demo import Demo

HALF = "2013-07-15T00:00:00Z"
WRONG = 20


def late_labels(demo: Demo, since: str, until: str, as_of: str) -> None:
    """Two deliveries; the first has some outcomes the wrong way round, which a third puts right an hour later."""
    with demo.stage("Join late labels, and correct some", "Monitoring · plimsoll labels list") as line:
        first, second = (
            demo.founder.ask("recorded_labels", since=since, until=until, known_after=after, known_by=by)
            for after, by in ((since, HALF), (HALF, as_of))
        )
        turned = (1 - pl.col("label")).cast(first.schema["label"]).alias("label")
        wrong, right = first.head(WRONG).with_columns(turned), first.head(WRONG)
        late = right.with_columns(pl.col("known_at") + pl.duration(hours=1))
        for number, labels in enumerate((pl.concat([wrong, first[WRONG:]]), second, late), start=1):
            _deliver(demo, labels, f"labels-{number}.parquet")
        stream = demo.founder.ask("label_stream", as_of=as_of)
        line.result = (
            f"{first.height + second.height:,} labels in two deliveries, {stream['corrected']} of them corrected by a "
            "third; cancelled and diverted flights have none"
        )
        line.ok = stream["corrected"] == WRONG


def _deliver(demo: Demo, labels: pl.DataFrame, name: str) -> None:
    folder = demo.root / "incoming"
    folder.mkdir(exist_ok=True)
    labels.write_parquet(folder / name)
    demo.job(demo.person("oscar"), "labels.add", {"file": str(folder / name)}, "Labels")
