"""Check a PostgreSQL server before use: version, encoding, privileges and sessions."""

from typing import Any, NamedTuple

import psycopg
from sqlalchemy import URL

from ultraviolet.db import engine
from ultraviolet.db.driver_errors import DatabaseSetupError, explain_errors
from ultraviolet.db.tables.metadata import metadata

MIN_SERVER_VERSION = 14
_ATTEMPTS = 3
_POOLER = (
    "a connection pooler changes the session with each transaction, which loses locks and"
    " notifications;"
    " use session pooling (pool_mode = session in PgBouncer) or a direct connection"
)
_SERVER = """SELECT current_setting('server_version_num')::int / 10000,
  current_setting('server_encoding'), current_user::text, current_database()::text,
  current_schema()::text, current_setting('search_path'),
  has_schema_privilege(current_schema(), 'CREATE'), current_setting('transaction_read_only')"""
_TABLES = """SELECT n.nspname::text, c.relname::text, o.rolname::text, pg_has_role(c.relowner, 'USAGE')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles o ON o.oid = c.relowner
  WHERE c.relname = ANY(%s) AND c.relkind IN ('r', 'p') ORDER BY n.nspname, c.relname"""
_HUB_TABLES = {"link_kinds", "view_columns", "integrations"}
"""Tables that identify a hub in another schema."""
_SESSION = "SELECT pg_backend_pid()"


class _Server(NamedTuple):
    version: int
    encoding: str
    role: str
    database: str
    schema: str | None
    search_path: str
    may_create: bool | None
    read_only: str


def check_server(url: URL) -> None:
    """Raise DatabaseSetupError if a hub cannot work on this server; nothing is written.

    Raise StoreUnavailableError if the server does not respond.
    """
    with explain_errors(url.render_as_string()), _connect(url) as connection:
        server = _Server(*_one(connection, _SERVER))
        if server.read_only == "on":
            raise psycopg.errors.ReadOnlySqlTransaction("transactions are read-only")
        problem = _problem(server) or _problem_with_tables(server, connection)
        if problem is None and not _has_session(connection, url):
            problem = _POOLER
    if problem:
        raise DatabaseSetupError(
            f"The database {url.render_as_string()} cannot be used: {problem}."
        )


def _connect(url: URL) -> psycopg.Connection[Any]:
    return psycopg.connect(engine.libpq_url(url), autocommit=True, prepare_threshold=None)


def _one(connection: psycopg.Connection[Any], query: Any) -> Any:
    return connection.execute(query).fetchone()


def _problem(server: _Server) -> str | None:
    if server.version < MIN_SERVER_VERSION:
        return (
            f"it is PostgreSQL {server.version};"
            f" upgrade the server to {MIN_SERVER_VERSION} or newer"
        )
    if server.encoding != "UTF8":
        return (
            f"its encoding is {server.encoding}, and a hub needs UTF8;"
            " create another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if server.schema is None:
        return (
            f"no schema of search_path ({server.search_path}) exists or may be used by"
            f" the role {server.role}; run GRANT USAGE, CREATE ON SCHEMA public TO {_name(server.role)}"
            f" and ALTER ROLE {_name(server.role)} SET search_path = public"
        )
    if not server.may_create:
        return (
            f"the role {server.role} may not create tables in schema {server.schema};"
            f" run GRANT USAGE, CREATE ON SCHEMA {_name(server.schema)} TO {_name(server.role)}"
        )
    return None


def _problem_with_tables(server: _Server, connection: psycopg.Connection[Any]) -> str | None:
    rows = connection.execute(_TABLES, [sorted(metadata.tables)]).fetchall()
    for schema, table, owner, owned in rows:
        if schema == server.schema and not owned:
            return (
                f"its table {table} belongs to {owner}, but the role {server.role} must own"
                f" the tables; run GRANT {_name(owner)} TO {_name(server.role)}"
            )
    found = {
        schema: {table for other, table, _, _ in rows if other == schema} for schema, *_ in rows
    }
    elsewhere = [schema for schema, tables in found.items() if tables >= _HUB_TABLES]
    if elsewhere and server.schema not in elsewhere:
        return (
            f"the tables of its hub are in schema {elsewhere[0]}, but search_path selects"
            f" {server.schema}; run ALTER ROLE {_name(server.role)} SET search_path = {_name(elsewhere[0])}"
        )
    return None


def _has_session(connection: psycopg.Connection[Any], url: URL) -> bool:
    """Return whether a connection keeps its session between transactions.

    A pooler in transaction mode gives the session that one connection has just used to the next
    connection that asks, and then another session to the first.
    """
    (mine,) = _one(connection, _SESSION)
    with _connect(url) as other:
        for _ in range(_ATTEMPTS):
            with other.transaction():
                if _one(other, _SESSION) == (mine,):
                    return False
                if _one(connection, _SESSION) != (mine,):
                    return False
    return True


def _name(name: str) -> str:
    """Return a name for SQL, in quotes if necessary."""
    plain = name.isascii() and name.isidentifier() and name == name.lower()
    return name if plain else '"' + name.replace('"', '""') + '"'
