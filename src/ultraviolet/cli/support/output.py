"""Results on stdout: JSON for programs, tables and lines for people."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import typer

from ultraviolet.characters import escape_json, escape_line

Columns = Mapping[str, str]
"""Heading → key of the item; a key with dots reaches into nested objects."""


def write_bytes(content: bytes) -> None:
    """Write bytes to stdout, after what was printed as text before."""
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def write_json(value: Any) -> None:
    """Print JSON, indented, in UTF-8 whatever the encoding of the terminal is."""
    write_bytes(f"{as_json(value)}\n".encode())


def write_json_list(items: Iterable[Any]) -> None:
    """Print a JSON array item by item, as `write_json` prints a list."""
    before = b"[\n"
    for item in items:
        lines = msgspec.json.format(encode_json(item), indent=2).splitlines()
        write_bytes(before + b"\n".join(b"  " + line for line in lines))
        before = b",\n"
    write_bytes(b"[]\n" if before == b"[\n" else b"\n]\n")


def as_json(value: Any) -> str:
    """Write a value as indented JSON."""
    return escape_json(msgspec.json.format(encode_json(value), indent=2).decode())


def as_line(value: Any) -> str:
    """Write a value as JSON on one line."""
    return escape_json(encode_json(value).decode())


def encode_json(value: Any) -> bytes:
    """Write a value as JSON; characters that UTF-8 cannot have become U+FFFD."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_encodable(value))


def _encodable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {_encodable(key): _encodable(one) for key, one in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list | tuple):
        return [_encodable(one) for one in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def write_table(rows: Sequence[Mapping[str, Any]], columns: Columns, *, keys: bool = False) -> None:
    """Print rows under headings; piped, nothing is cut and columns are two spaces apart.

    With `keys`, the keys of the columns are taken as they are, dots included.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in columns:
        table.add_column(escape_line(heading), no_wrap=not terminal)
    for row in rows:
        table.add_row(*(_cell(row[key] if keys else dig(row, key)) for key in columns.values()))
    console = Console(
        width=None if terminal else 10_000, markup=False, emoji=False, highlight=False
    )
    console.print(table)


def write_pairs(value: Mapping[str, Any], columns: Columns | None = None) -> None:
    """Print one thing as lines of name and value; nested things as JSON."""
    pairs = {h: dig(value, key) for h, key in columns.items()} if columns else value
    named = {escape_line(name.replace("_", " ")): content for name, content in pairs.items()}
    width = max((len(name) for name in named), default=0)
    for name, content in named.items():
        typer.echo(f"{name:<{width}}  {_cell(content)}".rstrip())


def dig(value: Any, path: str) -> Any:
    """Follow a dotted path into nested objects; None where it leads nowhere."""
    for part in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return escape_line(str(value))
    return escape_json(encode_json(value).decode())
