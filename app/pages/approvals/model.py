"""What the approvals page asks, and the one change it makes: a signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from app.pages.base import PageModel, Then
from core.kernel.errors import PlimsollError

DECIDED = ("approved", "rejected", "withdrawn", "superseded", "deployed", "live", "expired", "rolled_back", "packaged")
FIGURES = (
    ("average_precision", "Average precision"),
    ("brier", "Brier score"),
    ("log_loss", "Log loss"),
    ("expected_cost", "Expected cost a row"),
    ("production.roc_auc", "ROC-AUC, later months"),
    ("onnx.parity_max", "ONNX parity, largest difference"),
    ("inference.p99_us", "Inference p99, µs"),
    ("model.bytes", "Model size, bytes"),
)
WORST = 6


class ApprovalsModel(PageModel):
    """Releases that wait, their dossiers and evaluations, who acts, and signing."""

    questions = ("releases", "release", "evaluation", "lineage", "whoami")
    operations = ("release.sign",)

    def releases(self, then: Then) -> None:
        """All releases; the page puts the waiting ones first."""
        self.ask("releases", then)

    def release(self, name: str, then: Then) -> None:
        """One release with its dossier and signatures."""
        self.ask("release", then, id=name)

    def evaluation(self, report: str, then: Then) -> None:
        """The evaluation that a dossier names."""
        self.ask("evaluation", then, id=report)

    def subject(self, report: str, then: Then) -> None:
        """What a report is about: the node that it was made from."""
        self.ask("lineage", then, node=report, depth=1, direction="up")

    def me(self, then: Then) -> None:
        """The person who acts, with roles."""
        self.ask("whoami", then)

    def sign(
        self,
        release: str,
        meaning: str,
        comment: str,
        opened: list[str],
        passphrase: str,
        then: Then,
        failed: Callable[[PlimsollError], None],
    ) -> None:
        """Sign the dossier: ``approve`` or ``reject``; the ids of the evidence opened go along."""
        request = {"release": release, "meaning": meaning, "comment": comment, "evidence_opened": opened}
        self.change("release.sign", request, then, passphrase=passphrase, failed=failed)


def forbidden(answer: dict[str, Any], me: dict[str, Any]) -> str:
    """Why this person can't sign at all; empty when they may."""
    dossier = answer.get("dossier") or {}
    if str(answer.get("state")) in DECIDED:
        return f"This release is {str(answer.get('state')).replace('_', ' ')}: there is nothing left to sign."
    mine = {me.get("user"), me.get("name"), me.get("person")} - {None}
    if mine & {dossier.get("author"), dossier.get("author_person")}:
        return "You proposed this release: other people must approve it."
    if mine & set(dossier.get("makers") or []):
        return "You trained this model: other people must approve it."
    roles = dossier.get("approver_roles") or []
    if roles and not set(roles) & set(me.get("roles") or []):
        held = ", ".join(me.get("roles") or []) or "none"
        return f"The policy asks for the role {' or '.join(roles)}; your roles: {held}."
    signed = [one for one in answer.get("sign_offs") or [] if one.get("signer") in mine and one.get("valid", True)]
    if signed:
        return f"You signed this release already: {signed[0].get('meaning')}."
    return ""


def obstacle(answer: dict[str, Any], me: dict[str, Any], opened: set[str]) -> str:
    """Why this person can't approve now; empty when nothing is in the way."""
    why = forbidden(answer, me)
    if why:
        return why
    dossier = answer.get("dossier") or {}
    exempt = {one["rule"] for one in answer.get("exceptions") or [] if one["stands"]}
    blocked = [g["rule"] for g in dossier.get("gates") or [] if not g["passed"] and g.get("severity") == "block"]
    blocked = [rule for rule in blocked if rule not in exempt]
    if blocked:
        return f"The policy blocks it: {', '.join(blocked)}."
    left = [e for e in dossier.get("evidence") or [] if e["id"] not in opened]
    if left:
        return f"Open the evidence first: {len(left)} of {len(dossier['evidence'])} left."
    return ""


def figure_of(dossier: dict[str, Any], report: dict[str, Any], name: str) -> tuple[float | None, ...]:
    """Value, low and high of a figure: as signed in the dossier, else from the evaluation that it names."""
    metrics = dossier.get("metrics") or {}
    if name in metrics:
        return metrics[name], metrics.get(f"{name}.low"), metrics.get(f"{name}.high")
    found = (report.get("metrics") or {}).get(name) or {}
    return found.get("value"), found.get("low"), found.get("high")


def figures_frame(dossier: dict[str, Any], report: dict[str, Any]) -> pl.DataFrame:
    """The further figures of a dossier with their intervals."""
    rows = []
    for name, title in FIGURES:
        value, low, high = figure_of(dossier, report, name)
        if value is not None:
            rows.append({"figure": title, "value": float(value), "low": low, "high": high})
    numbers = dict.fromkeys(("value", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={"figure": pl.String, **numbers}, strict=False)


def worst_slices(report: dict[str, Any]) -> pl.DataFrame:
    """The slices that are worse than the rest beyond chance, by the loss that they add."""
    rows = []
    for one in report.get("slices") or []:
        ranks_worse = one.get("auc_significant") and (one.get("auc_difference") or 0) < 0
        errs_more = one.get("error_significant") and (one.get("error_difference") or 0) > 0
        if one.get("adequate", True) and (ranks_worse or errs_more):
            pairs = zip(one.get("features") or [], one.get("values") or [], strict=False)
            auc = one.get("auc") or {}
            rows.append(
                {
                    "slice": " · ".join(f"{feature} {text}" for feature, text in pairs),
                    "rows": one.get("rows"),
                    "roc_auc": auc.get("value"),
                    "difference": one.get("auc_difference"),
                    "error": one.get("error_difference"),
                    "harm": (one.get("log_loss_difference") or 0.0) * (one.get("rows") or 0),
                }
            )
    numbers = dict.fromkeys(("roc_auc", "difference", "error", "harm"), pl.Float64)
    frame = pl.DataFrame(rows, schema={"slice": pl.String, "rows": pl.Int64, **numbers}, strict=False)
    return frame.sort("harm", descending=True, nulls_last=True)


def snapshot_of(graph: dict[str, Any], report: str) -> str:
    """The snapshot that a report is about, from the graph around the report; empty when it names none."""
    kinds = {str(node["id"]): str(node["kind"]) for node in graph.get("nodes") or []}
    sources = [str(edge[0]) for edge in graph.get("edges") or [] if str(edge[1]) == report]
    return next((one for one in sources if kinds.get(one) in ("source", "table", "training_set")), "")
