"""Generate the page of database tables from their definitions."""

from docs.generate.markdown import code, table
from sqlalchemy import Column

from ultraviolet.db.tables.metadata import metadata

_INTRO = """\
# Tables

This page describes the hub's database. You may read it; change it only through the hub. For ION's data, use the
[typed views](sql-views.md), which do not change with the tables. Times are RFC 3339 texts in UTC, unless stated
otherwise. `source_time` is from ION's clock, all others are from the hub's clock.
"""


def page() -> str:
    """Return the page."""
    sections = [
        f"## {found.name}\n\n{_about(found.comment)}"
        + table(("column", "type", "meaning"), [_row(column) for column in found.columns])
        for found in metadata.sorted_tables
    ]
    return _INTRO + "\n" + "\n\n".join(sections)


def _row(column: "Column[object]") -> tuple[str, str, str]:
    notes = [column.comment or ""]
    notes += [
        f"refers to `{key.column.table.name}`" for key in sorted(column.foreign_keys, key=str)
    ]
    if column.primary_key:
        notes.append("key")
    elif column.nullable:
        notes.append("may be empty")
    return (
        code(column.name),
        column.type.__class__.__name__.lower(),
        "; ".join(note for note in notes if note),
    )


def _about(comment: str | None) -> str:
    return f"{comment[0].upper()}{comment[1:].rstrip('.')}.\n\n" if comment else ""
