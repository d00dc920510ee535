"""Long work made visible: a fetch followed until it is over."""

import sys
from collections.abc import Callable

import typer

from ultraviolet.cli.api import Api, Json

OVER = ("done", "failed", "canceled")
POLL = 0.2


def follow_fetch(api: Api, fetch: Json, *, quiet: bool) -> Json:
    """Ask after a fetch until it is over; show a bar on a terminal, a few lines elsewhere."""
    if quiet:
        return _until_over(api, fetch, lambda _: None)
    if not sys.stderr.isatty():
        return _until_over(api, fetch, _Lines())
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("Reading from ION", total=None)

        def update(now: Json) -> None:
            bars.update(bar, completed=objects(now), total=expected(now), description=label(now))

        return _until_over(api, fetch, update)


def objects(fetch: Json) -> int:
    """How many objects were read so far."""
    return int(fetch.get("objects") or 0)


def expected(fetch: Json) -> int | None:
    """How many objects there will be, once ION has said so."""
    total = fetch.get("expected")
    return int(total) if total else None


def label(fetch: Json) -> str:
    """What is being read at the moment."""
    resource = fetch.get("resource")
    return f"Reading {resource}" if resource else "Reading from ION"


def _until_over(api: Api, fetch: Json, tell: Callable[[Json], None]) -> Json:
    while True:
        fetch = api.get(f"/fetches/{fetch['id']}")
        tell(fetch)
        if fetch["state"] in OVER:
            return fetch
        api.pause(POLL)


class _Lines:
    """A line whenever another tenth is through, for logs."""

    def __init__(self) -> None:
        self.next = 0.0

    def __call__(self, fetch: Json) -> None:
        total = expected(fetch)
        if total is None or objects(fetch) < self.next * total:
            return
        typer.echo(f"{label(fetch)}: {objects(fetch)} of {total}", err=True)
        self.next = objects(fetch) / total + 0.1
