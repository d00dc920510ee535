"""Migrate the tables of a hub's database to this release.

An empty database gets the tables of this release at once. Alembic, which takes 7 MB, is loaded only
if there are migrations to run.
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
"""The revision of this release."""

_VERSION_TABLE = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


class NewerTablesError(ConflictError):
    """The tables are of a newer release. Run that release, or restore a backup of this one."""

    kind = "newer-tables"


def upgrade(engine: Engine) -> None:
    """Run the missing migrations in one transaction.

    Raise NewerTablesError if the tables are of a newer release.
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
    """Return the revision of the tables; None if there are none."""
    if not inspect(connection).has_table(_VERSION_TABLE.name):
        return None
    return connection.execute(_VERSION_TABLE.select()).scalar()


def is_newer(at: str | None) -> bool:
    """Return whether a revision is newer than this release; revisions are numbered."""
    return at is not None and at > LATEST


def create_tables(connection: Connection) -> None:
    """Create the tables of this release in an empty database."""
    metadata.create_all(connection)
    partitions.create_default_partitions(connection)
    _VERSION_TABLE.create(connection)
    connection.execute(_VERSION_TABLE.insert().values(version_num=LATEST))


def run_migrations(connection: Connection) -> None:
    """Run the missing migrations in the transaction of this connection."""
    from alembic import command  # noqa: PLC0415

    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def alembic_config() -> "Config":
    """Return Alembic's configuration."""
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config
