"""The tables of a new database are those that an old one is brought to."""

from pathlib import Path
from typing import Any

from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ultraviolet.mirror import dialect, migrations


def tables(connection: Connection) -> set[tuple[Any, ...]]:
    made = connection.exec_driver_sql("SELECT type, name, replace(sql, ' ', '') FROM sqlite_master")
    return {(kind, name, sql and "".join(sql.split())) for kind, name, sql in made}


def test_tables_made_at_once_are_those_that_all_steps_lead_to(tmp_path: Path) -> None:
    at_once = dialect.make_engine(f"sqlite:///{tmp_path / 'at_once.db'}")
    in_steps = dialect.make_engine(f"sqlite:///{tmp_path / 'in_steps.db'}")
    migrations.upgrade(at_once)

    with at_once.connect() as new, in_steps.connect() as old:
        migrations.take_steps(old)

        assert tables(old) == tables(new)
        assert migrations.LATEST == migrations.step(old) == migrations.step(new)
        assert migrations.LATEST == ScriptDirectory.from_config(migrations.configuration()).get_current_head()
    at_once.dispose()
    in_steps.dispose()
