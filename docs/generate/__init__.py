"""The pages of the reference that follow from the code: `python -m docs.generate` writes them into docs/reference."""

from collections.abc import Callable
from pathlib import Path

from docs.generate import commands, doctor, errors, metrics, routes, settings, tables, views

HOME = Path(__file__).parent.parent / "reference"
NOTE = "<!-- Written by `make reference` from the code; change it there. -->"

PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands.page,
    "settings.md": settings.page,
    "routes.md": routes.page,
    "metrics.md": metrics.page,
    "doctor.md": doctor.page,
    "errors.md": errors.page,
    "sql-views.md": views.page,
    "tables.md": tables.page,
}


def text(name: str) -> str:
    """Write one page."""
    title, rest = PAGES[name]().split("\n", 1)
    return f"{title}\n\n{NOTE}\n{rest.rstrip()}\n"
