"""Distinguish SQLite and PostgreSQL, and begin transactions on both."""

from sqlalchemy import (
    Connection,
    Engine,
)


def is_postgresql(bind: Engine | Connection) -> bool:
    """Return whether the database is PostgreSQL."""
    return bind.dialect.name == "postgresql"


def begin_write(connection: Connection) -> None:
    """Begin a write transaction; on SQLite, with the write lock from the start."""
    if not is_postgresql(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_read(connection: Connection) -> None:
    """Begin a read transaction on a consistent snapshot."""
    if is_postgresql(connection):
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        connection.exec_driver_sql("BEGIN")


def database_bytes(connection: Connection) -> int:
    """Return the size of the database in bytes."""
    if is_postgresql(connection):
        return connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    return connection.exec_driver_sql(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).scalar_one()
