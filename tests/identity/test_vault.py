"""Sealed keys under attack: wrong passphrase, damage, downgrade, rollback, brute force (A40)."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.identity import vault
from core.identity.lockout import LOCKED_FOR, TRIES, Moment
from core.identity.vault import LEAST, STANDARD, KdfCost, create_key, failed_tries, reseal, sealed_header, unseal
from core.kernel.digests import canonical_json
from core.kernel.envelope import sign_statement, verify_statement
from core.kernel.errors import InputError, NotFound, Refused

PASSPHRASE = "four unrelated words here"


class Hands:
    """A watch whose wall clock and uptime are set by the test."""

    def __init__(self) -> None:
        self.wall = datetime(2013, 7, 1, 12, tzinfo=UTC)
        self.boot = "boot-1"
        self.uptime = 1000.0

    def __call__(self) -> Moment:
        return Moment(self.wall, self.boot, self.uptime)

    def pass_time(self, by: timedelta) -> None:
        self.wall += by
        self.uptime += by.total_seconds()


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def key_id(tmp_path: Path) -> str:
    return create_key(tmp_path, PASSPHRASE, cost=LEAST).key_id


def edit(folder: Path, key_id: str, change: Any, *, fix_digest: bool) -> None:
    path = folder / f"{key_id}.sealed"
    data = json.loads(path.read_bytes())
    change(data)
    if fix_digest:
        data["digest"] = vault._digest(vault.SealHeader.model_validate(data["header"]), data["sealed"])
    path.write_bytes(canonical_json(data))


def test_an_opened_key_signs_and_its_public_half_verifies(tmp_path: Path) -> None:
    info = create_key(tmp_path, PASSPHRASE, cost=LEAST)
    envelope = sign_statement("text/x", {"a": 1}, unseal(tmp_path, info.key_id, PASSPHRASE))
    assert verify_statement(envelope, "text/x", {info.key_id: base64.b64decode(info.public_key)}) == [info.key_id]
    assert sealed_header(tmp_path, info.key_id).public_key == info.public_key


def test_the_file_is_private_and_holds_no_secret(tmp_path: Path, key_id: str) -> None:
    path = tmp_path / f"{key_id}.sealed"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    raw = unseal(tmp_path, key_id, PASSPHRASE).private_bytes_raw()
    text = path.read_bytes()
    assert raw not in text
    assert base64.b64encode(raw) not in text
    assert PASSPHRASE.encode() not in text
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{key_id}.sealed", f"{key_id}.tries"]


def test_the_default_cost_is_the_standard_one(tmp_path: Path) -> None:
    """In a process of its own: this one's default is the least, to spare the other tests their time."""
    program = "import sys, pathlib; from core.identity.vault import create_key as make; "
    program += "print(make(pathlib.Path(sys.argv[1]), sys.argv[2]).key_id)"
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path), PASSPHRASE], capture_output=True, check=True)
    key = done.stdout.decode().strip()
    assert sealed_header(tmp_path, key).cost == STANDARD == KdfCost(memory_kib=65_536, passes=3, lanes=4)
    unseal(tmp_path, key, PASSPHRASE)


def test_wrong_passphrase_is_refused_with_what_to_do(tmp_path: Path, key_id: str) -> None:
    with pytest.raises(Refused) as caught:
        unseal(tmp_path, key_id, "four unrelated words there")
    assert "does not open" in caught.value.headline
    assert "4 tries" in caught.value.detail
    assert caught.value.remedy
    assert failed_tries(tmp_path, key_id) == 1
    unseal(tmp_path, key_id, PASSPHRASE)
    assert failed_tries(tmp_path, key_id) == 0


def test_missing_keys_and_hostile_names(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no signing key"):
        unseal(tmp_path, "key-0123456789abcdef", PASSPHRASE)
    for name in ("../../etc/passwd", "key-0123456789abcdeF", "key-0123456789abcdef/..", ""):
        with pytest.raises(InputError, match="not a key id"):
            unseal(tmp_path, name, PASSPHRASE)


def test_short_passphrases_and_weak_costs_are_not_accepted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 8"):
        create_key(tmp_path, "short  ", cost=LEAST)
    with pytest.raises(InputError, match="Argon2id cost"):
        create_key(tmp_path, PASSPHRASE, cost=KdfCost(memory_kib=64, passes=1, lanes=1))
    assert list(tmp_path.iterdir()) == []


def test_damage_anywhere_is_refused_and_costs_no_try(tmp_path: Path, key_id: str) -> None:
    path = tmp_path / f"{key_id}.sealed"
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        bad = bytearray(good)
        bad[position] ^= 1
        path.write_bytes(bytes(bad))
        with pytest.raises(Refused, match="damaged or was altered"):
            unseal(tmp_path, key_id, PASSPHRASE)
    for half in (b"", good[: len(good) // 2], b"\xff\xfe\x00"):
        path.write_bytes(half)
        with pytest.raises(Refused, match="damaged or was altered"):
            unseal(tmp_path, key_id, PASSPHRASE)
    path.write_bytes(good)
    assert failed_tries(tmp_path, key_id) == 0
    unseal(tmp_path, key_id, PASSPHRASE)


def test_a40_a_downgraded_cost_is_refused(tmp_path: Path) -> None:
    key = create_key(tmp_path, PASSPHRASE, cost=LEAST.model_copy(update={"passes": 3})).key_id
    edit(tmp_path, key, lambda d: d["header"]["cost"].update(memory_kib=8, passes=1), fix_digest=True)
    with pytest.raises(Refused, match="damaged or was altered") as caught:
        unseal(tmp_path, key, PASSPHRASE)
    assert "weakened" in caught.value.detail
    # Within the allowed range the seal itself catches the change: the header is authenticated.
    edit(tmp_path, key, lambda d: d["header"]["cost"].update(memory_kib=LEAST.memory_kib, passes=2), fix_digest=True)
    with pytest.raises(Refused, match="does not open"):
        unseal(tmp_path, key, PASSPHRASE)


def test_a40_a_cost_that_would_eat_the_machine_is_not_computed(tmp_path: Path, key_id: str) -> None:
    edit(tmp_path, key_id, lambda d: d["header"]["cost"].update(memory_kib=2**31), fix_digest=True)
    with pytest.raises(Refused, match="damaged or was altered"):
        unseal(tmp_path, key_id, PASSPHRASE)


def test_a_swapped_public_key_breaks_the_seal(tmp_path: Path, key_id: str) -> None:
    other = create_key(tmp_path, PASSPHRASE, cost=LEAST)
    edit(tmp_path, key_id, lambda d: d["header"].update(public_key=other.public_key), fix_digest=True)
    with pytest.raises(Refused, match="does not open"):
        unseal(tmp_path, key_id, PASSPHRASE)
    # One person's file under another's name is noticed before any passphrase is asked.
    (tmp_path / f"{key_id}.sealed").write_bytes((tmp_path / f"{other.key_id}.sealed").read_bytes())
    with pytest.raises(Refused, match="damaged or was altered"):
        unseal(tmp_path, key_id, PASSPHRASE)


def test_reseal_changes_the_passphrase_and_keeps_the_key(tmp_path: Path, key_id: str) -> None:
    before = unseal(tmp_path, key_id, PASSPHRASE).private_bytes_raw()
    assert reseal(tmp_path, key_id, PASSPHRASE, "another good passphrase", cost=LEAST) == 2
    assert unseal(tmp_path, key_id, "another good passphrase").private_bytes_raw() == before
    with pytest.raises(Refused, match="does not open"):
        unseal(tmp_path, key_id, PASSPHRASE)
    with pytest.raises(InputError, match="at least 8"):
        reseal(tmp_path, key_id, "another good passphrase", "x", cost=LEAST)


def test_a40_an_older_copy_of_the_file_is_refused(tmp_path: Path, key_id: str) -> None:
    path = tmp_path / f"{key_id}.sealed"
    old = path.read_bytes()
    generation = reseal(tmp_path, key_id, PASSPHRASE, "another good passphrase", cost=LEAST)
    path.write_bytes(old)
    with pytest.raises(Refused, match="older copy"):
        unseal(tmp_path, key_id, PASSPHRASE)
    (tmp_path / f"{key_id}.tries").unlink()  # the counter file gone too: the caller's record still knows
    with pytest.raises(Refused, match="older copy"):
        unseal(tmp_path, key_id, PASSPHRASE, least_generation=generation)


def lock(folder: Path, key_id: str, hands: Hands) -> None:
    for _ in range(TRIES):
        with pytest.raises(Refused, match="does not open"):
            unseal(folder, key_id, "a wrong passphrase", watch=hands)
    with pytest.raises(Refused, match="locked"):
        unseal(folder, key_id, PASSPHRASE, watch=hands)


def test_a40_five_wrong_tries_lock_for_a_quarter_of_an_hour(tmp_path: Path, key_id: str, hands: Hands) -> None:
    lock(tmp_path, key_id, hands)
    hands.pass_time(LOCKED_FOR - timedelta(seconds=1))
    with pytest.raises(Refused) as caught:
        unseal(tmp_path, key_id, PASSPHRASE, watch=hands)
    assert "1 min" in caught.value.remedy
    hands.pass_time(timedelta(seconds=1))
    unseal(tmp_path, key_id, PASSPHRASE, watch=hands)


def test_setting_the_clock_forward_does_not_open_the_lock(tmp_path: Path, key_id: str, hands: Hands) -> None:
    lock(tmp_path, key_id, hands)
    hands.wall += timedelta(days=30)
    with pytest.raises(Refused, match="locked"):
        unseal(tmp_path, key_id, PASSPHRASE, watch=hands)


def test_after_a_restart_the_wall_counts_and_backwards_is_no_time(tmp_path: Path, key_id: str, hands: Hands) -> None:
    lock(tmp_path, key_id, hands)
    hands.boot, hands.uptime = "boot-2", 3.0
    hands.wall -= timedelta(days=1)
    with pytest.raises(Refused, match="locked"):
        unseal(tmp_path, key_id, PASSPHRASE, watch=hands)
    hands.wall += timedelta(days=1) + LOCKED_FOR
    unseal(tmp_path, key_id, PASSPHRASE, watch=hands)


def test_a_damaged_counter_locks(tmp_path: Path, key_id: str, hands: Hands) -> None:
    (tmp_path / f"{key_id}.tries").write_text("{")
    with pytest.raises(Refused, match="locked"):
        unseal(tmp_path, key_id, PASSPHRASE, watch=hands)
    hands.pass_time(LOCKED_FOR)
    unseal(tmp_path, key_id, PASSPHRASE, watch=hands)


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, key_id: str) -> None:
    (tmp_path / f"{key_id}.sealed").chmod(0o644)
    with pytest.raises(Refused, match="Other users") as caught:
        unseal(tmp_path, key_id, PASSPHRASE)
    assert "chmod 600" in caught.value.remedy
