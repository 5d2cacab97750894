"""Malformed files, made from a seed: cut, flipped, ragged, wrongly encoded, bombed, nested."""

from __future__ import annotations

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl

Make = Callable[[random.Random, Path], None]
FORMS = ("csv", "jsonl", "parquet", "excel")
SUFFIX = {"csv": ".csv", "jsonl": ".jsonl", "parquet": ".parquet", "excel": ".xlsx"}


def sound(form: str) -> bytes:
    """A sound table of 60 rows in this form."""
    frame = pl.DataFrame(
        {
            "id": range(60),
            "name": [f"näme {n}" if n % 9 else None for n in range(60)],
            "value": [n / 7 for n in range(60)],
            "at": [f"2024-01-{n % 28 + 1:02d}T00:00:00Z" for n in range(60)],
        }
    )
    out = io.BytesIO()
    if form == "csv":
        frame.write_csv(out)
    elif form == "jsonl":
        frame.write_ndjson(out)
    elif form == "parquet":
        frame.write_parquet(out)
    else:
        frame.write_excel(out)
    return out.getvalue()


SOUND = {form: sound(form) for form in FORMS}


def cut(form: str) -> Make:
    """The file ends somewhere."""
    return lambda dice, path: _write(path, SOUND[form][: dice.randrange(len(SOUND[form]))])


def flipped(form: str) -> Make:
    """Some bytes are others."""

    def make(dice: random.Random, path: Path) -> None:
        data = bytearray(SOUND[form])
        for _ in range(dice.choice((1, 2, 8, 64))):
            data[dice.randrange(len(data))] = dice.randrange(256)
        _write(path, bytes(data))

    return make


def spliced(form: str) -> Make:
    """A piece is missing, is there twice, or is noise."""

    def make(dice: random.Random, path: Path) -> None:
        data = SOUND[form]
        a, b = sorted(dice.sample(range(len(data)), 2))
        middle = dice.choice((b"", data[a:b] * 2, dice.randbytes(b - a), b"\0" * (b - a)))
        _write(path, data[:a] + middle + data[b:])

    return make


def swapped(form: str) -> Make:
    """Another form under this name, or nothing at all."""
    others = [SOUND[other] for other in FORMS if other != form]
    return lambda dice, path: _write(
        path, dice.choice([*others, b"", b"\0", b"\n", b"\r\n" * 50, b"PK\x03\x04", b"PAR1PAR1"])
    )


def no_file(dice: random.Random, path: Path) -> None:
    """A directory, a loop, a link to nowhere, or nothing."""
    kind = dice.randrange(4)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        path.symlink_to(path)
    elif kind == 2:
        path.symlink_to(path.with_name("nowhere"))


def packed(dice: random.Random, path: Path) -> None:
    """A bomb of 70 MB, several members, a foreign path, a damaged or an encrypted archive."""
    kind = dice.randrange(5)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../a.csv" if kind == 1 else "a.csv", b"a\n" + (b"1\n" * (35 << 20) if kind == 0 else b"1\n"))
        if kind == 2:
            archive.writestr("b.csv", b"a\n1\n")
    data = bytearray(out.getvalue())
    if kind == 3:
        data[6] |= 1
        data[data.rindex(b"PK\x01\x02") + 8] |= 1
    if kind == 4:
        data = bytearray(gzip.compress(b"a\n1\n" * 100)[: dice.randrange(1, 30)])
    _write(path, bytes(data))


def odd_csv(dice: random.Random, path: Path) -> None:
    """Text that a table should not be made of without a word."""
    width = dice.randrange(1, 6)
    header = ",".join(dice.choice(("a", "b", "", "  ", '"x"', "é", "a")) for _ in range(width))
    cells = (
        "1",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "99999999999999999999",
        '"',
        '""',
        '"a',
        'a"b',
        "0x1f",
        "\t",
        "\u202e",
        "NA",
    )
    lines = [
        ",".join(dice.choice(cells) for _ in range(dice.randrange(1, width + 2))) for _ in range(dice.randrange(1, 30))
    ]
    text = dice.choice(("\n", "\r\n", "\r")).join([header, *lines])
    if dice.random() < 0.1:
        text = header + "\n" + "x" * (3 << 20)
    encoding = dice.choice(("utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "utf-8"))
    _write(path, text.encode(encoding, errors="ignore"))


def odd_json(dice: random.Random, path: Path) -> None:
    """Nested, mixed, repeated, endless."""
    depth = dice.choice((2, 50, 1000, 100_000))
    lines = [
        "{" + '"a":{' * depth + "}" * depth + "}",
        "[" * depth + "]" * depth,
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":1e400}',
        '{"a":[1,{"b":[2]}]}',
        '{"":1}',
        "null",
        '"text"',
        '{"a":"\\ud800"}',
        '{"a":"\\u0000"}',
        '{"a":123456789012345678901234567890}',
        json.dumps({"a": "x" * 2_000_000}),
        json.dumps({f"c{n}": n for n in range(3000)}),
        "{'a':1}",
        '{"a":true}',
        '{"a":"t"}',
    ]
    _write(path, "\n".join(dice.choices(lines, k=dice.randrange(1, 6))).encode())


def odd_parquet(dice: random.Random, path: Path) -> None:
    """Sound Parquet that is no table of ours, and footers that lie."""
    kind = dice.randrange(4)
    if kind == 0:
        pl.DataFrame({"a": [[1, 2]], "b": [{"c": 1}]}).write_parquet(path)
    elif kind == 1:
        pl.DataFrame({"a": []}).write_parquet(path)
    else:
        data = bytearray(SOUND["parquet"])
        size = int.from_bytes(data[-8:-4], "little")
        if kind == 2:
            data[-8:-4] = dice.choice((0, 1, size - 1, size * 2, 2**31 - 1, 2**32 - 1)).to_bytes(4, "little")
        else:
            place = len(data) - 8 - dice.randrange(1, size)
            data[place] ^= 1 << dice.randrange(8)
        _write(path, bytes(data))


def odd_excel(dice: random.Random, path: Path) -> None:
    """A workbook whose inner files are missing, cut or noise."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(SOUND["excel"])) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            data, kind = old.read(item), dice.randrange(8)
            if kind == 0:
                continue
            if kind == 1:
                data = data[: dice.randrange(len(data))]
            if kind == 2:
                data = data.replace(b"A1", dice.choice((b"ZZZZ99999999", b"A0", b"XFE1", b"-1"))).replace(
                    b"<v>", b"<v>9e"
                )
            new.writestr(item.filename, data)
    _write(path, out.getvalue())


MAKERS: dict[str, list[Make]] = {
    "csv": [cut("csv"), flipped("csv"), spliced("csv"), swapped("csv"), no_file, packed, odd_csv, odd_csv, odd_csv],
    "jsonl": [cut("jsonl"), flipped("jsonl"), spliced("jsonl"), swapped("jsonl"), no_file, odd_json, odd_json],
    "parquet": [cut("parquet"), flipped("parquet"), spliced("parquet"), swapped("parquet"), no_file, odd_parquet],
    "excel": [cut("excel"), flipped("excel"), spliced("excel"), swapped("excel"), no_file, odd_excel],
}


def malformed(number: int, seed: int, folder: Path) -> tuple[str, Path]:
    """Make file ``number`` of a seed; its form and where it lies."""
    dice = random.Random(f"{seed} {number}")
    form = FORMS[number % 4]
    path = folder / f"f{number:03d}{SUFFIX[form]}"
    dice.choice(MAKERS[form])(dice, path)
    return form, path


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
