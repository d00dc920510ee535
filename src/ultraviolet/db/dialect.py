"""Tell SQLite from PostgreSQL, and begin transactions on either."""

from sqlalchemy import (
    Connection,
    Engine,
)


def is_postgresql(bind: Engine | Connection) -> bool:
    """Tell the two apart."""
    return bind.dialect.name == "postgresql"


def begin_write(connection: Connection) -> None:
    """Begin a transaction that will write; on SQLite it has the one writer's place from the start."""
    if not is_postgresql(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def begin_read(connection: Connection) -> None:
    """Begin a transaction that sees one moment of the database throughout."""
    if is_postgresql(connection):
        connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        connection.exec_driver_sql("BEGIN")


def database_bytes(connection: Connection) -> int:
    """Return the bytes that the database takes."""
    if is_postgresql(connection):
        return connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    return connection.exec_driver_sql(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).scalar_one()
