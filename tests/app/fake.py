"""A client that answers from memory, for tests of the window only. Plausible values, fixed seed."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from core.kernel.errors import NotFound, Refused

NOW = datetime(2013, 12, 1, 8, 30, tzinfo=UTC)
STAGES = ("ingest", "validate", "features", "train", "evaluate", "gate", "sign off", "package", "push", "monitor")


def digest(text: str) -> str:
    """A digest-looking text that differs by input."""
    return "b3:" + "".join(f"{(hash_ * 2654435761) % 2**32:08x}" for hash_ in range(len(text), len(text) + 8))


def at(hours: float) -> str:
    """A time before now."""
    return (NOW - timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


GATES = [
    {
        "rule": "quality_floor",
        "severity": "block",
        "passed": True,
        "fact": "metrics.roc_auc.low",
        "op": ">=",
        "expected": "0.70",
        "observed": "0.7506",
        "why": "Below this the warnings cost more than they save",
    },
    {
        "rule": "calibrated",
        "severity": "block",
        "passed": True,
        "fact": "calibration.ece",
        "op": "<=",
        "expected": "0.03",
        "observed": "0.0161",
        "why": "The score is shown as a chance",
    },
    {
        "rule": "no_leak",
        "severity": "block",
        "passed": True,
        "fact": "leakage.worst",
        "op": "==",
        "expected": "none",
        "observed": "none",
        "why": "",
    },
    {
        "rule": "better_than_champion",
        "severity": "block",
        "passed": True,
        "fact": "comparison.low",
        "op": ">",
        "expected": "0",
        "observed": "0.036",
        "why": "",
    },
    {
        "rule": "slice_floor",
        "severity": "warn",
        "passed": False,
        "fact": "slices.worst.auc",
        "op": ">=",
        "expected": "0.65",
        "observed": "0.634",
        "why": "Small carriers are known to be harder",
    },
]
EVIDENCE = [
    {
        "kind": "evaluation",
        "id": "ev-4k7w9m2xqp",
        "digest": digest("a"),
        "summary": "ROC-AUC 0.754 on 166 668 rows, July to December",
    },
    {"kind": "validation", "id": "sn-flights01", "digest": digest("bb"), "summary": "31 checks on flights, 2 warnings"},
    {
        "kind": "leakage",
        "id": "lk-2c9d8e7f6a",
        "digest": digest("ccc"),
        "summary": "no column is used before it is known",
    },
    {"kind": "drift", "id": "dr-7h6g5f4e3d", "digest": digest("dddd"), "summary": "weather drifts with the season"},
]


class FakeClient:
    """Answers every question that the window asks; ``broken`` names questions that fail, ``bare`` empties all."""

    def __init__(self, actor: str = "ravi", *, bare: bool = False, broken: tuple[str, ...] = ()) -> None:
        self.actor = actor
        self.bare = bare
        self.broken = broken
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.changed: list[tuple[str, dict[str, Any]]] = []
        self.cancelled: list[str] = []
        self.threads: set[int] = set()
        self.seq = 1284
        self.closed = False
        self._rng = np.random.default_rng(7)

    def ask(self, name: str, **params: Any) -> Any:
        self.asked.append((name, params))
        self.threads.add(threading.get_ident())
        if name in self.broken:
            raise NotFound(
                "The answer is not there",
                detail=f"{name} has no rows in this workspace",
                where="workspace/store.duckdb",
                remedy="Ingest the sources first.",
            )
        answer = getattr(self, f"_{name}")(**params)
        if not self.bare:
            return answer
        return answer.clear() if isinstance(answer, pl.DataFrame) else {}

    def change(self, name: str, request: dict[str, Any], *, passphrase: str | None = None) -> dict[str, Any]:
        self.changed.append((name, request))
        if passphrase != "correct horse":
            raise Refused("The passphrase does not open your key", remedy="Two tries are left.")
        self.seq += 1
        return {"ok": True}

    def jobs(self) -> list[dict[str, Any]]:
        if self.bare:
            return []
        return [
            {
                "job": "job-1",
                "kind": "train",
                "title": "Train boosting",
                "state": "running",
                "done": 162,
                "total": 250,
                "message": "iteration 162",
                "started_at": at(0.1),
                "metrics": {"loss": 0.4213, "valid_auc": 0.7481},
            },
            {
                "job": "job-0",
                "kind": "ingest",
                "title": "Ingest flights",
                "state": "done",
                "done": 1,
                "total": 1,
                "message": "336 776 rows",
                "started_at": at(1),
                "metrics": {},
            },
        ]

    def cancel(self, job: str) -> None:
        self.cancelled.append(job)

    def changes_since(self, seq: int) -> int:
        return self.seq

    def close(self) -> None:
        self.closed = True

    # -- answers -------------------------------------------------------------------------------

    def _overview(self) -> dict[str, Any]:
        states = ("done", "warned", "done", "running", "done", "passed", "pending", "done", "done", "ok")
        quality = (0.783, 0.741, 0.744, 0.709, 0.697, 0.727)
        return {
            "project": "flights",
            "title": "Late arrivals from New York",
            "champion": {
                "model": "late_arrival",
                "version": 3,
                "stage": "production",
                "auc": 0.7543,
                "low": 0.7506,
                "high": 0.7581,
                "release": "rel-4k7w9m2xqp",
                "target": "gate-desk",
            },
            "release_state": "live",
            "pending_sign_offs": 1,
            "open_incidents": 1,
            "running_jobs": 1,
            "targets": [
                {
                    "name": "gate-desk",
                    "url": "ssh://ops@gate-desk:22/srv/plimsoll",
                    "environment": "production",
                    "release": "rel-4k7w9m2xqp",
                    "state": "healthy",
                    "checked_at": at(0.05),
                },
                {
                    "name": "rehearsal",
                    "url": "ssh://ops@rehearsal:22/srv/plimsoll",
                    "environment": "staging",
                    "release": "rel-9d8c7b6a5f",
                    "state": "canary",
                    "checked_at": at(0.05),
                },
            ],
            "stages": [
                {"stage": name, "state": state, "at": at(30 - 3 * i), "detail": f"{name} finished"}
                for i, (name, state) in enumerate(zip(STAGES, states, strict=True))
            ],
            "recent": self._ledger().head(9).to_dicts(),
            "quality_by_window": [
                {"window": f"2013-{m:02d}", "auc": a, "n": 27000} for m, a in zip(range(7, 13), quality, strict=True)
            ],
        }

    def _snapshots(self) -> pl.DataFrame:
        rows = [
            ("sn-flights01", "flights", 336_776, 19, 9_104_211, 29, 0, 2),
            ("sn-weather01", "weather", 26_115, 15, 812_334, 11, 1, 1),
            ("sn-planes0001", "planes", 3_322, 9, 61_002, 8, 0, 0),
            ("sn-airlines1", "airlines", 16, 2, 1_204, 3, 0, 0),
            ("sn-airports1", "airports", 1_458, 8, 48_730, 6, 0, 1),
            ("sn-events0001", "events", 336_776, 28, 14_730_112, 12, 0, 0),
        ]
        return pl.DataFrame(
            [
                {
                    "snapshot": s,
                    "table": t,
                    "rows": n,
                    "columns": c,
                    "bytes": b,
                    "created_at": at(30 + i),
                    "created_by": "mina",
                    "digest": digest(t),
                    "checks_passed": p,
                    "checks_failed": f,
                    "checks_warned": w,
                }
                for i, (s, t, n, c, b, p, f, w) in enumerate(rows)
            ]
        )

    def _snapshot(self, id: str) -> dict[str, Any]:
        counts = [1200, 8400, 30211, 61222, 74110, 58000, 39000, 28000, 19000, 9800, 5200, 2633]
        number = {
            "name": "distance",
            "type": "Int64",
            "kind": "number",
            "rows": 336776,
            "nulls": 0,
            "distinct": 214,
            "min": 17.0,
            "max": 4983.0,
            "mean": 1039.91,
            "std": 733.2,
            "quantiles": {"p50": 872.0},
            "histogram": {"edges": list(np.linspace(17, 4983, 13)), "counts": counts},
            "top": [],
        }
        delay = number | {
            "name": "arr_delay",
            "nulls": 9430,
            "distinct": 577,
            "min": -86.0,
            "max": 1272.0,
            "mean": 6.895,
            "histogram": {"edges": list(np.linspace(-86, 200, 13)), "counts": counts},
        }
        carrier = {
            "name": "carrier",
            "type": "String",
            "kind": "text",
            "rows": 336776,
            "nulls": 0,
            "distinct": 16,
            "min": "9E",
            "max": "YV",
            "mean": None,
            "histogram": None,
            "top": [
                {"value": v, "count": n}
                for v, n in (
                    ("UA", 58665),
                    ("B6", 54635),
                    ("EV", 54173),
                    ("DL", 48110),
                    ("AA", 32729),
                    ("MQ", 26397),
                    ("US", 20536),
                    ("9E", 18460),
                )
            ],
        }
        columns = [number | {"name": n} for n in ("year", "month", "day", "sched_dep_time", "flight", "air_time")]

        def check(name: str, column: str, failed: int, severity: str, observed: str) -> dict[str, Any]:
            return {
                "name": name,
                "kind": name,
                "columns": [column],
                "severity": severity,
                "passed": not failed,
                "rows": 336776,
                "failed": failed,
                "observed": observed,
                "expected": "0 rows",
                "examples": [],
            }

        checks = [
            check("range", "wind_speed", 1, "fail", "1048.36 is above 200"),
            check("reference", "tailnum", 52606, "warn", "721 tail numbers are not in planes"),
            *(check("not_null", c, 0, "fail", "0 nulls") for c in ("carrier", "origin", "dest", "time_hour", "flight")),
        ]
        return {
            "snapshot": id,
            "table": "flights",
            "rows": 336776,
            "columns": ["carrier", "distance"],
            "bytes": 9104211,
            "created_at": at(30),
            "created_by": "mina",
            "digest": digest(id),
            "profile": {"table": "flights", "rows": 336776, "columns": [delay, number, carrier, *columns]},
            "validation": {"table": "flights", "rows": 336776, "results": checks},
        }

    def _snapshot_rows(
        self, id: str, offset: int, limit: int, sort: str | None = None, descending: bool = False
    ) -> pl.DataFrame:
        count = max(0, min(limit, 336_776 - offset))
        return pl.DataFrame(
            {
                "row": np.arange(offset, offset + count),
                "carrier": ["UA", "B6", "EV", "DL"] * (count // 4) + ["AA"] * (count % 4),
                "distance": (np.arange(count) * 37 % 2500) + 17,
                "arr_delay": [None if i % 35 == 0 else float(i % 90 - 20) for i in range(count)],
            }
        )

    def _runs(self) -> pl.DataFrame:
        rows = [
            ("boosting", "running", 0.7481, 0.1432, None),
            ("boosting", "finished", 0.7543, 0.1421, 94.2),
            ("mlp", "finished", 0.7461, 0.1453, 211.9),
            ("logistic", "finished", 0.7122, 0.1587, 12.4),
            ("boosting", "failed", None, None, 3.1),
            ("boosting", "finished", 0.7127, 0.1581, 88.0),
        ]
        return pl.DataFrame(
            [
                {
                    "run": f"run-{i:04d}k7w9m2",
                    "name": f"{t}-{10 - i}",
                    "trainer": t,
                    "state": s,
                    "roc_auc": a,
                    "brier": b,
                    "started_at": at(1 + 3 * i),
                    "seconds": d,
                    "author": "mina",
                    "model": None,
                }
                for i, (t, s, a, b, d) in enumerate(rows)
            ]
        )

    def _run(self, id: str) -> dict[str, Any]:
        return {
            "run": id,
            "parameters": {"iterations": 250, "leaves": 31, "learning_rate": 0.08, "seed": 7},
            "environment": {"python": "3.11.9", "scikit-learn": "1.9.1"},
            "inputs": {"matrix": digest("m"), "contract": digest("contract")},
            "metrics": {"roc_auc": 0.7543, "brier": 0.1421, "log_loss": 0.4418},
            "artefacts": {"model.onnx": digest("onnx"), "reference.json": digest("reference")},
        }

    def _run_metrics(self, id: str, points: int = 4000) -> pl.DataFrame:
        steps = np.arange(1, 251)
        wobble = float(len(id) % 3 + int(id[4:8], 36) % 5)
        parts = []
        for name, values in (
            ("train_loss", 0.36 + 0.2 * np.exp(-steps / 40)),
            ("valid_loss", 0.40 + 0.15 * np.exp(-steps / 35)),
            ("valid_auc", 0.757 - 0.1 * np.exp(-steps / (30 + 4 * wobble))),
        ):
            noise = np.random.default_rng(int(wobble)).normal(0, 0.001, len(steps))
            parts.append(pl.DataFrame({"name": [name] * len(steps), "step": steps, "value": values + noise}))
        return pl.concat(parts)

    def _evaluations(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "evaluation": ["ev-4k7w9m2xqp", "ev-1a2b3c4d5e"],
                "run": ["run-0001k7w9m2", "run-0002k7w9m2"],
                "name": ["boosting-9 on test", "mlp-8 on test"],
                "created_at": [at(4), at(9)],
            }
        )

    def _evaluation(self, id: str) -> dict[str, Any]:
        x = np.linspace(0, 1, 120)
        curve = [{"x": float(v), "y": float(v**0.38)} for v in x]
        pr = [{"x": float(v), "y": float(0.92 - 0.68 * v**0.7)} for v in x[1:]]
        scores = np.linspace(0.04, 0.78, 10)
        bins = [
            {
                "rows": 16666,
                "score": float(s),
                "observed": float(s + 0.015 * np.sin(9 * s)),
                "low": float(s - 0.01),
                "high": float(s + 0.01),
            }
            for s in scores
        ]
        slices = [
            {
                "features": ["carrier"],
                "values": [c],
                "rows": n,
                "share": n / 166668,
                "adequate": n > 200,
                "positive_rate": r,
                "error_rate": r * 0.7,
                "auc": {"value": a, "low": a - 0.01, "high": a + 0.01},
                "auc_difference": a - 0.754,
                "auc_significant": a < 0.72,
            }
            for c, n, r, a in (
                ("UA", 29510, 0.218, 0.765),
                ("B6", 27822, 0.261, 0.748),
                ("EV", 26533, 0.314, 0.741),
                ("DL", 24811, 0.182, 0.758),
                ("MQ", 13010, 0.271, 0.706),
                ("OO", 21, 0.29, 0.634),
                ("HA", 171, 0.126, 0.69),
            )
        ]
        group = {"rows": 29510, "base_rate": 0.218, "selection_rate": 0.24, "tpr": 0.52, "fpr": 0.14, "accuracy": 0.79}
        return {
            "evaluation": id,
            "rows": 166668,
            "metrics": {
                "roc_auc": {"value": 0.7543, "low": 0.7506, "high": 0.7581},
                "average_precision": {"value": 0.4912, "low": 0.485, "high": 0.497},
                "brier": {"value": 0.1421, "low": 0.1409, "high": 0.1433},
                "log_loss": {"value": 0.4418},
            },
            "calibration": {"bins": bins, "ece": 0.0161, "mce": 0.034, "brier": 0.1421},
            "curves": {"roc": curve, "pr": pr},
            "confusion": {"threshold": 0.31, "tp": 18211, "fp": 17902, "fn": 16110, "tn": 114445, "cost": 0.204},
            "slices": slices,
            "fairness": {"groups": [group | {"group": g} for g in ("EWR", "JFK", "LGA")]},
            "champion": None,
            "gates": GATES,
            "stability": [
                {
                    "month": f"2013-{m:02d}",
                    "rows": 27000,
                    "base_rate": 0.2,
                    "auc": {"value": a, "low": a - 0.008, "high": a + 0.008},
                    "brier": 0.14,
                    "ece": 0.02,
                }
                for m, a in ((7, 0.783), (8, 0.741), (9, 0.744), (10, 0.709), (11, 0.697), (12, 0.727))
            ],
        }

    def _releases(self) -> pl.DataFrame:
        rows = [
            ("rel-9d8c7b6a5f", 4, "pending", 1, at(2)),
            ("rel-4k7w9m2xqp", 3, "live", 2, at(300)),
            ("rel-1f2e3d4c5b", 2, "superseded", 2, at(900)),
            ("rel-0a9b8c7d6e", 1, "rejected", 0, at(1200)),
        ]
        return pl.DataFrame(
            [
                {
                    "release": r,
                    "model": "late_arrival",
                    "version": v,
                    "environment": "production",
                    "state": s,
                    "author": "mina",
                    "proposed_at": t,
                    "approvals": a,
                    "approvals_needed": 2,
                }
                for r, v, s, a, t in rows
            ]
        )

    def _release(self, id: str) -> dict[str, Any]:
        state = dict(zip(self._releases()["release"], self._releases()["state"], strict=True))[id]
        dossier = {
            "release": id,
            "project": "flights",
            "model": "late_arrival",
            "version": 4,
            "environment": "production",
            "run": "run-0001k7w9m2",
            "author": "mina",
            "author_person": "Mina Okafor",
            "proposed_at": at(2),
            "payload": digest("payload"),
            "inputs": {},
            "metrics": {"roc_auc": 0.7543, "roc_auc.low": 0.7506, "roc_auc.high": 0.7581},
            "gates": GATES,
            "evidence": EVIDENCE,
            "policy": "production v2",
            "policy_digest": digest("policy"),
            "approvals_needed": 2,
            "approver_roles": ["reviewer"],
            "previous": "rel-4k7w9m2xqp",
            "changes": [
                "Training data: flights January to June, one month more",
                "Feature added: delay_rate_3h (carrier)",
                "ROC-AUC 0.713 to 0.754",
                "learning_rate 0.1 to 0.08",
            ],
        }
        signs = [
            {
                "signer": "jo",
                "signer_name": "Jo Lindqvist",
                "meaning": "approve",
                "comment": "Weather drift is the season; agreed with ops.",
                "signed_at": at(1),
                "valid": True,
                "reason": "",
            }
        ]
        return {
            "release": id,
            "dossier": dossier,
            "dossier_digest": digest("dossier"),
            "sign_offs": signs,
            "tally": {},
            "state": state,
            "deployments": [{"target": "rehearsal", "state": "healthy", "at": at(1.5)}],
            "package_digest": digest("package"),
        }

    def _targets(self) -> pl.DataFrame:
        return pl.DataFrame(self._overview()["targets"])

    def _deployments(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "deployment": ["dep-2", "dep-1"],
                "target": ["rehearsal", "gate-desk"],
                "release": ["rel-9d8c7b6a5f", "rel-4k7w9m2xqp"],
                "state": ["canary", "live"],
                "started_at": [at(1.5), at(290)],
                "actor": ["omar", "omar"],
            }
        )

    def _monitoring(self, model: str | None = None) -> dict[str, Any]:
        auc = (0.783, 0.741, 0.744, 0.709, 0.697, 0.727)
        windows = [
            {
                "window": f"2013-{m:02d}",
                "start": f"2013-{m:02d}-01T00:00:00Z",
                "end": f"2013-{m:02d}-28T00:00:00Z",
                "n": 27000,
                "auc": a,
                "auc_low": a - 0.008,
                "auc_high": a + 0.008,
                "labels": 0.98,
                "drifted": ["temp", "pressure"],
            }
            for m, a in zip(range(7, 13), auc, strict=True)
        ]
        drift = [
            {"column": c, "statistic": "ks" if e < 1 else "g", "effect": e, "p": p, "alarm": e > 0.1}
            for c, e, p in (
                ("temp", 0.61, 1e-9),
                ("pressure", 0.33, 1e-8),
                ("wind_speed", 0.12, 0.0004),
                ("visib", 0.05, 0.02),
                ("distance", 0.01, 0.61),
                ("plane_age", 0.012, 0.44),
                ("carrier", 0.02, 0.2),
            )
        ]
        return {
            "system": {"requests": 1_284_220, "p99_ms": 8.1, "errors": 12, "state": "ok"},
            "data": {"drifted_columns": 3, "of": 7, "invalid_requests": 214, "state": "drifted"},
            "model": {"roc_auc": 0.727, "labels": 26991, "state": "ok"},
            "business": {"late_flights_warned": 18211, "false_alarms": 17902},
            "slos": [
                {
                    "name": "availability",
                    "objective": 0.999,
                    "observed": 0.99991,
                    "budget_left": 0.91,
                    "window": "7d",
                    "met": True,
                },
                {
                    "name": "latency",
                    "objective": 0.99,
                    "observed": 0.9974,
                    "budget_left": 0.74,
                    "window": "7d",
                    "met": True,
                },
                {
                    "name": "quality",
                    "objective": 0.70,
                    "observed": 0.697,
                    "budget_left": -0.02,
                    "window": "30d",
                    "met": False,
                },
            ],
            "windows": windows,
            "drift": drift,
            "latency": [
                {"window": w["window"], "p50": 1.2 + i * 0.05, "p95": 3.4 + i * 0.2, "p99": 7.6 + i * 0.3}
                for i, w in enumerate(windows)
            ],
        }

    def _alerts(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "alert": ["al-1", "al-2"],
                "kind": ["quality", "drift"],
                "state": ["firing", "acknowledged"],
                "at": [at(20), at(200)],
                "summary": ["ROC-AUC 0.697 is below 0.70 in 2013-11", "temp, pressure and wind_speed drifted"],
            }
        )

    def _incidents(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "incident": ["inc-2", "inc-1"],
                "state": ["open", "resolved"],
                "title": ["Quality below its floor", "Target unreachable"],
                "owner": ["omar", "jo"],
                "opened_at": [at(20), at(700)],
            }
        )

    def _incident(self, id: str) -> dict[str, Any]:
        return {
            "incident": id,
            "timeline": [
                {"at": at(20), "state": "firing", "text": "Opened by the quality objective", "actor": "system"},
                {"at": at(19), "state": "acknowledged", "text": "Acknowledged", "actor": "omar"},
                {"at": at(18), "state": "running", "text": "Retraining started", "actor": "system"},
            ],
            "playbook": "# Quality below its floor\n\n1. Which inputs moved?\n2. Compare estimated quality.\n"
            "3. Retrain, or roll back to the previous release.",
        }

    def _lineage(self, node: str | None = None, depth: int = 2) -> dict[str, Any]:
        kinds = [
            ("source", ("flights.csv", "weather.csv", "planes.csv")),
            ("snapshot", ("flights", "weather", "planes")),
            ("table", ("events",)),
            ("features", ("matrix",)),
            ("run", ("boosting-9", "mlp-8", "logistic-7")),
            ("evaluation", ("boosting-9 on test", "mlp-8 on test")),
            ("release", ("rel-9d8c7b6a5f",)),
            ("deployment", ("rehearsal", "gate-desk")),
        ]
        ids = {k: [f"{k}-{i}" for i in range(len(names))] for k, names in kinds}
        states = {
            "run": "finished",
            "release": "pending",
            "deployment": "healthy",
            "evaluation": "passed",
            "snapshot": "valid",
        }
        nodes = [
            {"id": ids[k][i], "kind": k, "label": n, "state": states.get(k, ""), "created_at": at(40 - 4 * place)}
            for place, (k, names) in enumerate(kinds)
            for i, n in enumerate(names)
        ]
        pairs = [(f"source-{i}", f"snapshot-{i}", "ingested") for i in range(3)]
        pairs += [(f"snapshot-{i}", "table-0", "derived") for i in range(3)] + [("table-0", "features-0", "built")]
        pairs += [("features-0", f"run-{i}", "trained") for i in range(3)]
        pairs += [
            ("run-0", "evaluation-0", "judged"),
            ("run-1", "evaluation-1", "judged"),
            ("evaluation-0", "release-0", "evidence"),
            ("snapshot-0", "release-0", "evidence"),
            ("release-0", "deployment-0", "pushed"),
            ("release-0", "deployment-1", "pushed"),
        ]
        return {"nodes": nodes, "edges": [list(p) for p in pairs]}

    def _ledger(self, where: str | None = None, limit: int = 500) -> pl.DataFrame:
        rows = [
            ("ravi", "release.sign", "rel-9d8c7b6a5f", "refused", "Refused: the evidence was not opened"),
            ("jo", "release.sign", "rel-9d8c7b6a5f", "done", "Jo Lindqvist approved release rel-9d8c7b6a5f"),
            ("mina", "release.propose", "rel-9d8c7b6a5f", "done", "Release of late_arrival v4 proposed for production"),
            ("mina", "run.evaluate", "ev-4k7w9m2xqp", "done", "boosting-9 evaluated: ROC-AUC 0.754"),
            ("mina", "run.train", "run-0001k7w9m2", "done", "boosting-9 trained in 94 s"),
            ("mina", "run.train", "run-0004k7w9m2", "failed", "boosting-6 failed: the memory limit was reached"),
            ("system", "trigger.fire", "quality", "done", "Quality fell below its floor: retraining started"),
            ("omar", "release.deploy", "rel-4k7w9m2xqp", "done", "late_arrival v3 pushed to gate-desk"),
            ("mina", "data.ingest", "sn-flights01", "done", "flights ingested: 336 776 rows"),
        ]
        made = [
            {
                "seq": self.seq - i,
                "at": at(i * 1.7),
                "actor": a,
                "kind": k,
                "subject": s,
                "outcome": o,
                "summary": t,
                "hash": digest(t),
            }
            for i, (a, k, s, o, t) in enumerate(rows * 6)
        ]
        frame = pl.DataFrame(made)
        return frame.filter(pl.col("kind").str.contains(where, literal=True)) if where else frame

    def _ledger_verify(self) -> dict[str, Any]:
        return {"ok": True, "entries": self.seq, "problems": []}

    def _users(self) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "user": ["mina", "jo", "ravi", "omar"],
                "name": ["Mina Okafor", "Jo Lindqvist", "Ravi Menon", "Omar Haddad"],
                "roles": ["author", "reviewer", "reviewer", "operator"],
                "key": ["key-1f", "key-2e", "key-3d", "key-4c"],
            }
        )
