"""Packs of chunks: each chunk is found, proven and removed by itself, and no kill loses one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from core.blobs.packs import PACKS, PackWriter
from core.blobs.store import BlobStore
from core.kernel.digests import digest_bytes
from core.kernel.errors import NotFound
from core.kernel.progress import Silent

SIZE = 1000
DATA = [bytes([number]) * SIZE for number in range(12)]
NAMES = [digest_bytes(data) for data in DATA]


@pytest.fixture
def blobs(tmp_path: Path) -> BlobStore:
    return BlobStore(tmp_path / "blobs")


def pack(blobs: BlobStore, *numbers: int) -> Path:
    """One more pack of some of the chunks."""
    folder = blobs.root.parent / PACKS
    writer = PackWriter(folder)
    for number in numbers:
        writer.put(NAMES[number], DATA[number])
    writer.close()
    before = set(packs_of(blobs))
    blobs.adopt_packs(folder)
    (new,) = set(packs_of(blobs)) - before
    return new


def packs_of(blobs: BlobStore) -> list[Path]:
    return sorted((blobs.root / PACKS).glob("*"))


def stored(blobs: BlobStore) -> int:
    return sum(path.stat().st_size for path in packs_of(blobs))


def test_chunks_are_blobs_without_files(blobs: BlobStore) -> None:
    pack(blobs, 0, 1, 2)
    pack(blobs, 2, 3)
    assert list(blobs.names()) == sorted(NAMES[:4])
    assert [blobs.read(name) for name in NAMES[:4]] == DATA[:4]
    assert blobs.length(NAMES[3]) == SIZE
    assert (blobs.has_chunk(NAMES[3]), blobs.has(NAMES[3]), blobs.has_chunk(NAMES[4])) == (True, False, False)
    assert blobs.put_bytes(DATA[0]) == NAMES[0]  # who asks for a file gets one
    assert blobs.file(NAMES[0]).read_bytes() == DATA[0]
    assert list(BlobStore(blobs.root).names()) == sorted(NAMES[:4])
    assert blobs.damaged(Silent()) == []
    with pytest.raises(NotFound):
        blobs.read(NAMES[5])


def test_damage_to_a_chunk_or_an_index_is_named(blobs: BlobStore) -> None:
    first, second, third = pack(blobs, 0, 1, 2), pack(blobs, 3, 4), pack(blobs, 5, 6)
    for place, at in ((first, SIZE), (second, -30), (third, -1)):
        place.chmod(0o600)
        data = bytearray(place.read_bytes())
        data[at] ^= 1
        place.write_bytes(data[: -100 if place == third else None])
    fresh = BlobStore(blobs.root)
    assert fresh.damaged(Silent()) == sorted([NAMES[1], "b3:" + second.name, "b3:" + third.name])
    assert list(fresh.names()) == sorted(NAMES[:3])


def test_removal_frees_what_it_says_and_leaves_the_others(blobs: BlobStore) -> None:
    pack(blobs, *range(8))
    pack(blobs, 8, 9)
    pack(blobs, 1, 10)
    reader = BlobStore(blobs.root)
    assert reader.read(NAMES[7]) == DATA[7]
    before = stored(blobs)
    freed = blobs.remove([NAMES[0], NAMES[1], NAMES[8], NAMES[9]])
    assert freed == before - stored(blobs) > 5 * SIZE
    left = [2, 3, 4, 5, 6, 7, 10]
    assert list(blobs.names()) == sorted(NAMES[number] for number in left)
    assert [blobs.read(NAMES[number]) for number in left] == [DATA[number] for number in left]
    assert reader.read(NAMES[7]) == DATA[7]  # its pack was written anew since it looked
    assert len(packs_of(blobs)) == 1
    assert blobs.damaged(Silent()) == []
    assert blobs.remove([NAMES[0]]) == 0


def test_a_chunk_waits_while_its_pack_is_mostly_alive(blobs: BlobStore) -> None:
    pack(blobs, *range(8))
    loose = blobs.put_bytes(b"a file")
    assert blobs.worth_removing([NAMES[0], loose]) == [loose]
    assert blobs.worth_removing(NAMES[:2]) == sorted(NAMES[:2])


KILLED = """
import os, signal, sys
from pathlib import Path
from core.blobs.store import BlobStore
left = [int(sys.argv[2])]
def dying(real):
    def function(self, *args, **options):
        if len(self.name) in (3, 64):
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
        return real(self, *args, **options)
    return function
Path.replace, Path.unlink = dying(Path.replace), dying(Path.unlink)
BlobStore(Path(sys.argv[1])).remove(sys.argv[3:])
"""


@pytest.mark.parametrize("steps", range(4))
def test_a_kill_while_chunks_are_removed_loses_no_other_and_is_made_good(blobs: BlobStore, steps: int) -> None:
    """The steps: the new pack is complete, it is in place, the first old one is gone, the second."""
    pack(blobs, 0, 1, 2)
    pack(blobs, 3, 4, 5)
    words = [sys.executable, "-c", KILLED, str(blobs.root), str(steps), NAMES[0], NAMES[3]]
    assert subprocess.run(words, timeout=60).returncode == -signal.SIGKILL
    left = [1, 2, 4, 5]
    opened = BlobStore(blobs.root)
    opened.sweep()
    for _ in range(2):
        assert [opened.read(NAMES[number]) for number in left] == [DATA[number] for number in left]
        assert opened.damaged(Silent()) == []
        opened.remove([NAMES[0], NAMES[3]])
    assert list(opened.names()) == sorted(NAMES[number] for number in left)
    assert stored(opened) < 4 * SIZE + 300, "no chunk is kept twice"
    assert not list(opened.root.glob("new-*"))
