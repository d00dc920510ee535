"""Brings the tables of a hub's database to the form this release works with (Alembic)."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine

from ultraviolet.crash_points import crash_point


def upgrade(engine: Engine) -> None:
    """Apply what is missing, all of it or nothing; quick when nothing is."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        crash_point("migration.written")
        connection.commit()
