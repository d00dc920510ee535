"""The tables of the hub's database, from their definitions."""

from docs.generate.markdown import code, table
from sqlalchemy import Column

from ultraviolet.db.tables.metadata import metadata

_INTRO = """\
# Tables

The hub's database, for those who operate it or look into it. Read it as you like; write to it only through the hub.
For the data of ION itself there are [typed views](sql-views.md), which stay the same when the tables change. Times are
RFC 3339 text in UTC, except where a column says otherwise; `source_time` is ION's clock, all others are the hub's.
"""


def page() -> str:
    """Write the page."""
    sections = [
        f"## {found.name}\n\n{_about(found.comment)}"
        + table(("column", "type", "what it is"), [_row(column) for column in found.columns])
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
