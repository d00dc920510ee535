"""A new database has the same tables as one that all migrations have upgraded."""

from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine

from ultraviolet.db import dialect, engine, migrations

_POSTGRESQL = (
    "SELECT relname, relkind, relispartition, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    """SELECT relname, attname, attnotnull, format_type(atttypid, atttypmod), collname, pg_get_expr(adbin, adrelid)
      FROM pg_class JOIN pg_attribute AS a ON attrelid = pg_class.oid LEFT JOIN pg_collation AS c ON c.oid = attcollation
      LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
      WHERE pg_class.relnamespace = 'public'::regnamespace AND attnum > 0""",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
)


def tables(connection: Connection) -> set[tuple[Any, ...]]:
    if dialect.is_postgresql(connection):
        return {tuple(row) for query in _POSTGRESQL for row in connection.exec_driver_sql(query)}
    found = connection.exec_driver_sql(
        "SELECT type, name, replace(sql, ' ', '') FROM sqlite_master"
    )
    return {(kind, name, sql and "".join(sql.split())) for kind, name, sql in found}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_new_and_migrated_databases_have_the_same_tables(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    def new_database(name: str) -> Engine:
        if database == "sqlite":
            return engine.make_engine(f"sqlite:///{tmp_path / name}")
        return engine.make_engine(request.getfixturevalue("postgresql").empty_database())

    at_once, in_steps = new_database("at_once.db"), new_database("in_steps.db")
    migrations.upgrade(at_once)

    with at_once.connect() as new, in_steps.connect() as old:
        migrations.run_migrations(old)

        assert tables(old) == tables(new)
        assert (
            migrations.LATEST
            == migrations.current_revision(old)
            == migrations.current_revision(new)
        )
        assert (
            migrations.LATEST
            == ScriptDirectory.from_config(migrations.alembic_config()).get_current_head()
        )
    at_once.dispose()
    in_steps.dispose()
