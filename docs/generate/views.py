"""Generate the page of SQL views from the catalog."""

from docs.generate.markdown import code, table

from ultraviolet.db import sql_views
from ultraviolet.ion import catalog

_INTRO = """\
# SQL views

The hub's database has one view per mirrored resource, with one row per object that is not deleted and one column per
field, under ION's column name. [SQL and exports](../how-to/sql-and-exports.md) describes their use. The database contains
the same list in the table `view_columns`, and on PostgreSQL also as comments of the columns.

Ids are text. On SQLite, times are RFC 3339 texts, booleans are 0 and 1, and `json` is text. On PostgreSQL the types are
`bigint`, `double precision`, `boolean`, `text`, `timestamptz` and `json`. A `json` column contains any JSON value; a text
has quotes, which `value ->> '$'` removes on SQLite and `value #>> '{}'` on PostgreSQL.

All views begin and end with these columns, which are not repeated below:
"""


def page() -> str:
    """Return the page."""
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
        ("column", "type", "meaning"), [(code(c.name), c.type, c.comment) for c in columns]
    )
