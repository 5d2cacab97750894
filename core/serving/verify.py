"""Offline verification of a release on its target: every byte, every signature, every rule of the trust root.

Nothing from the package is believed unless a signature of a trusted person covers it: the sign-offs
cover the dossier, the dossier names the payload's digest, the payload manifest names every file.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from core.contract.exceptions import blocking
from core.contract.release import Dossier, PayloadManifest, TrustRoot, VerifiedRelease
from core.contract.signoffs import add_up, judge_sign_offs
from core.kernel.digests import digest_json, strict_json
from core.kernel.envelope import Envelope
from core.kernel.errors import PlimsollError, Problem
from core.serving.inventory import inventory_problems
from core.serving.layout import read_limited
from core.serving.trust import trust_problems

DOCUMENT_LIMIT = 16 * 1024 * 1024
SIGNATURE_LIMIT = 256 * 1024
MOST_SIGNATURES = 100


def verify_release(
    folder: Path, trust: TrustRoot, *, now: datetime, environment: str, as_of: datetime | None = None
) -> VerifiedRelease:
    """Check an unpacked release against the trust root; all problems are listed, none raised.

    Sign-offs that are false in themselves (altered, for another release, an unknown signer) are
    problems at once. Those that merely do not count (revoked or expired key, no approver role, the
    author, a person or key that signed before) are named when too few others remain.

    ``as_of`` is for a release that was switched on here earlier: sign-offs and trust root must have been
    in date then, so that a restart or a rollback does not fail because time has passed. Revoked keys never count.
    """
    problems = trust_problems(trust, now, as_of)
    manifest_json = _document(folder / "manifest.json", problems)
    dossier_json = _document(folder / "dossier.json", problems)
    manifest = _manifest(manifest_json, problems)
    dossier = _dossier(dossier_json, problems)
    release = dossier.release if dossier else folder.name
    if manifest is None or dossier is None:
        return _verdict(release, "", [], problems)
    problems += inventory_problems(folder, manifest)
    try:
        payload, digest = digest_json(manifest_json["payload"]), dossier.fingerprint()
    except PlimsollError as error:
        return _verdict(release, "", [], [*problems, Problem(f"{error.headline}: {error.detail}", where=folder.name)])
    problems += _binding(manifest_json, payload, digest, dossier, folder)
    problems += _dossier_problems(dossier, trust, environment)
    problems += blocking(dossier, trust, as_of or now).values()
    approved_by, found = _sign_off_problems(folder / "signatures", dossier, trust, as_of or now)
    verdict = _verdict(release, dossier.payload, approved_by, problems + found)
    return verdict.model_copy(update={"dossier": digest})


def _verdict(release: str, payload: str, people: list[str], problems: list[Problem]) -> VerifiedRelease:
    lines = [problem.line() for problem in problems]
    return VerifiedRelease(release=release, payload=payload, approved_by=people, problems=lines)


def _document(path: Path, problems: list[Problem]) -> Any:
    """A JSON document of the package, strictly read; None with a problem otherwise."""
    try:
        return strict_json(read_limited(path, DOCUMENT_LIMIT))
    except PlimsollError as error:
        problems.append(Problem(error.headline, where=path.name))
        return None


def _manifest(value: Any, problems: list[Problem]) -> PayloadManifest | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"release", "payload", "payload_digest", "dossier_digest"}:
        problems.append(Problem("it must hold release, payload, payload_digest, dossier_digest", where="manifest.json"))
        return None
    try:
        return PayloadManifest.read(value["payload"], where="manifest.json")
    except PlimsollError as error:
        problems.extend(error.problems)
        return None


def _dossier(value: Any, problems: list[Problem]) -> Dossier | None:
    if value is None:
        return None
    try:
        return Dossier.read(value, where="dossier.json")
    except PlimsollError as error:
        problems.extend(error.problems)
        return None


def _binding(manifest_json: Any, payload: str, digest: str, dossier: Dossier, folder: Path) -> list[Problem]:
    """The chain of digests: files -> payload manifest -> dossier, and the names that must agree."""
    found = []
    if dossier.payload != payload:
        found.append(Problem("the dossier is for another payload", where="dossier.json", expected=payload))
    if manifest_json["payload_digest"] != payload:
        found.append(Problem("the payload digest is wrong", where="manifest.json", expected=payload))
    if manifest_json["dossier_digest"] != digest:
        found.append(Problem("the manifest was made for another dossier", where="manifest.json", expected=digest))
    if manifest_json["release"] != dossier.release:
        found.append(Problem("the manifest names another release", where="manifest.json", expected=dossier.release))
    if folder.name != dossier.release:
        found.append(Problem(f"the folder is named {folder.name}", where="dossier.json", expected=dossier.release))
    return found


def _dossier_problems(dossier: Dossier, trust: TrustRoot, environment: str) -> list[Problem]:
    """The dossier against the trust root: project, environment, threshold."""
    found = []
    where = "dossier.json"
    if dossier.project != trust.project:
        found.append(Problem(f"the release is of project {dossier.project}", where=where, expected=trust.project))
    if environment != trust.environment:
        found.append(Problem(f"the trust root is for {trust.environment}", where="trust.json", expected=environment))
    if dossier.environment != environment:
        found.append(Problem(f"the release is for {dossier.environment}", where=where, expected=environment))
    if dossier.approvals_needed < trust.approvals:
        lower = f"the dossier asks for {dossier.approvals_needed} approvals"
        found.append(Problem(lower, where=where, expected=f"at least {trust.approvals}, as the trust root says"))
    return found


def _sign_off_problems(
    folder: Path, dossier: Dossier, trust: TrustRoot, now: datetime
) -> tuple[list[str], list[Problem]]:
    """Who approved, and what is wrong: by the same rules as the console (:mod:`core.contract.signoffs`)."""
    problems: list[Problem] = []
    names, envelopes = _envelopes(folder, problems)
    verdicts = judge_sign_offs(dossier, envelopes, trust, now)
    tally = add_up(dossier, verdicts, trust)
    for name, verdict in zip(names, verdicts, strict=True):
        who = f"{verdict.name}: " if verdict.name else ""
        if verdict.false or (not verdict.counts and not tally.complete):
            problems.append(Problem(f"{who}{verdict.reason}", where=name))
        elif verdict.meaning == "reject":
            problems.append(Problem(f"{who}rejected this release: {verdict.comment}", where=name))
        if verdict.key_id and name != f"signatures/{verdict.key_id}.json":
            problems.append(Problem("the file is not named after the key", where=name, expected=verdict.key_id))
    if len(tally.approved_by) < tally.needed:
        short = f"{len(tally.approved_by)} approvals by different people count"
        problems.append(Problem(short, where="signatures", expected=f"at least {tally.needed}"))
    return tally.approved_by, problems


def _envelopes(folder: Path, problems: list[Problem]) -> tuple[list[str], list[Envelope]]:
    """The readable signature files, by name; the others become problems."""
    paths = sorted(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    if len(paths) > MOST_SIGNATURES:
        problems.append(Problem(f"more than {MOST_SIGNATURES} signatures", where="signatures"))
        return [], []
    names: list[str] = []
    envelopes: list[Envelope] = []
    for path in paths:
        where = f"signatures/{path.name}"
        try:
            envelope = Envelope.read(strict_json(read_limited(path, SIGNATURE_LIMIT)), where=path.name)
        except PlimsollError as error:
            problems.append(
                Problem("; ".join([error.headline, *(item.line() for item in error.problems)]), where=where)
            )
            continue
        names.append(where)
        envelopes.append(envelope)
    return names, envelopes
