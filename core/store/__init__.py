"""The metadata store: tables, the ledger, migrations. One DuckDB file, one owner process."""
