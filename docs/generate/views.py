"""The SQL views, from the catalog: every column with its type and meaning."""

from docs.generate.markdown import code, table

from ultraviolet.db import sql_views
from ultraviolet.ion import catalog

_INTRO = """\
# SQL views

A view for each resource the hub mirrors, in the hub's database: a row for each object that is not deleted, a column for
each field under ION's own column name. [SQL and exports](../how-to/sql-and-exports.md) says how to ask them. Inside the
database the same list is the table `view_columns`, on PostgreSQL also the comments of the columns.

Ids are text. On SQLite, types are those SQLite has: times are RFC 3339 text, booleans 0 and 1, `json` is text. On
PostgreSQL they are `bigint`, `double precision`, `boolean`, `text`, `timestamptz` and `json`. What is `json` may be of any
kind, and a text there stands in quotes: `value ->> '$'` takes them away on SQLite, `value #>> '{}'` on PostgreSQL.

Every view begins and ends with the same columns, which are not repeated below:
"""


def page() -> str:
    """Write the page."""
    known = catalog.load_catalog()
    common = {column.name for column in (*sql_views.OWN, *sql_views.PROVENANCE)}
    sections = [
        f"## {sql_views.view_name(resource)}\n\n{resource.title}.\n\n"
        + _table(tuple(c for c in sql_views.columns(known, resource) if c.name not in common))
        for resource in known.mirrored
    ]
    return f"{_INTRO}\n{_table((*sql_views.OWN, *sql_views.PROVENANCE))}\n\n" + "\n\n".join(
        sections
    )


def _table(columns: tuple[sql_views.ViewColumn, ...]) -> str:
    return table(
        ("column", "type", "what it is"), [(code(c.name), c.type, c.comment) for c in columns]
    )
