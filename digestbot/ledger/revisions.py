"""The revision of the ledger's tables: create them, or migrate those of an older digestbot."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from digestbot.domain.errors import LedgerError
from digestbot.ledger import schema

OLDER = "the ledger was written by an older digestbot: migrate it with digestbot db upgrade"
MIGRATIONS = Path(__file__).parent / "migrations"

# Alembic's own table, with the name and columns that Alembic gives it.
_VERSION = sa.Table(
    "alembic_version",
    schema.metadata,
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def create_tables(connection: sa.Connection) -> None:
    """Create the tables as the migrations would, without importing Alembic."""
    schema.metadata.create_all(connection)
    connection.execute(_VERSION.insert().values(version_num=schema.REVISION))


def current_revision(connection: sa.Connection) -> str | None:
    """Return the ledger's migration revision; None if the ledger is empty."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def migrate(connection: sa.Connection, result: str | None, to: str = "head") -> None:
    """Run the migrations after revision ``found``, up to ``to``. Raise LedgerError if ``found`` is unknown."""
    # imported here because Alembic is needed a few times in a ledger's life, not at every start
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    settings = Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    try:
        command.upgrade(settings, to)
    except CommandError as error:
        raise LedgerError(
            f"the ledger is at revision {result}, which this digestbot does not know: it was written by a newer "
            "one; install that, or restore a backup"
        ) from error
