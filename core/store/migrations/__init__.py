"""Schema versions of the store. Alembic's scripts live in ``versions``; :func:`upgrade` runs them.

Alembic is imported only when there is something to do: opening a store that is up to date costs one
query.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from core.kernel.errors import InputError, SystemFault

HEAD = "0002"
EARLIER: tuple[str, ...] = ("0001",)  # versions that can be brought to HEAD


def current_version(connection: Connection) -> str | None:
    """The version that the store has, or none for a new file."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).first()
    return str(found[0]) if found else None


def upgrade(connection: Connection) -> bool:
    """Bring the store to :data:`HEAD`; says whether anything was done.

    Raises:
        InputError: when the store was written by a newer Plimsoll.
        SystemFault: when it names a version that never was.
    """
    found = current_version(connection)
    if found == HEAD:
        return False
    if found is not None and found > HEAD:
        raise InputError(
            f"This workspace was written by a newer Plimsoll (schema {found}, this one knows {HEAD})",
            remedy="Open it with that version.",
        )
    if found is not None and found not in EARLIER:
        raise SystemFault(
            f"The store names the schema version {found}, which never was",
            remedy="Restore the workspace from a backup.",
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    return True
