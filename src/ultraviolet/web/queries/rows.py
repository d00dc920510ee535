"""From rows to structs: a struct's fields are columns of the same name."""

from typing import Any

import msgspec
from sqlalchemy import Column, RowMapping, Table


def struct_columns(table: Table, kind: type[msgspec.Struct]) -> list[Column[Any]]:
    """Return the columns that a struct shows."""
    return [table.c[name] for name in kind.__struct_fields__ if name in table.c]


def row_values(row: RowMapping, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the values that a struct shows."""
    return {name: row[name] for name in kind.__struct_fields__ if name in row}
