"""The role of PostgreSQL for statements of users: it may read the names of `readable.py` only."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import psycopg

from ultraviolet.db.user_sql.readable import TABLES, VIEWS
from ultraviolet.errors import ConflictError

ROLE = "ultraviolet_sql"
_CREATE = (f"CREATE ROLE {ROLE} NOLOGIN", f"GRANT {ROLE} TO CURRENT_USER")
_BECOME = (f"SET ROLE {ROLE}", "RESET ROLE")
_NO_ROLE = (
    psycopg.errors.InvalidParameterValue,
    psycopg.errors.UndefinedObject,
    psycopg.errors.InsufficientPrivilege,
)
_EXISTS = (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation)
_NOT_GRANTED = """SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL
  AND NOT has_any_column_privilege(%s, to_regclass(name), 'SELECT')"""
_TOO_MUCH = """SELECT c.relname::text FROM pg_class c
  WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'm')
    AND c.relname <> ALL(%(known)s) AND NOT c.relispartition
    AND has_any_column_privilege(%(role)s, c.oid, 'SELECT')
  UNION ALL SELECT 'integrations'
  WHERE has_column_privilege(%(role)s, 'integrations', 'client_secret', 'SELECT') LIMIT 1"""


def prepare_role(connection: psycopg.Connection[Any]) -> None:
    """Create PostgreSQL's role if it does not exist, and let it read the readable names.

    Raise ConflictError if the hub's own role may not create it, or if the role can read more.
    """
    try:
        _run(connection, _BECOME)
    except _NO_ROLE:
        try:
            with suppress(*_EXISTS):  # another process creates it
                connection.execute(_CREATE[0])
            _run(connection, _CREATE[1:] + _BECOME)
        except (*_NO_ROLE, psycopg.errors.InvalidGrantOperation) as error:
            user = connection.info.user.replace('"', '""')
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
            create = "" if known.fetchone() else f"{_CREATE[0]}; "
            raise ConflictError(
                "SQL over the API needs a role of PostgreSQL that the hub may not create. Run once"
                f' as its administrator: {create}GRANT {ROLE} TO "{user}"'
            ) from error
    views = [row[0] for row in connection.execute(VIEWS)]
    names = connection.execute(_NOT_GRANTED, [[*TABLES, *views], ROLE]).fetchall()
    if names:
        _run(connection, [f"GRANT USAGE ON SCHEMA {_current_schema(connection)} TO {ROLE}"])
    for (name,) in names:
        columns = TABLES.get(name)
        listed = f" ({', '.join(sorted(filter(None, columns)))})" if columns else ""
        _run(connection, [f'GRANT SELECT{listed} ON "{name}" TO {ROLE}'])
    more = connection.execute(_TOO_MUCH, {"known": list(TABLES), "role": ROLE}).fetchone()
    if more:
        raise ConflictError(
            f"The role {ROLE} can read the table {more[0]}, which may contain secrets."
            f" Run REVOKE SELECT ON {more[0]} FROM {ROLE}, and from PUBLIC."
        )


def _run(connection: psycopg.Connection[Any], statements: Iterable[str]) -> None:
    for statement in statements:
        connection.execute(statement.encode())


def _current_schema(connection: psycopg.Connection[Any]) -> str:
    row = connection.execute("SELECT quote_ident(current_schema())").fetchone()
    return str(row[0]) if row else "public"
