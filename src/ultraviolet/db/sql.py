"""SQL expressions and statements that differ between SQLite and PostgreSQL."""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Engine,
    Float,
    FromClause,
    Integer,
    RowMapping,
    Table,
    TextClause,
    and_,
    case,
    cast,
    event,
    func,
    literal,
    literal_column,
    select,
    text,
    type_coerce,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from ultraviolet.db.dialect import is_postgresql
from ultraviolet.db.driver_errors import sqlstate
from ultraviolet.db.engine import whole_seconds
from ultraviolet.ion.attributes import FIELD, attribute_name, types_of

S = TypeVar("S", bound=msgspec.Struct)

_CONTAINS_SQLITE = text(
    "EXISTS (SELECT 1 FROM json_each(objects.doc) WHERE lower(CAST(value AS TEXT)) LIKE :said)"
)
_CONTAINS_POSTGRESQL = text(
    "EXISTS (SELECT 1 FROM json_each_text(objects.doc) AS field"
    " WHERE lower(field.value) LIKE :said)"
)


def as_struct(kind: type[S], row: RowMapping) -> S:
    """Return the struct whose fields are columns of a row."""
    return kind(**{name: row[name] for name in kind.__struct_fields__})


def insert_new(
    connection: Connection,
    table: str,
    names: tuple[str, ...],
    key: tuple[str, ...],
    rows: Sequence[Sequence[Any]],
) -> set[tuple[Any, ...]]:
    """Insert the rows whose key is new, in their order; return the new keys.

    The key consists of the first columns and is distinct for all rows.
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
    # RETURNING would release Python's global lock once per row. SQLite has no concurrent writer.
    with suppress(IntegrityError):  # a key is known
        statement = insert_statement(table, names, len(rows), "ABORT")
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(rows)))
        return {tuple(row[: len(key)]) for row in rows}
    wanted = [row[: len(key)] for row in rows]
    same = " AND ".join(f"{name} = v.column{place + 1}" for place, name in enumerate(key))
    values = _marks("?", len(key), len(wanted))
    query = f"SELECT {keys} FROM (VALUES {values}) AS v CROSS JOIN {table} ON {same}"
    known = {
        tuple(row) for row in connection.exec_driver_sql(query, tuple(chain.from_iterable(wanted)))
    }
    new = [row for row in rows if tuple(row[: len(key)]) not in known]
    if new:
        connection.exec_driver_sql(
            insert_statement(table, names, len(new)), tuple(chain.from_iterable(new))
        )
    return {tuple(row[: len(key)]) for row in new}


@lru_cache(1024)
def insert_statement(
    table: str, names: tuple[str, ...], number: int, otherwise: str = "FAIL"
) -> str:
    """Return SQLite's INSERT of a number of rows.

    With FAIL, SQLite writes no journal for the statement, so an error must roll back the
    transaction. With ABORT, an error inserts no row.
    """
    values = _marks("?", len(names), number)
    return f"INSERT OR {otherwise} INTO {table} ({', '.join(names)}) VALUES {values}"


def _marks(mark: str, columns: int, rows: int) -> str:
    return ", ".join([f"({', '.join([mark] * columns)})"] * rows)


def any_field_contains(connection: Connection) -> TextClause:
    """Return the condition that a value of `objects.doc` contains the lower-case text `:said`."""
    return _CONTAINS_POSTGRESQL if is_postgresql(connection) else _CONTAINS_SQLITE


def value_of(
    connection: Connection, table: FromClause, field: str, kind: str
) -> ColumnElement[Any]:
    """Return the value by which a field of `objects` is compared and sorted; NULL if invalid.

    A field `attributes.Priority` is the custom attribute of this name, if it has this kind.
    Integers, ids and times (microseconds since 1970) are integers, a boolean is 0 or 1, other
    values are text. The expression has no parameters, so that an index can be used.
    """
    on_postgresql = is_postgresql(connection)
    stored = read(table, "->>", field, on_postgresql)
    match kind:
        case "real":
            value = cast(stored, Float)
        case "integer" | "id":
            value = cast(stored, BigInteger)
        case "boolean":
            value = cast(cast(stored, Boolean), Integer) if on_postgresql else cast(stored, Integer)
        case "time":
            value = (
                func.ultraviolet_time(stored, type_=BigInteger())
                if on_postgresql
                else _microseconds(stored)
            )
        case _:
            value = cast(stored, AnyText())
    return _fitting(table, field, kind, value, on_postgresql)


def text_of(connection: Connection, table: FromClause, field: str, kind: str) -> ColumnElement[Any]:
    """Return a field as text, the same on both databases; NULL if invalid."""
    on_postgresql = is_postgresql(connection)
    arrow = "->>" if kind in ("text", "id", "time") else "->"
    text_ = cast(read(table, arrow, field, on_postgresql), AnyText())
    shown = text_ if arrow == "->>" else func.nullif(text_, _NULL)
    return _fitting(table, field, kind, shown, on_postgresql)


_NULL = literal_column("'null'", AnyText())


def read(table: FromClause, arrow: str, field: str, on_postgresql: bool) -> ColumnElement[Any]:
    """Return a field of `objects` as stored, read with `->` or `->>`."""
    name = attribute_name(field)
    if name is not None:
        return _attribute(table, arrow, name, "value", on_postgresql)
    return _step(_column(table, "doc"), arrow, _place(field, on_postgresql))


def _attribute(
    table: FromClause, arrow: str, name: str, member: str, on_postgresql: bool
) -> ColumnElement[Any]:
    """Return the type or the value of a custom attribute."""
    doc, key = _column(table, "doc"), sql_literal(name)
    if on_postgresql:
        attribute = _step(_step(doc, "->", sql_literal(FIELD)), "->", key)
        return _step(attribute, arrow, sql_literal(member))
    if is_path_name(name):
        return _step(doc, arrow, sql_literal(f'$."{FIELD}"."{name}"."{member}"'))
    each = func.json_each(doc, sql_literal(f"$.{FIELD}")).table_valued("key", "value")
    value = _step(each.c.value, arrow, sql_literal(f"$.{member}"))
    return select(value).where(each.c.key == key).scalar_subquery()


_NOT_IN_PATHS = frozenset('"\\')
"""Characters that the names in SQLite's paths cannot have."""


def is_path_name(name: str) -> bool:
    """Return whether SQLite's paths, and so its indexes, can contain the name of an attribute."""
    return name.isprintable() and not set(name) & _NOT_IN_PATHS


def _step(of: ColumnElement[Any], arrow: str, place: ColumnElement[Any]) -> ColumnElement[Any]:
    return of.op(arrow, return_type=AnyText())(place)


def _column(table: FromClause, name: str) -> ColumnElement[Any]:
    """Return a JSON column without decoding."""
    return type_coerce(table.c[name], AnyText())


def _place(field: str, on_postgresql: bool) -> ColumnElement[Any]:
    quoted = field.replace("'", "''")
    return literal_column(f"'{quoted}'" if on_postgresql else f"""'$."{quoted}"'""", AnyText())


def _fitting(
    table: FromClause, field: str, kind: str, value: ColumnElement[Any], on_postgresql: bool
) -> ColumnElement[Any]:
    """Return NULL for an invalid value, without converting it, which could fail."""
    return case((is_valid(table, field, kind, on_postgresql), value))


def is_valid(table: FromClause, field: str, kind: str, on_postgresql: bool) -> ColumnElement[bool]:
    """Return whether the value of a field fits; not that of an attribute of another type."""
    name = attribute_name(field)
    invalid = _column(table, "invalid_values")
    if name is None or on_postgresql or is_path_name(name):
        unfit = _step(invalid, "->", _place(field, on_postgresql))
    else:
        each = func.json_each(invalid).table_valued("key")
        unfit = select(each.c.key).where(each.c.key == sql_literal(field)).scalar_subquery()
    valid = unfit.is_(None)
    if name is not None and (types := types_of(kind)):
        type_ = _attribute(table, "->>", name, "type", on_postgresql)
        valid = and_(valid, type_.in_([sql_literal(one) for one in types]))
    return valid


def fraction(written: str) -> str:
    """Return the SQL of the microseconds of a valid time, for SQLite."""
    return f"CAST(round(('0'||substr({written},20,7))*1e6) AS INTEGER)"


class _microseconds(GenericFunction[int]):  # noqa: N801  reads as the SQL function it is
    """Microseconds since 1970 of a valid time."""

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
"""Immutable, because the text has a zone, so that it can be indexed."""


def compare_times(table: Table) -> None:
    """Have what compares times in indexes made before a table."""
    event.listen(table, "before_create", _TIME_POSTGRESQL.execute_if(dialect="postgresql"))


def sql_literal(value: str) -> ColumnElement[Any]:
    """Write a value of ours out, so that an index of a part of a table is found."""
    return literal_column("'" + value.replace("'", "''") + "'", AnyText())


def index_names(connection: Connection, beginning: str) -> set[str]:
    """Return which whole indexes there are whose names begin so."""
    query = "SELECT name FROM sqlite_master WHERE type = 'index' AND name LIKE :name"
    if is_postgresql(connection):
        query = """SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid
          WHERE indisvalid AND relname LIKE :name"""
    return set(connection.execute(text(query), {"name": f"{beginning}%"}).scalars())


def create_index(engine: Engine, name: str, definition: str) -> None:
    """Create an index on PostgreSQL without blocking writers, unless another process does."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if connection.execute(_IS_THERE, {"name": name}).scalar_one():
            return
        drop = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
        connection.exec_driver_sql(drop)  # left by an interrupted run
        try:
            connection.exec_driver_sql(
                f"CREATE INDEX CONCURRENTLY {name} {definition.replace('%', '%%')}"
            )
        except DBAPIError as error:
            if sqlstate(error.orig) == _EXISTS:
                return
            with suppress(DBAPIError):  # an invalid index still slows down writes
                connection.exec_driver_sql(drop)
            raise
        connection.exec_driver_sql("ANALYZE objects")  # for statistics of the expression


_EXISTS = "42P07"
_IS_THERE = text(
    """SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(:name) AND (indisvalid
    OR indexrelid IN (SELECT index_relid FROM pg_stat_progress_create_index)))"""
)
"""Whether an index is valid or is being created."""


def like(connection: Connection, text: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Return a case-sensitive LIKE; SQLite's own LIKE ignores case."""
    if is_postgresql(connection):
        return text.like(pattern, escape="\\")
    parts: list[str] = _PARTS.findall(pattern)
    glob = "".join(_GLOB.get(part, part[-1]) for part in parts)
    return text.op("GLOB", is_comparison=True)(literal(glob, AnyText()))


_PARTS = re.compile(r"\\.|.", re.DOTALL)
_GLOB = {"%": "*", "_": "?"} | {
    f"{escape}{letter}": f"[{letter}]" for letter in "*?[" for escape in ("", "\\")
}
"""Parts of a pattern of LIKE that are written differently in one of GLOB."""


class position_of(GenericFunction[int]):  # noqa: N801  reads as the SQL function it is
    """The position of bytes in other bytes, from 1; 0 if absent."""

    name = "instr"
    type = Integer()
    inherit_cache = True


@compiles(position_of, "postgresql")
def _position(element: Any, compiler: Any, **given: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    whole, part = (compiler.process(clause, **given) for clause in element.clauses)
    return f"position({part} in {whole})"
