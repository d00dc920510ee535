"""Print results to stdout: JSON for programs, tables and lines for people."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
import typer

from ultraviolet.characters import escape_json, escape_line
from ultraviolet.text import number_text

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_MIDNIGHT = re.compile(r"T00:00:00(\.0+)?(Z|\+00:00)$")
Columns = Mapping[str, str]
"""Heading → key of the item; a dotted key selects a nested value."""


def write_bytes(content: bytes) -> None:
    """Write bytes to stdout, after flushing earlier text."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: Any) -> None:
    """Print indented JSON in UTF-8, whatever the encoding of the terminal."""
    write_bytes(f"{as_json(value)}\n".encode())


def write_json_list(items: Iterable[Any]) -> None:
    """Print a JSON array item by item, as `write_json` prints a list."""
    separator = b"[\n"
    for item in items:
        lines = msgspec.json.format(encode_json(item), indent=2).splitlines()
        write_bytes(separator + b"\n".join(b"  " + line for line in lines))
        separator = b",\n"
    write_bytes(b"[]\n" if separator == b"[\n" else b"\n]\n")


def as_json(value: Any) -> str:
    """Return a value as indented JSON."""
    return escape_json(msgspec.json.format(encode_json(value), indent=2).decode())


def as_line(value: Any) -> str:
    """Return a value as JSON on one line."""
    return escape_json(encode_json(value).decode())


def encode_json(value: Any) -> bytes:
    """Return a value as JSON; lone surrogates become U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_replace_surrogates(value))


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        items = cast("Mapping[Any, Any]", value).items()
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in items}
    if isinstance(value, list | tuple):
        return [_replace_surrogates(item) for item in cast("Sequence[Any]", value)]
    return value


def write_table(rows: Sequence[Mapping[str, Any]], columns: Columns, *, keys: bool = False) -> None:
    """Print rows under headings; if piped, cells are not truncated.

    With `keys`, as for SQL, dots in the keys of the columns have no special meaning, and numbers and
    times keep their form.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in columns:
        table.add_column(escape_line(heading), no_wrap=not terminal)
    for row in rows:
        table.add_row(
            *(
                as_text(row[key], raw=True) if keys else as_text(dig(row, key), name=key)
                for key in columns.values()
            )
        )
    console = Console(
        width=None if terminal else 10_000, markup=False, emoji=False, highlight=False
    )
    console.print(table)


def write_pairs(
    value: Mapping[str, Any], columns: Columns | None = None, *, labels: bool = False
) -> None:
    """Print an object as lines of name and value; nested values as JSON.

    With `labels`, the names are printed as they are, else with spaces for underscores.
    """
    pairs = {h: dig(value, key) for h, key in columns.items()} if columns else value
    named = {
        escape_line(name if labels else name.replace("_", " ")): content
        for name, content in pairs.items()
    }
    width = max((len(name) for name in named), default=0)
    for name, content in named.items():
        typer.echo(f"{name:<{width}}  {as_text(content, name=name)}".rstrip())


def dig(value: Any, path: str) -> Any:
    """Return the nested value at a dotted path, None if it does not exist."""
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = cast("Mapping[str, Any]", value).get(part)
    return value


def as_text(value: Any, *, name: str = "", raw: bool = False) -> str:
    """Return the value of this name on one line for people.

    Times are in the local time zone and numbers that are not ids have separators, unless `raw`.
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        is_time = not raw and _TIME.fullmatch(value)
        return _local_time(value) if is_time else escape_line(value)
    if isinstance(value, int | float):
        return number_text(value, "id" if raw else name)
    if isinstance(value, list) and value and not raw:
        items = cast("list[Any]", value)
        if all(isinstance(item, str) for item in items):
            return escape_line(", ".join(items))
    return escape_json(encode_json(value).decode())


def _local_time(value: str) -> str:
    """Return a time to the second in the local time zone; only the date for a date of ION."""
    if _MIDNIGHT.search(value):
        return value[:10]  # another time zone would show another day
    try:
        return f"{datetime.fromisoformat(value).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    except (ValueError, OverflowError):
        return value
