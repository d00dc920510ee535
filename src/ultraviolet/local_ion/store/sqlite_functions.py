"""SQL functions that the local ION adds to SQLite."""

import json
from collections.abc import Callable
from difflib import SequenceMatcher
from sqlite3 import Connection
from typing import Any

import msgspec


def register(connection: Connection, download_url: Callable[[int, str | None], str]) -> None:
    """Add the functions to a connection."""
    connection.create_function("similarity", 2, _similarity, deterministic=True)
    connection.create_function("json_text", 1, _json_text, deterministic=True)
    connection.create_function("document_text", 1, _document_text, deterministic=True)
    connection.create_function("download_url", 2, download_url)


def _similarity(left: str | None, right: str | None) -> float:
    return SequenceMatcher(None, (left or "").lower(), (right or "").lower()).ratio()


def _json_text(value: Any) -> str:
    """Encode a value as the resolvers do; SQLite formats some numbers differently."""
    return msgspec.json.encode(value).decode()


def _document_text(value: str) -> str:
    """Encode a JSON document as the resolvers do."""
    return _json_text(json.loads(value))
