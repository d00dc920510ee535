"""Brings the tables of a hub's database to the form this release works with.

An empty database gets the tables of this release at once. Alembic, whose libraries take 7 MB, is loaded only where
there are steps to take.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    inspect,
)

from ultraviolet.db import dialect, locks, partitions
from ultraviolet.db.tables.metadata import metadata
from ultraviolet.errors import ConflictError
from ultraviolet.failpoints import failpoint

if TYPE_CHECKING:
    from alembic.config import Config

LATEST = "0001"
"""The step that led to the tables of this release."""

_STEP = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class NewerTablesError(ConflictError):
    """The tables are of a newer release: run that one, or restore a backup that this one made."""

    kind = "newer-tables"


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all of it or nothing; quick when nothing is.

    Raises NewerTablesError where a newer release has changed them.
    """
    with engine.connect() as connection:
        dialect.begin_write(connection)
        locks.lock(connection, "migration")
        at = current_revision(connection)
        if at == LATEST:
            return
        if is_newer(at):
            raise NewerTablesError(NewerTablesError.__doc__)
        if at is None:
            create_tables(connection)
        else:
            run_migrations(connection)
        failpoint("migration.written")
        connection.commit()


def current_revision(connection: Connection) -> str | None:
    """Return which step the tables are at; None where there are none."""
    if not inspect(connection).has_table(_STEP.name):
        return None
    return connection.execute(_STEP.select()).scalar()


def is_newer(at: str | None) -> bool:
    """Return whether a step is one that this release does not know yet; they are numbered."""
    return at is not None and at > LATEST


def create_tables(connection: Connection) -> None:
    """Make the tables of this release in an empty database."""
    metadata.create_all(connection)
    partitions.create_default_partitions(connection)
    _STEP.create(connection)
    connection.execute(_STEP.insert().values(version_num=LATEST))


def run_migrations(connection: Connection) -> None:
    """Take the steps from where the tables are to this release, on this connection and in its transaction."""
    from alembic import command  # noqa: PLC0415  see above

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> "Config":
    """Say where the steps are."""
    from alembic.config import Config  # noqa: PLC0415  see above

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
