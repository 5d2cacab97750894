"""Two people who type their passphrases at the same moment must both get in."""

from __future__ import annotations

import threading

from core.identity.kdf import argon2id


def test_derivations_at_once_end() -> None:
    made: list[bytes] = []

    def derive() -> None:
        made.append(argon2id(b"secret", b"s" * 16, passes=1, lanes=4, memory_kib=8 * 1024))

    threads = [threading.Thread(target=derive, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 6
    assert len(set(made)) == 1
