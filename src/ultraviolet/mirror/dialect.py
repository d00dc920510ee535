"""Where SQLite and PostgreSQL differ, all in one module, so that no other has to know: connections, turns, statements, search.

Everything else in the hub is written once for both. SQLite has one writer, so there a turn is had by whoever
writes at all; on PostgreSQL many write at once, and what must not be done twice at the same time takes an
advisory lock that ends with its transaction.
"""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
from sqlalchemy import (
    DDL,
    URL,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Float,
    FromClause,
    Integer,
    PrimaryKeyConstraint,
    Table,
    TextClause,
    case,
    cast,
    create_engine,
    event,
    func,
    literal,
    literal_column,
    make_url,
    text,
    type_coerce,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.expression import TextualSelect
from sqlalchemy.sql.functions import GenericFunction
from sqlalchemy.types import UserDefinedType

from ultraviolet.errors import InvalidError
from ultraviolet.folders import create_private

Turn = Literal["mirror", "duties", "migration", "partitions", "alerts", "search", "people"]
"""What is done by one at a time: a change of an integration's mirror, its duties, a change of the tables, telling people, its
search index, a change of who may sign in."""

WRITERS = 8
"""Threads of a process that write beside each other on PostgreSQL; deliveries have their own."""
_TURNS: tuple[Turn, ...] = get_args(Turn)
_TRY_AGAIN = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock and a lock that was not given in time: the transaction was undone and can simply be done again."""

_SAYS_SQLITE = text(
    "EXISTS (SELECT 1 FROM json_each(objects.doc) WHERE lower(CAST(value AS TEXT)) LIKE :said)"
)
_SAYS_POSTGRESQL = text(
    "EXISTS (SELECT 1 FROM json_each_text(objects.doc) AS field WHERE lower(field.value) LIKE :said)"
)


class JSON(UserDefinedType[Any]):
    """A JSON document: a Python value through the tables, its text in written-out SQL, on both."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Name the type, the same on both."""
        return "JSON"

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002
        """Write a value."""

        def write(value: Any) -> str | None:
            return None if value is None else msgspec.json.encode(value).decode()

        return write

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """Read a value."""

        def read(value: str | None) -> Any:
            return None if value is None else msgspec.json.decode(value)

        return read


Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text, compared byte by byte on both."""


def by_month(column: str) -> dict[str, Any]:
    """Give the options of a table that PostgreSQL keeps in a part for each month, by this time; see partitions.py."""
    return {"postgresql_partition_by": f"RANGE ({column})"}


def hot(fillfactor: int, vacuum_after: int | None = None) -> dict[str, Any]:
    """Give the options of a table whose rows PostgreSQL is to rewrite in place; a small one is tidied by a number of rows."""
    options: dict[str, Any] = {"fillfactor": fillfactor}
    if vacuum_after:
        options |= {
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": vacuum_after,
        }
    return {"postgresql_with": options}


@compiles(PrimaryKeyConstraint, "postgresql")
def _with_month(element: PrimaryKeyConstraint, compiler: Any, **given: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    """Write a primary key; of a table in months it has to hold what they are told by."""
    written: str = compiler.visit_primary_key_constraint(element, **given)
    by = element.table.dialect_options["postgresql"]["partition_by"]
    return f"{written.removesuffix(')')}, {by[7:-1]})" if by else written


def address(url: str) -> URL:
    """Read the address of a database; raises InvalidError for one that is not supported."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise InvalidError(
            f"ULTRAVIOLET_DATABASE_URL is no address of a database: {error}"
        ) from error
    match parsed.drivername.partition("+")[0]:
        case "sqlite":
            return parsed
        case "postgresql" | "postgres":
            return parsed.set(drivername="postgresql+psycopg")
        case _:
            shown = parsed.render_as_string()
            msg = f"{shown} is not supported: use sqlite:///path/to/hub.db or postgresql://user@host/database"
            raise InvalidError(msg)


def make_engine(url: str) -> Engine:
    """Make an engine whose commits are on disk when they return."""
    parsed = address(url)
    return _sqlite(parsed) if parsed.drivername.startswith("sqlite") else _postgresql(parsed)


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


def wait_for_turn(connection: Connection, turn: Turn, which: int = 0) -> None:
    """Let nobody else do this at the same time, from here to the end of the transaction."""
    if is_postgresql(connection):
        connection.execute(_WAIT, {"turn": number(turn), "which": which})


def number(turn: Turn) -> int:
    """Give the first number of the advisory locks of a turn."""
    return _TURNS.index(turn)


def libpq(url: URL) -> str:
    """Return the address of a PostgreSQL database for libpq, password included.

    A connection notices a server that is gone as soon as the engine's connections do.
    """
    url = url.set(drivername="postgresql")
    return url.update_query_dict(_unless_told(url, _CONNECTION)).render_as_string(
        hide_password=False
    )


_WAIT = text("SELECT pg_advisory_xact_lock(:turn, :which)")


def insert_new(
    connection: Connection,
    table: str,
    names: tuple[str, ...],
    key: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> set[tuple[Any, ...]]:
    """Insert the rows whose key, the first of their columns, is not there yet, in their order; gives the keys of these.

    No two of them have one key.
    """
    if not rows:
        return set()
    keys = ", ".join(key)
    if is_postgresql(connection):
        into = (
            f"INSERT INTO {table} ({', '.join(names)}) VALUES {_marks('%s', len(names), len(rows))}"
        )
        statement = f"{into} ON CONFLICT DO NOTHING RETURNING {keys}"
        return {
            tuple(row)
            for row in connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows)))
        }
    # Looked for before: nobody else writes now, and RETURNING would give Python's lock back, and wait for it, once a row.
    wanted = [row[: len(key)] for row in rows]
    same = " AND ".join(f"{name} = v.column{place + 1}" for place, name in enumerate(key))
    look = f"SELECT {keys} FROM (VALUES {_marks('?', len(key), len(wanted))}) AS v CROSS JOIN {table} ON {same}"
    known = {
        tuple(row) for row in connection.exec_driver_sql(look, tuple(chain.from_iterable(wanted)))
    }
    new = [row for row in rows if tuple(row[: len(key)]) not in known]
    if new:
        connection.exec_driver_sql(
            insert_rows(table, names, len(new)), tuple(chain.from_iterable(new))
        )
    return {tuple(row[: len(key)]) for row in new}


@lru_cache(1024)
def insert_rows(table: str, names: tuple[str, ...], number: int) -> str:
    """Write SQLite's statement for so many rows.

    What fails undoes the transaction; with FAIL SQLite need not keep, in a file, how to undo the statement alone.
    """
    return (
        f"INSERT OR FAIL INTO {table} ({', '.join(names)}) VALUES {_marks('?', len(names), number)}"
    )


def _marks(mark: str, columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join([mark] * columns)})"] * rows)


def says(connection: Connection) -> TextClause:
    """Give the condition that a value of `objects.doc` contains `:said`, written in small letters."""
    return _SAYS_POSTGRESQL if is_postgresql(connection) else _SAYS_SQLITE


def size(connection: Connection) -> int:
    """Give the bytes that the database takes."""
    if is_postgresql(connection):
        return connection.exec_driver_sql(
            "SELECT pg_database_size(current_database())"
        ).scalar_one()
    return connection.exec_driver_sql(
        "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
    ).scalar_one()


def value_of(
    connection: Connection, table: FromClause, field: str, kind: str
) -> ColumnElement[Any]:
    """Return what a field of `objects`, or of an alias of it, is compared and sorted by; NULL where it does not fit.

    Whole numbers, ids and times (microseconds since 1970) are integers, a boolean is 0 or 1, all else is text. It is
    written out, so that an index of it is found.
    """
    on_postgresql = is_postgresql(connection)
    read = _read(table, "->>", field, on_postgresql)
    match kind:
        case "real":
            value = cast(read, Float)
        case "integer" | "id":
            value = cast(read, BigInteger)
        case "boolean":
            value = cast(cast(read, Boolean), Integer) if on_postgresql else cast(read, Integer)
        case "time":
            value = (
                func.ultraviolet_time(read, type_=BigInteger())
                if on_postgresql
                else _microseconds(read)
            )
        case _:
            value = cast(read, AnyText())
    return _fitting(table, field, value, on_postgresql)


def text_of(connection: Connection, table: FromClause, field: str, kind: str) -> ColumnElement[Any]:
    """Return a field as text, the same on both; NULL where it does not fit."""
    on_postgresql = is_postgresql(connection)
    arrow = "->>" if kind in ("text", "id", "time") else "->"
    text_ = cast(_read(table, arrow, field, on_postgresql), AnyText())
    return _fitting(
        table, field, text_ if arrow == "->>" else func.nullif(text_, _NULL), on_postgresql
    )


_NULL = literal_column("'null'", AnyText())


def _read(table: FromClause, arrow: str, field: str, on_postgresql: bool) -> ColumnElement[Any]:
    return _column(table, "doc").op(arrow, return_type=AnyText())(_place(field, on_postgresql))


def _column(table: FromClause, name: str) -> ColumnElement[Any]:
    """Return a column that holds JSON, as the database has it."""
    return type_coerce(table.c[name], AnyText())


def _place(field: str, on_postgresql: bool) -> ColumnElement[Any]:
    quoted = field.replace("'", "''")
    return literal_column(f"'{quoted}'" if on_postgresql else f"""'$."{quoted}"'""", AnyText())


def _fitting(
    table: FromClause, field: str, value: ColumnElement[Any], on_postgresql: bool
) -> ColumnElement[Any]:
    """Return NULL for what does not fit: nothing is converted then, which could fail or give another value."""
    invalid = _column(table, "invalid_values")
    unfit = invalid.op("->", return_type=AnyText())(_place(field, on_postgresql))
    return case((unfit.is_(None), value))


def whole_seconds(written: str) -> str:
    """Write the SQL for a time that fits, without its fraction, as SQLite's own functions read it."""
    rest = f"substr({written},20)"
    minutes = f"iif(substr({rest},-3) GLOB '[+-][0-9][0-9]',':00','')"
    return f"substr({written},1,19)||ltrim({rest},'.0123456789')||{minutes}"


def fraction(written: str) -> str:
    """Write the SQL for the microseconds of a time that fits, on SQLite, which itself knows milliseconds only."""
    return f"CAST(round(('0'||substr({written},20,7))*1e6) AS INTEGER)"


class _microseconds(GenericFunction[int]):  # noqa: N801  reads as the SQL function it is
    """Microseconds since 1970 of a time that fits."""

    name = "ultraviolet_microseconds"
    type = BigInteger()
    inherit_cache = True


@compiles(_microseconds, "sqlite")
def _since_1970(element: Any, compiler: Any, **given: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    (written,) = (compiler.process(clause, **given) for clause in element.clauses)
    written = f"({written})"
    seconds = f"CAST(strftime('%s',{whole_seconds(written)}) AS INTEGER)"
    return f"({seconds} * 1000000 + {fraction(written)})"


_TIME_POSTGRESQL = DDL(
    """CREATE OR REPLACE FUNCTION ultraviolet_time(written text) RETURNS bigint
    IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
    SELECT (extract(epoch FROM regexp_replace(written, '^(.{10}|.{19}([.][0-9]+)?)$', '\\1Z')::timestamptz)
      * 1000000)::bigint $$"""
)
"""Immutable, as the text has its zone: so it can be in an index, which a conversion of PostgreSQL's own cannot."""


def compare_times(table: Table) -> None:
    """Have what compares times in indexes made before a table."""
    event.listen(table, "before_create", _TIME_POSTGRESQL.execute_if(dialect="postgresql"))


def same(value: str) -> ColumnElement[Any]:
    """Write a value of ours out, so that an index of a part of a table is found."""
    return literal_column("'" + value.replace("'", "''") + "'", AnyText())


def index_names(connection: Connection, beginning: str) -> set[str]:
    """Tell which whole indexes there are whose names begin so."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE :name"
    if is_postgresql(connection):
        query = """SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid
          WHERE indisvalid AND relname LIKE :name"""
    return set(connection.execute(text(query), {"name": f"{beginning}%"}).scalars())


def make_index(engine: Engine, name: str, rest: str) -> None:
    """Make an index while others write, on PostgreSQL; SQLite's one writer waits, so there the writer has to do it."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
        connection.exec_driver_sql(drop)  # one that was begun and broke off
        try:
            connection.exec_driver_sql(
                f"CREATE INDEX CONCURRENTLY {name} {rest.replace('%', '%%')}"
            )
        except DBAPIError:
            with suppress(
                DBAPIError
            ):  # half an index helps nobody, and every change has to keep it
                connection.exec_driver_sql(drop)
            raise
        connection.exec_driver_sql(
            "ANALYZE objects"
        )  # what an index of an expression holds is else not known


def append_only(table: Table) -> None:
    """Have the database itself refuse to change or remove rows of a table, from when it is made."""
    for ddl in (_KEEP_SQLITE_UPDATE, _KEEP_SQLITE_DELETE):
        event.listen(table, "after_create", ddl.execute_if(dialect="sqlite"))
    for ddl in (_KEEP_POSTGRESQL, _KEEP_POSTGRESQL_ROWS):
        event.listen(table, "after_create", ddl.execute_if(dialect="postgresql"))


_KEEP_SQLITE = """CREATE TRIGGER %(table)s_keeps_{what} BEFORE {what} ON %(table)s
BEGIN SELECT RAISE(ABORT, '%(table)s is append-only'); END"""
_KEEP_SQLITE_UPDATE = DDL(_KEEP_SQLITE.format(what="UPDATE"))
_KEEP_SQLITE_DELETE = DDL(_KEEP_SQLITE.format(what="DELETE"))
_KEEP_POSTGRESQL = DDL(
    """CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$""".replace("%", "%%")
)
_KEEP_POSTGRESQL_ROWS = DDL(
    """CREATE TRIGGER %(table)s_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON %(table)s
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"""
)


def like(connection: Connection, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Compare with a pattern of % and _, letter by letter: SQLite's LIKE takes small and capital ones for the same."""
    if is_postgresql(connection):
        return text.like(pattern, escape="\\")
    return text.op("GLOB", is_comparison=True)(literal(_glob(pattern), AnyText()))


def _glob(pattern: str) -> str:
    """Write a pattern of LIKE as one of GLOB."""
    meant: list[str] = _PARTS.findall(pattern)
    return "".join({"%": "*", "_": "?"}.get(part) or _literally(part[-1]) for part in meant)


def _literally(letter: str) -> str:
    return f"[{letter}]" if letter in "*?[" else letter


_PARTS = re.compile(r"\\.|.", re.DOTALL)


class place_in(GenericFunction[int]):  # noqa: N801  reads as the SQL function it is
    """Where bytes have other bytes, from 1; 0 where they have not."""

    name = "instr"
    type = Integer()
    inherit_cache = True


@compiles(place_in, "postgresql")
def _position(element: Any, compiler: Any, **given: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    whole, part = (compiler.process(clause, **given) for clause in element.clauses)
    return f"position({part} in {whole})"


GRAM = 3
"""Characters of the pieces by which texts are found; a shorter text is not looked up."""

_TEXT_INDEX_SQLITE = (
    """CREATE VIRTUAL TABLE search_index USING fts5(text, content='search_texts', content_rowid='id', detail=none,
      columnsize=0, tokenize='trigram case_sensitive 1')""",
    """CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN
      INSERT INTO search_index(rowid, text) VALUES (new.id, new.text); END""",
    """CREATE TRIGGER search_texts_dropped AFTER DELETE ON search_texts BEGIN
      INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text); END""",
    """CREATE TRIGGER search_texts_changed AFTER UPDATE OF text ON search_texts BEGIN
      INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text);
      INSERT INTO search_index(rowid, text) VALUES (new.id, new.text); END""",
)
_TEXT_INDEX_POSTGRESQL = (
    f"""CREATE FUNCTION ultraviolet_grams(said text) RETURNS text[] IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS
      $$ SELECT coalesce(array_agg(DISTINCT substr(said, n, {GRAM})), '{{}}')
        FROM generate_series(1, length(said) - {GRAM - 1}) AS n $$""",
    "CREATE INDEX search_texts_by_gram ON search_texts USING gin (ultraviolet_grams(text))",
)
"""Of our own, because pg_trgm is an extension that not every server has."""
_SAYING_SQLITE = """SELECT t.integration_id, t.resource, t.object_id FROM search_index
  CROSS JOIN search_texts AS t ON t.id = search_index.rowid
  WHERE search_index MATCH :grams AND instr(t.text, :looked_up) > 0"""
_SAYING_POSTGRESQL = """SELECT t.integration_id, t.resource, t.object_id FROM search_texts AS t
  WHERE ultraviolet_grams(t.text) @> ultraviolet_grams(:looked_up) AND position(:looked_up in t.text) > 0"""


def index_text(table: Table) -> None:
    """Let the table of texts have its index of pieces whenever it is made."""
    for name, statements in (
        ("sqlite", _TEXT_INDEX_SQLITE),
        ("postgresql", _TEXT_INDEX_POSTGRESQL),
    ):
        for statement in statements:
            made = DDL(statement.replace("%", "%%")).execute_if(dialect=name)
            event.listen(table, "after_create", made)


def texts_saying(connection: Connection, said: str) -> TextualSelect:
    """Select which texts have this in them, by integration_id, resource and object_id; it has `GRAM` small letters at least."""
    if is_postgresql(connection):
        query = text(_SAYING_POSTGRESQL).bindparams(looked_up=said)
    else:
        grams = {said[n : n + GRAM].replace('"', '""') for n in range(len(said) - GRAM + 1)}
        given = " AND ".join(f'"{gram}"' for gram in sorted(grams))
        query = text(_SAYING_SQLITE).bindparams(looked_up=said, grams=given)
    return query.columns(integration_id=Integer, resource=AnyText, object_id=AnyText)


def may_try_again(error: DBAPIError) -> bool:
    """Tell whether a transaction only lost against another one."""
    return getattr(error.orig, "sqlstate", None) in _TRY_AGAIN


_AWAY = ("25006", "25P03", "53", "58", "XX")
"""Beginnings of what a PostgreSQL server says where it, not what is asked of it, is in trouble, and psycopg does not call
operational; 25006: it may only be read, as a standby until it is promoted, or a managed one whose disk is full."""


def is_away(error: DBAPIError) -> bool:
    """Tell whether the database is in trouble, so that the same may succeed later."""
    if isinstance(error, OperationalError | InterfaceError):
        return not does_not_fit(error)
    said = str(getattr(error.orig, "sqlstate", None) or "")
    return said.startswith(_AWAY) or type(error.orig) is sqlite3.DatabaseError  # a damaged file


def in_short(error: Exception) -> str:
    """Say what went wrong without what a driver adds in further lines: statements, and what was to be written."""
    said = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return next(iter(f"{type(said).__name__}: {said}".splitlines()))


def without_data(error: DBAPIError) -> None:
    """Take out of an error, which will be logged, all but its first line: a server tells there what was to be written."""
    for one in (error, error.orig):
        if one and one.args:
            one.args = (str(one.args[0]).partition("\n")[0], *one.args[1:])


def does_not_fit(error: DBAPIError) -> bool:
    """Tell whether the content, not the database, is what fails: something is too large for an index or a row."""
    return str(getattr(error.orig, "sqlstate", None) or "").startswith("54")


_BUSY_TIMEOUT = 10_000
"""Milliseconds that SQLite waits for a lock of another process."""


def one_writer(engine: Engine) -> Engine:
    """Give SQLite's connection for all that is written.

    A connection that did not write last has to read anew what it holds of the database. So one writes, and holds more.
    """
    return _sqlite(engine.url, connections=1, cache=16_000)


def _sqlite(url: URL, *, connections: int = 8, cache: int = 4_000) -> Engine:
    """Connect; each connection holds up to `cache` kB of pages."""
    if url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(OSError):  # SQLite says better what is wrong
            create_private(path)
    engine = create_engine(
        url, pool_size=connections, max_overflow=connections, hide_parameters=True
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.isolation_level = (
            None  # transactions are begun by Store, not guessed by the driver
        )
        connection.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")
        if not connection.execute("PRAGMA page_count").fetchone()[0]:
            # Before the first table, so that what is removed can be given back in small steps; and only then, because
            # this waits for whoever is writing.
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size=-{cache}",
            *_LOG,
        ):
            connection.execute(f"PRAGMA {pragma}")

    return engine


_LOG = ("wal_autocheckpoint=32768", "journal_size_limit=67108864")
"""Pages after which a commit brings in the log itself, where nobody does beside it (checkpoints.py), and the bytes to
which its file is cut when a reader let it grow beyond."""


def checkpoint(connection: Connection) -> int:
    """Bring what may be of SQLite's log into the database file, beside readers and the writer; gives the pages of the log."""
    return connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()[1]


def begin_log_anew(connection: Connection, patience: float) -> bool:
    """Bring in the rest of SQLite's log and let the next commit begin it anew; False where readers are longer in the way."""
    connection.exec_driver_sql(f"PRAGMA busy_timeout={round(patience * 1000)}")
    try:
        return not connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)").one()[0]
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={_BUSY_TIMEOUT}")


_CONNECTION = {
    "client_encoding": "utf8",
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
"""A connection has this encoding, and notices within seconds that the server is gone. An address may override it."""
_SESSION = "SET synchronous_commit = on; SET timezone = 'UTC'; SET idle_in_transaction_session_timeout = 60000"
"""Set after connecting, because poolers refuse or ignore `options` of the start of a session."""


def _unless_told(url: URL, given: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in given.items() if name not in url.query}


def _postgresql(url: URL) -> Engine:
    """Connect so that a server that is gone is noticed within seconds, never waited for."""
    from psycopg.types.string import TextLoader  # noqa: PLC0415  costs 40 ms; only users of PostgreSQL pay

    given = _CONNECTION | {"application_name": "ultraviolet"}
    engine = create_engine(
        url,
        pool_size=WRITERS,
        max_overflow=WRITERS,
        pool_timeout=5,
        hide_parameters=True,
        connect_args=_unless_told(url, given),
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _entry: ConnectionPoolEntry) -> None:  # pyright: ignore[reportUnusedFunction]
        connection.adapters.register_loader(
            "json", TextLoader
        )  # decoded by JSON above, as on SQLite
        if "options" not in url.query:
            connection.autocommit = True
            connection.execute(_SESSION)
            connection.autocommit = False

    return engine


def give_back(connection: Connection, pages: int) -> bool:
    """Give some room that was freed back to the disk; tells whether there is more. PostgreSQL does it by itself."""
    if is_postgresql(connection):
        return False
    free: int = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
    if free <= _SPARE_PAGES:
        return False
    connection.exec_driver_sql(
        f"PRAGMA incremental_vacuum({min(pages, free - _SPARE_PAGES)})"
    ).fetchall()
    return True


_SPARE_PAGES = 256
"""Room that is kept for what comes next."""
