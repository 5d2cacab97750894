"""Made-up people with every kind of personal data that is looked for. Nobody of them exists."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl

FIRST = ("Anna", "David", "Maria", "John", "Fatima", "Peter", "Yuki", "Carlos", "Emma", "Ivan")
LAST = ("Okafor", "Lindqvist", "Marsh", "Tanaka", "Rossi", "Novak", "Silva", "Haddad", "Byrne", "Keller")


def luhn_digit(digits: str) -> str:
    """The check digit that makes ``digits`` pass Luhn's test."""
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in digits[-1::-2]]
    return str(-(sum(doubled) + sum(int(digit) for digit in digits[-2::-2])) % 10)


def german_iban(account: int) -> str:
    """An IBAN with right check digits, of a bank that does not exist."""
    bban = f"99999999{account:010d}"
    return f"DE{98 - int(bban + '131400') % 97:02d}{bban}"


def people(rows: int = 400, seed: int = 3) -> pl.DataFrame:
    """``rows`` people, one row each: names, addresses of all sorts, numbers with checksums, attributes."""
    rng = np.random.default_rng(seed)
    first, last = rng.choice(FIRST, rows), rng.choice(LAST, rows)
    cards = ["4" + "".join(str(digit) for digit in rng.integers(0, 10, 14)) for _ in range(rows)]
    return pl.DataFrame(
        {
            "customer_id": [100_000 + number for number in range(rows)],
            "contact": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
            "reach": [
                f"{a.lower()}.{b.lower()}{n}@example.org" for n, (a, b) in enumerate(zip(first, last, strict=True))
            ],
            "line": [f"+49 30 {rng.integers(1_000_000, 9_999_999)}" for _ in range(rows)],
            "account": [german_iban(int(rng.integers(1, 10**9))) for _ in range(rows)],
            "payment": [card + luhn_digit(card) for card in cards],
            "source": [f"10.{a}.{b}.{c}" for a, b, c in rng.integers(0, 255, (rows, 3))],
            "born_on": [date(1950, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 18_000, rows)],
            "birth_date": [date(1950, 1, 1) + timedelta(days=int(day)) for day in rng.integers(0, 18_000, rows)],
            "postcode": [f"{number:05d}" for number in rng.integers(10_000, 10_040, rows)],
            "ssn": [f"{a:03d}-{b:02d}-{c:04d}" for a, b, c in rng.integers(1, 99, (rows, 3))],
            "lat": rng.uniform(50, 54, rows).round(4),
            "lon": rng.uniform(8, 14, rows).round(4),
            "age": rng.integers(18, 90, rows),
            "gender": rng.choice(["f", "m", "x"], rows, p=[0.49, 0.49, 0.02]),
            "notes": [f"Called about order {n}, asked to ring back in the evening please" for n in range(rows)],
            "plan": rng.choice(["basic", "plus"], rows),
            "spent": rng.gamma(2.0, 40.0, rows).round(2),
        }
    )
