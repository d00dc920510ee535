"""Long work made visible: a fetch or a verification followed until it is over."""

import sys
from collections.abc import Callable

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support.api import Address, Api, Json, to

POLL = 0.2

Words = Callable[[Json], str]


def follow_fetch(api: Api, fetch: Json, *, quiet: bool) -> Json:
    """Ask after a fetch until it is over."""
    return follow(api, to("/fetches/{}", fetch["id"]), "Reading from ION", words, quiet=quiet)


def follow(api: Api, path: Address, title: str, words: Words, *, quiet: bool) -> Json:
    """Ask after what is at a path until it is over; show a bar on a terminal, a few lines elsewhere."""
    if quiet:
        return _until_over(api, path, lambda _: None)
    if not sys.stderr.isatty():
        return _until_over(api, path, _Lines(words))
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn(title),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        bar = bars.add_task("", total=None)

        def update(now: Json) -> None:
            bars.update(
                bar, completed=now["resources_done"], total=now["resources"], description=words(now)
            )

        return _until_over(api, path, update)


def words(fetch: Json) -> str:
    """How far a fetch is, in words."""
    done, resources = fetch["resources_done"], fetch["resources"]
    return (
        f"{done} of {resources} resources, {fetch['read']} objects read, {fetch['changed']} changed"
    )


def _until_over(api: Api, path: Address, tell: Callable[[Json], None]) -> Json:
    while True:
        now = api.get(path)
        tell(now)
        if now["state"] != "running":
            return now
        api.pause(POLL)


class _Lines:
    """A line whenever another tenth is through, for logs."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.next = 0.0

    def __call__(self, now: Json) -> None:
        share = now["resources_done"] / (now["resources"] or 1)
        if share < self.next:
            return
        typer.echo(escape_controls(self.words(now)), err=True)
        self.next = share + 0.1
