"""Loaders of psycopg for values of PostgreSQL's types, for `ultraviolet sql`."""

from datetime import datetime
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.types.string import TextLoader

_MAX_DIGITS = 1_000
_AS_TEXT = ("json", "jsonb", "date", "time", "timetz", "interval")


def load_as_cells(connection: psycopg.Connection[Any]) -> None:
    """Load as text the times that Python does not support and types that lose information."""
    for info in connection.adapters.types:
        if info.name in _AS_TEXT or info.name.endswith("range"):
            connection.adapters.register_loader(info.oid, TextLoader)
    for name in ("timestamp", "timestamptz"):
        connection.adapters.register_loader(name, _TimeLoader)
    connection.adapters.register_loader("numeric", _NumericLoader)


class _TimeLoader(Loader):
    def load(self, data: Buffer) -> datetime | str:
        text = bytes(data).decode()
        try:
            return datetime.fromisoformat(text)
        except ValueError:  # infinity, years before 1 and after 9999
            return text


class _NumericLoader(Loader):
    """Load numbers without decimal places as integers, as on SQLite."""

    def load(self, data: Buffer) -> int | float | str:
        text = bytes(data).decode()
        if not text.lstrip("-").isdecimal():
            return float(text)
        return int(text) if len(text) <= _MAX_DIGITS else text
