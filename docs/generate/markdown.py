"""Pieces of Markdown that all pages are made of."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table without its empty columns; a bar in a cell does not end it."""
    found = list(rows)
    shown = [n for n in range(len(heads)) if n == 0 or any(row[n] for row in found)]
    lines = [[line[n] for n in shown] for line in (heads, ["---"] * len(heads), *found)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Write something as it is typed; nothing as nothing."""
    return f"`{text}`" if text else ""


def line(text: str | None) -> str:
    """Put what was written over several lines into one."""
    return " ".join((text or "").split())


def sentence(text: str | None) -> str:
    """Give the first sentence of a docstring, with its full stop."""
    first = line((text or "").split("\n\n")[0])
    return first if first.endswith((".", ":", "?")) or not first else f"{first}."


def _cell(text: str) -> str:
    return (
        line(text).replace("|", "\\|").replace("<", "&lt;")
        if "`" not in text
        else line(text).replace("|", "\\|")
    )
