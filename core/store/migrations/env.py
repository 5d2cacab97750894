"""Alembic's entry: it runs the scripts on the connection that :func:`upgrade` hands over."""

from alembic import context
from duckdb_sqlalchemy import alembic_impl  # noqa: F401 - registers the dialect
from sqlmodel import SQLModel

from core.store import tables  # noqa: F401 - registers the tables

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=SQLModel.metadata)
with context.begin_transaction():
    context.run_migrations()
