"""Results on stdout: JSON for programs, tables and lines for people."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import typer

from ultraviolet.characters import visible_json, visible_on_one_line

Columns = Mapping[str, str]
"""Heading → key of the item; a key with dots reaches into nested objects."""


def write_json(value: Any) -> None:
    """Print JSON, indented."""
    typer.echo(as_json(value))


def as_json(value: Any) -> str:
    """Write a value as indented JSON."""
    return visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def as_line(value: Any) -> str:
    """Write a value as JSON on one line."""
    return visible_json(msgspec.json.encode(value).decode())


def write_table(rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """Print rows under headings; piped, nothing is cut and columns are two spaces apart."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    terminal = sys.stdout.isatty()
    table = Table(box=box.SIMPLE_HEAD if terminal else None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in columns:
        table.add_column(visible_on_one_line(heading), no_wrap=not terminal)
    for row in rows:
        table.add_row(*(_cell(dig(row, key)) for key in columns.values()))
    console = Console(width=None if terminal else 10_000, markup=False, emoji=False, highlight=False)
    console.print(table)


def write_pairs(value: Mapping[str, Any], columns: Columns | None = None) -> None:
    """Print one thing as lines of name and value; nested things as JSON."""
    pairs = {h: dig(value, key) for h, key in columns.items()} if columns else value
    named = {visible_on_one_line(name.replace("_", " ")): content for name, content in pairs.items()}
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
        return visible_on_one_line(str(value))
    return visible_json(msgspec.json.encode(value).decode())
