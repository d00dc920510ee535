"""SQL functions that the local ION adds to SQLite."""

import json
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from sqlite3 import Connection
from typing import Any, cast

import msgspec

_PLACEHOLDER = re.compile(r"\$\{\s*([\w.]+)\s*\}|\{\{\s*([\w.]+)\s*\}\}")


def register(connection: Connection, download_url: Callable[[int, str | None], str]) -> None:
    """Add the functions to a connection."""
    connection.create_function("similarity", 2, _similarity, deterministic=True)
    connection.create_function("json_text", 1, _json_text, deterministic=True)
    connection.create_function("document_text", 1, _document_text, deterministic=True)
    connection.create_function("label_text", 2, _label_text, deterministic=True)
    connection.create_function("download_url", 2, download_url)


def _similarity(left: str | None, right: str | None) -> float:
    return SequenceMatcher(None, (left or "").lower(), (right or "").lower()).ratio()


def _label_text(template: str | None, values: str) -> str | None:
    """Replace the names in a template by values; unknown names stay, so that they are noticed."""
    known: Any = json.loads(values)

    def value_of(match: re.Match[str]) -> str:
        found = known
        for name in (match.group(1) or match.group(2)).split("."):
            if not isinstance(found, dict) or name not in found:
                return match.group()
            found = cast("dict[str, Any]", found)[name]
        if isinstance(found, float) and found.is_integer():
            found = int(found)
        return match.group() if isinstance(found, dict) else str(found)

    return None if template is None else _PLACEHOLDER.sub(value_of, template)


def _document_text(value: str) -> str:
    """Encode a JSON document as the resolvers do."""
    return _json_text(json.loads(value))


def _json_text(value: Any) -> str:
    """Encode a value as the resolvers do; SQLite formats some numbers differently."""
    return msgspec.json.encode(value).decode()
