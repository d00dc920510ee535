"""Advisory locks, row locks and unique-name conflicts."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, TypeVarTuple, get_args

from sqlalchemy import (
    Connection,
    Select,
    text,
)
from sqlalchemy.exc import IntegrityError

from ultraviolet.db.dialect import is_postgresql
from ultraviolet.errors import ConflictError

LockName = Literal[
    "mirror", "duties", "migration", "partitions", "alerts", "search", "people", "attributes"
]
"""Work that one process does at a time; "mirror", "duties" and "search" are per integration."""
_LOCK_NAMES: tuple[LockName, ...] = get_args(LockName)


def lock(connection: Connection, name: LockName, number: int = 0) -> None:
    """Take an advisory lock until the end of the transaction; SQLite has one writer anyway."""
    if is_postgresql(connection):
        connection.exec_driver_sql(_ADVISORY_LOCK, (lock_class(name), number))


def lock_class(name: LockName) -> int:
    """Return the first key of the advisory locks with a name."""
    return _LOCK_NAMES.index(name)


_ADVISORY_LOCK = "SELECT pg_advisory_xact_lock(%s, %s)"


PRESENCE = 0
"""The number of the "duties" lock that each syncing process holds; no integration has it."""
_HOLDERS_OF_PRESENCE = text(
    """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
    AND classid = CAST(:class AS int) AND objid = :number
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
)


def is_synced(connection: Connection) -> bool:
    """Return whether a process of a hub syncs this PostgreSQL database.

    Its lock ends with its connection, also if the process is killed.
    """
    given = {"class": lock_class("duties"), "number": PRESENCE}
    return connection.execute(_HOLDERS_OF_PRESENCE, given).scalar_one() > 0


Row = TypeVarTuple("Row")


def for_update(query: Select[*Row], *, to_change: bool) -> Select[*Row]:
    """Lock the selected rows against changes until the end of the transaction, if `to_change`.

    Inserts that refer to the rows by foreign key do not wait. SQLite has one writer anyway.
    """
    return query.with_for_update(key_share=True) if to_change else query


@contextmanager
def unique_or_conflict(connection: Connection, taken: str, field: str = "name") -> Generator[None]:
    """Roll back and raise ConflictError with the message `taken` if a unique value exists."""
    try:
        with connection.begin_nested():
            yield
    except IntegrityError as error:
        raise ConflictError(taken, field=field) from error
