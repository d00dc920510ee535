"""Format Markdown."""

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table without its empty columns; escape bars in cells."""
    found = list(rows)
    shown = [n for n in range(len(heads)) if n == 0 or any(row[n] for row in found)]
    lines = [[line[n] for n in shown] for line in (heads, ["---"] * len(heads), *found)]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """Return text as code, or an empty text."""
    return f"`{text}`" if text else ""


def line(text: str | None) -> str:
    """Join several lines into one."""
    return " ".join((text or "").split())


def sentence(text: str | None) -> str:
    """Return the first sentence of a docstring, with its full stop."""
    first = line((text or "").split("\n\n")[0])
    return first if first.endswith((".", ":", "?")) or not first else f"{first}."


def _cell(text: str) -> str:
    return (
        line(text).replace("|", "\\|").replace("<", "&lt;")
        if "`" not in text
        else line(text).replace("|", "\\|")
    )
