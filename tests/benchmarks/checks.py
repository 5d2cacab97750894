"""A suite of 30 checks on a wide Parquet file against the cheapest bare Polars plan that answers the same.

Run it as ``python tests/benchmarks/checks.py [ROWS]`` (5,000,000 by default; 40 columns). Each run is
a fresh process: it prints CPU seconds (all threads), peak memory and the ratio to the bare plan, and
says whether all verdicts, counts and numbers of example rows agree. ``--pandera`` runs the same suite
through Pandera as well, with data checks switched on, and compares the verdicts.

The bare plan is written by hand as somebody would who knows Polars: one scan for all that is counted
row by row, group-bys for the keys, one anti join, and for each failing rule its first 100 rows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import polars as pl

STEP = 250_000
EXAMPLES = 100
C = pl.col


def write_table(folder: Path, rows: int) -> None:
    """40 columns of ids, numbers, texts, truths and times, in row groups of 250,000; 50,000 products."""
    import pyarrow.parquet as pq

    writer = None
    for start in range(0, rows, STEP):
        table = _part(start, min(STEP, rows - start)).to_arrow()
        writer = writer or pq.ParquetWriter(folder / "table.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()
    pl.select(product=pl.int_range(49_990)).write_parquet(folder / "products.parquet")


def _part(start: int, rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(start)
    data: dict[str, Any] = {"id": np.arange(start, start + rows)}
    data |= {f"i{i:02d}": rng.integers(0, 1000 * (i + 1), rows) for i in range(12)}
    data |= {f"f{i:02d}": rng.normal(50, 15, rows) for i in range(14)}
    levels = np.array([f"level-{k:03d}" for k in range(200)])
    data |= {f"t{i:02d}": levels[rng.integers(0, 25 * (i + 1), rows)] for i in range(8)}
    data["code"] = np.char.add("AB", rng.integers(1000, 9999, rows).astype(str))
    data |= {"product": rng.integers(0, 50_000, rows), "b0": rng.random(rows) < 0.5, "b1": rng.random(rows) < 0.1}
    data["at"] = np.datetime64("2024-01-01", "us") + (np.arange(start, start + rows) * 7).astype("timedelta64[s]")
    holes = [pl.when(pl.Series(rng.random(rows) >= 0.03 * i)).then(C(f"f{i:02d}")).alias(f"f{i:02d}") for i in range(4)]
    return pl.DataFrame(data).with_columns(holes)


def suite() -> list[dict[str, Any]]:
    """30 checks; of 5,000,000 rows 12 hold and 18 find something, from one row in 12,000 to three in five."""
    checks: list[dict[str, Any]] = [{"kind": "not_null", "columns": [f"f{i:02d}"]} for i in range(4)]
    checks += [{"kind": "between", "columns": [f"f{i:02d}"], "min": -8, "max": 110} for i in range(4, 10)]
    checks += [{"kind": "between", "columns": [f"i{i:02d}"], "min": 0, "max": 1000 * (i + 1) - 2} for i in range(3)]
    checks += [{"kind": "between", "columns": [f"i{i:02d}"], "min": 0, "max": 1000 * (i + 1)} for i in range(3, 6)]
    checks += [
        {"kind": "in_set", "columns": [f"t{i:02d}"], "values": [f"level-{k:03d}" for k in range(25 * (i + 1) - i % 2)]}
        for i in range(4)
    ]
    checks += [
        {"kind": "matches", "columns": ["code"], "pattern": "AB[1-9][0-9]{2}[0-8]"},
        {"kind": "length", "columns": ["code"], "min": 6, "max": 6},
        {"kind": "expression", "expression": "f12 + f13 > -10"},
        {"kind": "compare", "columns": ["i10", "i11"], "operator": "<="},
        {"kind": "unique", "columns": ["id"]},
        {"kind": "unique", "columns": ["i00", "i01"]},
        {"kind": "references", "columns": ["product"], "table": "products", "column": "product"},
        {"kind": "not_null", "columns": ["id", "product", "at"]},
        {"kind": "row_count", "min": 1},
        {"kind": "statistic", "statistic": "mean", "columns": ["f10"], "min": 49, "max": 51},
    ]
    return checks


def product(folder: Path) -> list[list[int]]:
    """The suite through the product: failures and examples of each check."""
    from core.contract.checks import run_checks
    from core.contract.schema import Check

    tables = {"products": pl.scan_parquet(folder / "products.parquet")}
    checks = [Check.read(item) for item in suite()]
    report = run_checks(pl.scan_parquet(folder / "table.parquet"), checks, table="t", tables=tables, key=["id"])
    return [[result.failed, len(result.examples)] for result in report.results]


def bare(folder: Path) -> list[list[int]]:
    """The same answers by hand."""
    frame = pl.scan_parquet(folder / "table.parquet")
    products = pl.scan_parquet(folder / "products.parquet")
    checks = suite()
    bad = {i: expr for i, check in enumerate(checks) if (expr := _bad(check)) is not None}
    counts = [expr.sum().alias(str(i)) for i, expr in bad.items()]
    row = (
        frame.select(pl.len().alias("n"), C("f10").mean().alias("m"), *counts)
        .collect(engine="streaming")
        .row(0, named=True)
    )
    failed = {i: int(row[str(i)] or 0) for i in bad}
    for i, check in enumerate(checks):
        if check["kind"] == "unique":
            groups = frame.group_by(check["columns"]).len().select(pl.len()).collect(engine="streaming").item()
            failed[i] = row["n"] - groups
    place = next(i for i, check in enumerate(checks) if check["kind"] == "references")
    lost = frame.join(products, on="product", how="anti").select(pl.len()).collect(engine="streaming").item()
    failed |= {place: lost, len(checks) - 2: int(row["n"] < 1), len(checks) - 1: int(not 49 <= row["m"] <= 51)}
    indexed, shown = frame.with_row_index("row"), {}
    for i, check in enumerate(checks):
        columns = list(dict.fromkeys(["row", "id", *check.get("columns", ["f12", "f13"])]))
        if not failed[i]:
            continue
        if check["kind"] == "unique":
            found = indexed.select(columns).filter(~pl.struct(check["columns"]).is_first_distinct())
        elif check["kind"] == "references":
            found = indexed.select(columns).join(products, on="product", how="anti", maintain_order="left")
        else:
            found = indexed.filter(bad[i]).select(columns)
        shown[i] = found.head(EXAMPLES).collect(engine="streaming").height
    return [[failed[i], shown.get(i, 0)] for i in range(len(checks))]


def _bad(check: dict[str, Any]) -> pl.Expr | None:
    first = C(check["columns"][0]) if check.get("columns") else pl.lit(None)
    match check["kind"]:
        case "not_null":
            return pl.any_horizontal([C(name).is_null() for name in check["columns"]])
        case "between":
            return ~first.is_between(check["min"], check["max"])
        case "in_set":
            return ~first.is_in(check["values"])
        case "matches":
            return ~first.str.contains(f"^(?:{check['pattern']})$")
        case "length":
            return ~first.str.len_chars().is_between(check["min"], check["max"])
        case "expression":
            return ~(C("f12") + C("f13") > -10)
        case "compare":
            return C("i10") > C("i11")
    return None


def pandera(folder: Path) -> list[list[int]]:
    """The same suite in Pandera, which has to see the data and not the schema alone."""
    os.environ["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_AND_DATA"
    import pandera.polars as pa

    columns: dict[str, dict[str, Any]] = {}
    for check in suite():
        for name in check.get("columns", []):
            columns.setdefault(name, {"checks": [], "nullable": True, "unique": False})
        own = columns.get((check.get("columns") or [""])[0])
        match check["kind"]:
            case "not_null":
                for name in check["columns"]:
                    columns[name]["nullable"] = False
            case "between":
                own["checks"].append(pa.Check.in_range(check["min"], check["max"]))
            case "in_set":
                own["checks"].append(pa.Check.isin(check["values"]))
            case "matches":
                own["checks"].append(pa.Check.str_matches(f"^(?:{check['pattern']})$"))
            case "length":
                own["checks"].append(pa.Check.str_length(check["min"], check["max"]))
            case "unique" if len(check["columns"]) == 1:
                own["unique"] = True
    known = pl.read_parquet(folder / "products.parquet")["product"].to_list()
    columns["product"]["checks"].append(pa.Check.isin(known))
    whole = [
        pa.Check(lambda data: data.lazyframe.select(C("f12") + C("f13") > -10), name="expression"),
        pa.Check(lambda data: data.lazyframe.select(C("i10") <= C("i11")), name="compare"),
        pa.Check(lambda data: data.lazyframe.select(C("f10").mean().is_between(49, 51)), name="statistic"),
        pa.Check(lambda data: data.lazyframe.select(pl.len() >= 1), name="row_count"),
    ]
    schema = pa.DataFrameSchema(
        {name: pa.Column(None, **settings) for name, settings in columns.items()}, checks=whole, unique=["i00", "i01"]
    )
    failed: set[tuple[str, str]] = set()
    try:
        schema.validate(pl.scan_parquet(folder / "table.parquet"), lazy=True)
    except pa.errors.SchemaErrors as errors:
        found = errors.failure_cases.select("column", "check").unique()
        failed = {(str(column), str(check).split("(")[0]) for column, check in found.iter_rows()}
    return [[int(_failed(check, failed)), 0] for check in suite()]


def _failed(check: dict[str, Any], failed: set[tuple[str, str]]) -> bool:
    """Whether Pandera's failure cases name a check of the suite."""
    kind, columns = check["kind"], check.get("columns", [])
    if kind in ("expression", "compare", "statistic", "row_count"):
        return any(name == kind for _, name in failed)
    if kind == "unique" and len(columns) > 1:
        return any("multiple_fields" in name or "uniqueness" in name for column, name in failed if column != "id")
    names = {
        "not_null": "not_nullable",
        "between": "in_range",
        "in_set": "isin",
        "references": "isin",
        "matches": "str_matches",
        "length": "str_length",
        "unique": "field_uniqueness",
    }
    return any((column, names[kind]) in failed for column in columns)


def measured(folder: Path, what: str) -> dict[str, Any]:
    """One of the functions above in a process of its own: its answer, CPU seconds and peak memory in MiB."""
    script = (
        "import json,resource,runpy,sys,time;from pathlib import Path;"
        f"made=runpy.run_path({str(Path(__file__))!r});start=time.process_time();"
        f"out=made[{what!r}](Path({str(folder)!r}));used=time.process_time()-start;"
        "peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss//1024;"
        "print(json.dumps({'out':out,'cpu':used,'peak':peak}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the figures; the least of three rounds each, taken in turns."""
    numbers = [int(word.replace(",", "")) for word in sys.argv[1:] if not word.startswith("--")]
    rows = numbers[0] if numbers else 5_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        write_table(folder, rows)
        say(f"{rows:,} rows x 40 columns written in {time.monotonic() - began:.0f} s; {len(suite())} checks")
        rounds = [(measured(folder, "product"), measured(folder, "bare")) for _ in range(3)]
        ours, floor = (min(turn[side]["cpu"] for turn in rounds) for side in (0, 1))
        peaks = [max(turn[side]["peak"] for turn in rounds) for side in (0, 1)]
        say(f"product    {ours:6.2f} CPU s, peak {peaks[0]:,} MiB")
        say(f"bare plan  {floor:6.2f} CPU s, peak {peaks[1]:,} MiB")
        say(f"ratio {ours / floor:.2f}; same counts and examples: {rounds[0][0]['out'] == rounds[0][1]['out']}")
        if rounds[0][0]["out"] != rounds[0][1]["out"]:
            say(
                str(
                    [
                        pair
                        for pair in zip(suite(), rounds[0][0]["out"], rounds[0][1]["out"], strict=True)
                        if pair[1] != pair[2]
                    ]
                )
            )
        if "--pandera" in sys.argv:
            peer = measured(folder, "pandera")
            same = [bool(count) for count, _ in peer["out"]] == [bool(count) for count, _ in rounds[0][0]["out"]]
            say(f"Pandera    {peer['cpu']:6.2f} CPU s ({peer['cpu'] / floor:.2f}), peak {peer['peak']:,} MiB")
            say(f"same verdicts as Pandera: {same}")
            if not same:
                say(
                    str(
                        [
                            c
                            for c, p, o in zip(suite(), peer["out"], rounds[0][0]["out"], strict=True)
                            if bool(p[0]) != bool(o[0])
                        ]
                    )
                )


def say(text: str) -> None:
    """A line of the report."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
