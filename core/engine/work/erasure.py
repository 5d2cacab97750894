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
from core.identity.privacy_key import privacy_secret
from core.kernel.digests import strict_json
from core.kernel.errors import Refused
from core.kernel.progress import Progress
from core.project.privacy import Minimise


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
    write_private(private, json.dumps({"texts": sorted(known.texts())}).encode())
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
