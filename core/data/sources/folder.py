"""A growing folder: each file is taken once, and told by its digest from one that was changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from core.data.paths import resolve_folder
from core.data.records import Former, Ingested
from core.data.sources.files import form_of, open_file
from core.data.sources.growing import Task, grow, unchanged
from core.data.sources.raw import ALL, TIMES, Raw, readable
from core.data.sources.types import refuse_misfits
from core.data.writing import sink, whole_file
from core.kernel.digests import digest_file
from core.kernel.errors import InputError, Problem
from core.kernel.progress import Progress
from core.project.schema import Source

_BEING_WRITTEN = (".part", ".tmp", ".crdownload", "~")


def folder_files(source: Source, project_dir: Path) -> dict[str, str]:
    """Name to digest of every file that the source takes: hidden and half-written ones are left alone.

    Raises:
        InputError: when there is no such folder, or no such file in it.
    """
    folder = resolve_folder(source.path, project_dir)
    found = {}
    for path in sorted(folder.glob(source.pattern)):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden and not name.endswith(_BEING_WRITTEN):
            found[name] = digest_file(path)
    if not found:
        raise InputError(
            "The folder holds no file of this source",
            where=source.path,
            detail=f"Looked for {source.pattern} in {folder}",
            remedy="Correct `path` or `pattern`, or add a file.",
        )
    return found


def taken_before(source: Source, former: Former | None) -> dict[str, str]:
    """The files that are in the snapshot before, if it is of this very definition."""
    if former is None or former.definition != source.definition():
        return {}
    return {str(name): str(digest) for name, digest in former.watermark.get("files", {}).items()}


def taken_after(source: Source, files: Mapping[str, str], former: Former | None) -> dict[str, str]:
    """The files that are in the snapshot once the new ones are taken. Files that went away stay taken.

    Raises:
        InputError: when files that were taken have changed since, all at once.
    """
    before = taken_before(source, former)
    changed = [name for name, digest in files.items() if before.get(name, digest) != digest]
    if changed and not (source.on_conflict == "update" and source.key):
        raise InputError(
            f"{len(changed)} file{'s' if len(changed) > 1 else ''} changed after being taken",
            where=source.path,
            problems=[Problem("its rows are in the snapshot already", where=name) for name in changed],
            remedy="Put the file back and add the new rows in a file of their own; or read everything anew with "
            "`plimsoll data ingest --anew`; or set `key` and `on_conflict: update`: then its rows are updated by key.",
        )
    return before | dict(files)


def ingest_folder(task: Task, files: Mapping[str, str] | None = None) -> Ingested:
    """Take the files that are new, in the order of their names, after the rows that are there."""
    source, base = task.source, task.base
    files = files if files is not None else folder_files(source, task.project_dir)
    after, before = taken_after(source, files, base), taken_before(source, base)
    new = [name for name in files if before.get(name) != files[name]]
    gone = [name for name in before if name not in files]
    notes = [f"{len(gone)} files that were taken are no longer there; their rows stay"] if gone else []
    if base is not None and not new:
        return unchanged(task, base, notes)
    folder = resolve_folder(source.path, task.project_dir)
    pages = {}
    for number, name in enumerate(new):
        task.progress.step(number, len(new), f"reading {name}")
        task.progress.check()
        pages[name] = _page(task, folder / name, files[name])
    raw = together(pages, task.name, _infer(source, new))
    return grow(task, raw, {"files": after}, notes=notes + _uneven(pages))


def _page(task: Task, path: Path, digest: str) -> Path:
    """The file's rows as they came, as Parquet; one that is there from a try before is used again."""
    page = task.pages / f"{digest.removeprefix('b3:')}.parquet"
    if page.is_file():
        return page
    with open_file(
        path, form_of(task.source, path.name), task.source, page.with_suffix(".plain"), task.progress
    ) as raw:
        refuse_misfits(raw, task.source)
        keep_page(raw, page, path.name, task.progress)
    if digest_file(path) != digest:
        page.unlink()
        raise InputError("The file changed while it was read", where=path.name, remedy="Run it again.")
    return page


def keep_page(raw: Raw, page: Path, where: str, progress: Progress) -> None:
    """Write raw rows whole or not at all."""
    with whole_file(page) as part, readable(where, "a table"):
        sink(raw.frame, part, progress)
        rows = int(pl.scan_parquet(part).select(pl.len()).collect().item())
        if raw.rows is not None and rows != raw.rows:
            raise InputError(
                f"The file reads as {rows:,} or as {raw.rows:,} rows, depending on its blank lines",
                where=where,
                remedy="Remove blank lines, and quote values that hold line ends.",
            )


def together(pages: Mapping[str, Path], where: str, infer: tuple[str, ...]) -> Raw:
    """All pages as one raw table. Columns that a page lacks have no value there."""
    with readable(where, "one table"):
        frame = pl.concat([pl.scan_parquet(page) for page in pages.values()], how="diagonal_relaxed")
        frame.collect_schema()
    return Raw(frame, where if len(pages) != 1 else next(iter(pages)), infer)


def _infer(source: Source, names: list[str]) -> tuple[str, ...]:
    forms = {form_of(source, name) for name in names}
    if forms & {"csv", "excel"}:
        return ALL
    return TIMES if "jsonl" in forms else ()


def _uneven(pages: Mapping[str, Path]) -> list[str]:
    columns = {name: set(pl.scan_parquet(page).collect_schema().names()) for name, page in pages.items()}
    every = set().union(*columns.values())
    lacking = {name: sorted(every - have) for name, have in columns.items() if every - have}
    return [f"{name} has no column {', '.join(missing)}" for name, missing in list(lacking.items())[:20]]
