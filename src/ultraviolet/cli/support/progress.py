"""Show the progress of a fetch or a verification until it ends."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support.api import Address, Json, to
from ultraviolet.text import counted

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

POLL_INTERVAL_SECONDS = 0.2

Describe = Callable[[Json], str]


def follow_fetch(api: "Api", fetch: Json, *, quiet: bool) -> Json:
    """Poll a fetch until it ends; return its final state."""

    def describe(fetch: Json) -> str:
        """Return the progress of a fetch as text."""
        resources = f"{fetch['resources_done']} of {counted(fetch['resources'], 'resource')}"
        return f"{resources}, {counted(fetch['read'], 'object')} read, {fetch['changed']} changed"

    path = to("/fetches/{}", fetch["id"])
    return follow(api, path, "Reading from ION", describe, quiet=quiet)


def follow(api: "Api", path: Address, title: str, describe: Describe, *, quiet: bool) -> Json:
    """Poll a path until its work ends; show a progress bar on a terminal, lines elsewhere."""
    if quiet:
        return _poll(api, path)
    if not sys.stderr.isatty():
        return _poll(api, path, _ProgressLog(describe))
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

        def update(state: Json) -> None:
            done, total = state["resources_done"], state["resources"]
            bars.update(bar, completed=done, total=total, description=describe(state))

        return _poll(api, path, update)


def _poll(api: "Api", path: Address, update: Callable[[Json], None] | None = None) -> Json:
    while True:
        state = api.get(path)
        if update:
            update(state)
        if state["state"] != "running":
            return state
        api.pause(POLL_INTERVAL_SECONDS)


class _ProgressLog:
    """Print a line for each tenth of the work, for logs."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._next_share = 0.0

    def __call__(self, state: Json) -> None:
        share = state["resources_done"] / (state["resources"] or 1)
        if share < self._next_share:
            return
        typer.echo(escape_controls(self._describe(state)), err=True)
        self._next_share = share + 0.1
