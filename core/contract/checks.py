"""Checks on a table: one implementation for ingestion, training, serving and monitoring.

All aggregates of a suite share a scan where they can; only checks that fail pay for examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import polars as pl

from core.contract.compile import compile_all
from core.contract.definitions import check_name
from core.contract.examples import with_examples
from core.contract.plan import Pause, Table, measure
from core.contract.rules import Bound, Past
from core.contract.schema import Check, ValidationReport
from core.contract.verdicts import MASK, verdict
from core.contract.whole import LIMIT
from core.kernel.clock import SystemClock

__all__ = ["MASK", "check_name", "run_checks"]


def run_checks(
    frame: pl.LazyFrame | pl.DataFrame,
    checks: Sequence[Check],
    *,
    table: str,
    tables: Mapping[str, pl.LazyFrame] | None = None,
    past: Past | None = None,
    key: Sequence[str] = (),
    personal: Sequence[str] = (),
    masked: Sequence[str] = (),
    now: datetime | None = None,
    examples: int = LIMIT,
    pause: Pause = lambda: None,
) -> ValidationReport:
    """Run every check on ``frame`` [rows, columns] and report all verdicts, in the order given.

    Nulls pass every kind but ``not_null``; NaN fails ``between``. ``where`` limits the rows that
    count, ``mostly`` is the share of them that must pass, ``by`` asks each group by itself. A check
    whose column is missing, or that cannot be evaluated, fails and says so. ``tables`` are the
    others that ``references`` may name, ``past`` what earlier snapshots say; a check that needs
    what is not given is skipped and says so. A lazy frame is streamed, never held whole. Examples
    (at most 100) show ``key`` and the checked columns, with the ``personal`` ones masked.
    ``masked`` columns hold a mask already, so checks that read their values are skipped.
    ``pause`` is called between scans and may raise.

    Raises:
        InputError: when checks themselves are wrong (syntax, missing settings): all at once.
    """
    lazy = frame.lazy()
    schema = lazy.collect_schema()
    rules = compile_all(checks, Bound(lazy, schema, None if tables is None else dict(tables), past, frozenset(masked)))
    source = Table(lazy, "streaming" if isinstance(frame, pl.LazyFrame) else "in-memory", pause)
    measured = measure(source, rules)
    at, hidden = now or SystemClock().now(), frozenset(personal)
    results = [verdict(rule, fact, measured.rows, at, hidden) for rule, fact in zip(rules, measured.facts, strict=True)]
    known = [column for column in key if column in schema]
    shown = with_examples(source, rules, measured.facts, results, known, hidden, min(examples, LIMIT))
    return ValidationReport(table=table, rows=measured.rows, results=shown)
