"""Work for erasure: search all files for a person and write those that hold them again, without them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.data.erasing import Identifiers, learn, rewrite_tables
from core.data.erasing_records import ErasePlan, EraseRequest, SearchedTable
from core.data.erasing_texts import rewrite_blobs
from core.data.minimise import hash_key, hashed_value, subject_key
from core.engine.workfolder import JobFolder
from core.identity.files import write_private
from core.identity.privacy_key import open_sealed, privacy_secret
from core.kernel.digests import strict_json
from core.kernel.errors import PlimsollError, Refused
from core.kernel.progress import Progress
from core.project.privacy import Minimise
from core.serving.forgetting import Forget, Keyed


def search(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Search by the private request file; new files lie in ``new/``, identifiers go back into that file alone."""
    private = Path(folder.params["request"])
    request = EraseRequest.read(strict_json(private.read_bytes()))
    secret = privacy_secret(request.workspace)
    if secret is None:
        raise Refused("The privacy secret of this workspace is not here", remedy="Put it back where it was.")
    keys = [hash_key(secret, _salt(scope), scope) for scope in request.hashed]
    known = Identifiers(request, keys)
    learn(request, known, progress)
    out = folder.out("new")
    out.mkdir(exist_ok=True)
    rows, parts = rewrite_tables(request, known, out, progress)
    held = {part for table in request.tables for part in table.parts}
    others = [digest for digest in request.blobs if digest not in held]
    texts = rewrite_blobs(request, known, others, out, progress)
    order = _order(request, known)
    write_private(private, json.dumps({"texts": sorted(known.texts()), "order": order.plain()}).encode())
    plan = ErasePlan(
        tables=[
            SearchedTable(snapshot=table.snapshot, name=table.name, rows=rows.get(table.snapshot, 0))
            for table in request.tables
        ],
        replaced=parts + texts,
        parts=len(held),
        blobs=len(others),
        identifiers=len(known.who),
        subject=[_mark(f"{request.column}={value}", secret) for value in request.named],
        marks=_marks(request, known, secret),
    )
    folder.write_json("plan.json", plan)
    return {"rows": plan.rows, "files": len(plan.replaced)}


def _order(request: EraseRequest, known: Identifiers) -> Forget:
    """Whom stores and targets are to forget."""
    named: dict[str, set[str]] = {}
    if not request.before:
        named[request.column] = known.named
        for table in request.tables:
            if table.source and table.subject:
                named.setdefault(table.subject, set()).update(known.who)
    keyed = [Keyed(columns=request.keys[name], values=sorted(found)) for name, found in known.keys.items() if found]
    return Forget(
        named={column: sorted(values) for column, values in named.items()},
        keyed=[one for one in keyed if one.columns],
        texts=sorted(known.texts() | known.key_texts),
        views=request.views,
    )


def reach(folder: JobFolder, progress: Progress) -> dict[str, Any]:
    """Forget a person at one place outside the blobs; a place that cannot be reached is told, and stays open."""
    from core.engine.work.reaching import forget_at

    params = folder.params
    secret = privacy_secret(params["workspace"])
    if secret is None:
        raise Refused("The privacy secret of this workspace is not here", remedy="Put it back where it was.")
    out = []
    for number, erasure in enumerate(params["erasures"]):
        progress.step(number, len(params["erasures"]), f"forgetting at {params['place']['name']}")
        order = Forget.read(strict_json(open_sealed(Path(params["folder"]) / f"{erasure}.sealed", secret)))
        try:
            done = forget_at(
                params["place"], params["project"], order, folder.secret(params["place"].get("secret", ""))
            )
        except PlimsollError as error:
            out.append({"erasure": erasure, "reached": False, "why": error.headline})
        else:
            out.append({"erasure": erasure, "reached": True, **done.plain()})
    return {"places": out}


def _salt(scope: str) -> Minimise:
    return Minimise(how="hash", salt="table" if scope else "workspace")


def _mark(text: str, secret: bytes) -> str:
    return hashed_value(text, subject_key(secret))


def _marks(request: EraseRequest, known: Identifiers, secret: bytes) -> dict[str, list[str]]:
    """By table and column, the digests of what must not be ingested again."""
    if request.before:
        return {}
    out = {f"{request.table}.{request.column}": known.named}
    for table in request.tables:
        if table.source and table.subject:
            out[f"{table.name}.{table.subject}"] = known.who
    return {place: sorted(_mark(value, secret) for value in values) for place, values in out.items()}
