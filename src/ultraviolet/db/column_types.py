"""Column types and table options that are the same on SQLite and PostgreSQL."""

from typing import Any

import msgspec
from sqlalchemy import (
    DDL,
    Dialect,
    PrimaryKeyConstraint,
    Table,
    event,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType


class JSON(UserDefinedType[Any]):
    """A JSON document on both databases: a Python value in tables, text in SQL statements."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return the name of the type, the same on both databases."""
        return "JSON"

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002
        """Return the encoder."""

        def write(value: Any) -> str | None:
            return None if value is None else msgspec.json.encode(value).decode()

        return write

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        """Return the decoder."""

        def read(value: str | None) -> Any:
            return None if value is None else msgspec.json.decode(value)

        return read


Text = AnyText().with_variant(AnyText(collation="C"), "postgresql")
"""Text, compared byte by byte on both databases."""


def by_month(column: str) -> dict[str, Any]:
    """Return the options of a table that PostgreSQL partitions by month of a column."""
    return {"postgresql_partition_by": f"RANGE ({column})"}


def update_in_place(fillfactor: int, vacuum_after: int | None = None) -> dict[str, Any]:
    """Return the options of a table whose rows PostgreSQL updates in place.

    A small table is vacuumed after a number of changed rows.
    """
    options: dict[str, Any] = {"fillfactor": fillfactor}
    if vacuum_after:
        options |= {
            "autovacuum_vacuum_scale_factor": 0,
            "autovacuum_vacuum_threshold": vacuum_after,
        }
    return {"postgresql_with": options}


@compiles(PrimaryKeyConstraint, "postgresql")
def _with_month(element: PrimaryKeyConstraint, compiler: Any, **given: Any) -> str:  # pyright: ignore[reportUnusedFunction]
    """Add the partition column to the primary key of a partitioned table."""
    written: str = compiler.visit_primary_key_constraint(element, **given)
    by = element.table.dialect_options["postgresql"]["partition_by"]
    return f"{written.removesuffix(')')}, {by[7:-1]})" if by else written


def append_only(table: Table) -> None:
    """Create triggers that reject updates and deletes of a table's rows."""
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
