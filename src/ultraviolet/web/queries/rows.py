"""Map rows to structs whose fields have the names of columns."""

from typing import Any

import msgspec
from sqlalchemy import Column, RowMapping, Table


def struct_columns(table: Table, kind: type[msgspec.Struct]) -> list[Column[Any]]:
    """Return the columns of a table that are fields of a struct."""
    return [table.c[name] for name in kind.__struct_fields__ if name in table.c]


def row_values(row: RowMapping, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the values of a row that are fields of a struct."""
    return {name: row[name] for name in kind.__struct_fields__ if name in row}
