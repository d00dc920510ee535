"""Long work made visible: a fetch followed until it is over."""

import sys
from collections.abc import Callable

import typer

from ultraviolet.cli.api import Api, Json

POLL = 0.2


def follow_fetch(api: Api, fetch: Json, *, quiet: bool) -> Json:
    """Ask after a fetch until it is over; show a bar on a terminal, a few lines elsewhere."""
    if quiet:
        return _until_over(api, fetch, lambda _: None)
    if not sys.stderr.isatty():
        return _until_over(api, fetch, _Lines())
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("Reading from ION"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=None)

        def update(now: Json) -> None:
            bars.update(bar, completed=now["resources_done"], total=now["resources"], description=words(now))

        return _until_over(api, fetch, update)


def words(fetch: Json) -> str:
    """How far a fetch is, in words."""
    done, resources = fetch["resources_done"], fetch["resources"]
    return f"{done} of {resources} resources, {fetch['read']} objects read, {fetch['changed']} changed"


def _until_over(api: Api, fetch: Json, tell: Callable[[Json], None]) -> Json:
    while True:
        fetch = api.get(f"/fetches/{fetch['id']}")
        tell(fetch)
        if fetch["state"] != "running":
            return fetch
        api.pause(POLL)


class _Lines:
    """A line whenever another tenth is through, for logs."""

    def __init__(self) -> None:
        self.next = 0.0

    def __call__(self, fetch: Json) -> None:
        share = fetch["resources_done"] / (fetch["resources"] or 1)
        if share < self.next:
            return
        typer.echo(words(fetch), err=True)
        self.next = share + 0.1
