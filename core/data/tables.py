"""Derived tables: one DuckDB query over Parquet snapshots, on a connection that can do nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from core.data.records import IngestResult
from core.data.writing import ROW_GROUP, described, files_of, interruptible, whole_file
from core.kernel.digests import digest_json, digest_table
from core.kernel.errors import InputError, Problem, SystemFault
from core.kernel.progress import Progress
from core.project.schema import Table

_VOLATILE = re.compile(
    r"\b(random|uuid|gen_random_uuid|uuidv4|uuidv7|setseed)\s*\(|\b(now|today|get_current_time\w*|transaction_timestamp)\s*\(|"
    r"\bcurrent_(timestamp|date|time)\b|\blocaltime(stamp)?\b|\bTABLESAMPLE\b|\bUSING\s+SAMPLE\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CASTS = (  # what DuckDB computes to what a snapshot holds
    (re.compile(r"U?HUGEINT|BIGINT|U?(INTEGER|SMALLINT|TINYINT)|UBIGINT"), "BIGINT"),
    (re.compile(r"DECIMAL.*|DOUBLE|FLOAT"), "DOUBLE"),
    (re.compile(r"VARCHAR|ENUM.*|UUID|\"NULL\""), "VARCHAR"),
    (re.compile(r"TIMESTAMP.*"), "TIMESTAMPTZ"),
    (re.compile(r"BOOLEAN"), "BOOLEAN"),
    (re.compile(r"DATE"), "DATE"),
)


def build_table(
    name: str,
    table: Table,
    inputs: Mapping[str, Path],
    out: Path,
    progress: Progress,
    *,
    key: Sequence[str] = (),
    threads: int = 1,
    memory: str = "2GB",
) -> IngestResult:
    """Run the table's query over ``inputs`` (table name to Parquet file or folder of parts) into one file at ``out``.

    Rows are sorted by ``key`` if given, else in the order the query gives. One thread by default:
    with several, DuckDB may order ties and add floats differently from run to run.

    Raises:
        InputError: for SQL that is wrong, is not one SELECT, or gives another answer each time.
        SystemFault: when the disk is full. Either way ``out`` stays as it was.
        Cancelled: when asked to stop.
    """
    progress.step(0, 2, f"computing {name}")
    with whole_file(out) as part, _locked(inputs, threads, memory, out.parent) as con:
        try:
            query = _prepared(con, name, table.sql, list(key))
            interruptible(lambda: _write(con, query, part), con.interrupt, progress)
        except duckdb.OutOfMemoryException as error:
            raise SystemFault(
                f"The table {name} needs more than {memory} of memory", where=f"tables.{name}", detail=_first(error)
            ) from error
        except duckdb.Error as error:
            raise _wrong(name, error, inputs) from error
    progress.step(1, 2, "digest")
    sources = {input_name: digest_table(path) for input_name, path in sorted(inputs.items())}
    result = described(name, out, digest_json({"sql": table.sql, "inputs": sources, "key": list(key)}))
    progress.step(2, 2, f"{result.rows:,} rows")
    return result


@contextmanager
def _locked(
    inputs: Mapping[str, Path], threads: int, memory: str, scratch: Path
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the inputs as views and no other file, and whose settings are fixed.

    What does not fit into memory spills into a folder under ``scratch`` that is gone afterwards.
    """
    with TemporaryDirectory(prefix=".spill-", dir=scratch) as spill, duckdb.connect(":memory:") as con:
        con.execute("SET temp_directory = ?", [spill])
        con.execute("SET TimeZone = 'UTC'")
        con.execute("SET enable_progress_bar = false")
        con.execute("SET preserve_insertion_order = true")
        con.execute(f"SET threads = {int(threads)}")
        con.execute("SET memory_limit = ?", [memory])
        con.execute("SET autoinstall_known_extensions = false")
        con.execute("SET autoload_known_extensions = false")
        con.execute("SET python_enable_replacements = false")
        con.execute(
            "SET allowed_paths = ?", [[str(file.resolve()) for path in inputs.values() for file in files_of(path)]]
        )
        for name, path in inputs.items():
            con.execute(f"CREATE VIEW {_quoted(name)} AS SELECT * FROM read_parquet({_literals(path)})")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield con


def _prepared(con: duckdb.DuckDBPyConnection, name: str, sql: str, key: list[str]) -> str:
    """The query with snapshot types, sorted by the key."""
    statements = con.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise InputError(
            f"The query of table {name} is not one SELECT",
            where=f"tables.{name}.sql",
            remedy="Write one SELECT (WITH is fine) over the project's sources and tables.",
        )
    if found := _VOLATILE.search(_QUOTED.sub(" ", sql)):
        raise InputError(
            f"The query of table {name} gives another answer each time it runs",
            where=f"tables.{name}.sql",
            detail=f"because of {found[0].strip('( ')}",
            remedy="Use a time or an order from the data.",
        )
    inner = sql.strip().rstrip(";")
    columns = con.execute(f"DESCRIBE (\n{inner}\n)").fetchall()
    chosen = _chosen(name, [(str(row[0]), str(row[1])) for row in columns])
    missing = [column for column in key if column not in {row[0] for row in columns}]
    if missing:
        raise InputError(f"The table {name} has no column {', '.join(missing)}", where=f"tables.{name}")
    order = " ORDER BY " + ", ".join(_quoted(column) for column in key) if key else ""
    return f"SELECT {', '.join(chosen)} FROM (\n{inner}\n){order}"


def _chosen(name: str, columns: list[tuple[str, str]]) -> list[str]:
    out, problems = [], []
    names = [column for column, _ in columns]
    for twice in sorted({column for column in names if names.count(column) > 1}):
        problems.append(Problem(what=f"two columns are called {twice}", where=f"tables.{name}.sql"))
    for column, kind in columns:
        target = next((cast for pattern, cast in _CASTS if pattern.fullmatch(kind)), None)
        if target is None:
            problems.append(Problem(what=f"column {column} is {kind}", where=f"tables.{name}.sql"))
        out.append(f"CAST({_quoted(column)} AS {target}) AS {_quoted(column)}")
    if problems:
        raise InputError(
            f"The table {name} has columns that a snapshot cannot hold",
            problems=problems,
            remedy="Name each column once, and cast it to a number, text, truth, date or time.",
        )
    return out


def _write(con: duckdb.DuckDBPyConnection, query: str, part: Path) -> None:
    """Stream the result, group by group, so that memory stays bounded whatever its size."""
    reader = con.execute(query).to_arrow_reader(ROW_GROUP)
    with pq.ParquetWriter(part, reader.schema, compression="zstd", compression_level=3) as writer:
        for batch in _batches(reader):
            writer.write_table(pa.Table.from_batches([batch]), row_group_size=ROW_GROUP)


def _batches(reader: Any) -> Iterator[Any]:
    """The result's batches; a failing query is a failing query, not a failing file."""
    while True:
        try:
            yield reader.read_next_batch()
        except StopIteration:
            return
        except (pa.ArrowException, OSError) as error:
            if "Out of Memory" in str(error):
                raise duckdb.OutOfMemoryException(str(error)) from error
            raise duckdb.Error(str(error)) from error


def _wrong(name: str, error: duckdb.Error, inputs: Mapping[str, Any]) -> InputError:
    return InputError(
        f"The query of table {name} does not run",
        where=f"tables.{name}.sql",
        detail=_first(error),
        remedy="It may read " + (", ".join(sorted(inputs)) or "nothing") + " and nothing else.",
    )


def _first(error: BaseException) -> str:
    """DuckDB's message with its hint, without the programmer's tail."""
    return str(error).strip().split("\n\n")[0].replace("\n", " ")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literals(path: Path) -> str:
    return "[" + ", ".join("'" + str(file.resolve()).replace("'", "''") + "'" for file in files_of(path)) + "]"
