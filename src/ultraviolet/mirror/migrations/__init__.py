"""Brings the tables of a hub's database to the form this release works with (Alembic)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from ultraviolet.crash_points import crash_point
from ultraviolet.mirror import dialect


def configuration() -> Config:
    """Say where the steps are."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all of it or nothing; quick when nothing is."""
    config = configuration()
    with engine.connect() as connection:
        dialect.begin_write(connection)
        dialect.wait_for_turn(connection, "migration")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        crash_point("migration.written")
        connection.commit()
