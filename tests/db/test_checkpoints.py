"""SQLite's log stays short while the hub writes, and no commit is lost."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ultraviolet.db import dialect, engine
from ultraviolet.db.database import Database


def add(connection: Connection) -> None:
    connection.exec_driver_sql("INSERT INTO kept (body) VALUES (randomblob(1000000))")


def count(connection: Connection) -> Any:
    return connection.exec_driver_sql("SELECT count(*) FROM kept").scalar_one()


def database_in(folder: Path) -> Database:
    return Database(engine.make_engine(f"sqlite:///{folder / 'hub.db'}"))


def test_log_restarts_as_soon_as_no_reader_uses_it(
    tmp_path: Path, wait: Callable[..., Any]
) -> None:
    log = tmp_path / "hub.db-wal"
    written = 0
    with closing(database_in(tmp_path)) as database:

        def grows() -> bool:
            nonlocal written
            before, written = log.stat().st_size, written + 1
            database.write_now(add)
            return log.stat().st_size > before

        database.write_now(
            lambda c: c.exec_driver_sql("CREATE TABLE kept (id INTEGER PRIMARY KEY, body BLOB)")
        )
        with database.engine.connect() as reading:
            dialect.begin_read(reading)
            seen = count(reading)
            assert all(grows() for _ in range(70))
            assert seen == count(reading)

        wait(lambda: not grows(), 10, "a restarted log")
        assert log.stat().st_size <= 64 * 1024 * 1024
        assert written == database.read_now(count)

    assert not log.exists()
    with closing(database_in(tmp_path)) as again:
        assert written == again.read_now(count)
