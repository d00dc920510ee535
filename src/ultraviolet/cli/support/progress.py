"""Show the progress of a fetch or a verification until it ends."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support.api import Address, Json, to
from ultraviolet.command_text import command as line
from ultraviolet.errors import UltravioletError
from ultraviolet.text import counted

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

POLL_INTERVAL_SECONDS = 0.2
MAX_WAIT_SECONDS = 30.0

Describe = Callable[[Json], str]


class FetchWaitsError(UltravioletError):
    """The sync waits for ION. It continues by itself when ION responds."""

    kind = "fetch-waits"
    exit_code = 8


def follow_fetch(api: "Api", fetch: Json, *, quiet: bool) -> Json:
    """Poll a fetch until it ends; return its final state.

    Raise FetchWaitsError if an error keeps it from any progress for half a minute.
    """
    waits_since: float | None = None

    def describe(fetch: Json) -> str:
        """Return the progress of a fetch as text."""
        resources = f"{fetch['resources_done']} of {counted(fetch['resources'], 'resource')}"
        return f"{resources}, {counted(fetch['read'], 'object')} read, {fetch['changed']} changed"

    def check(fetch: Json) -> None:
        nonlocal waits_since
        if not fetch["waits_because"]:
            waits_since = None
            return
        waits_since = waits_since or time.monotonic()
        if time.monotonic() - waits_since > MAX_WAIT_SECONDS:
            raise FetchWaitsError(
                f"{fetch['waits_because'].rstrip('.')}. The sync waits and continues by itself; see"
                f" `{line('fetch show', str(fetch['id']))}`."
            )

    path = to("/fetches/{}", fetch["id"])
    return follow(api, path, "Reading from ION", describe, quiet=quiet, check=check)


def follow(
    api: "Api",
    path: Address,
    title: str,
    describe: Describe,
    *,
    quiet: bool,
    check: Callable[[Json], None] = lambda _: None,
) -> Json:
    """Poll a path until its work ends; show a progress bar on a terminal, lines elsewhere.

    `check` may raise an error that ends this.
    """
    if quiet:
        return _poll(api, path, check)
    if not sys.stderr.isatty():
        log = _ProgressLog(describe)
        return _poll(api, path, check, log)
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

        return _poll(api, path, check, update)


def _poll(api: "Api", path: Address, *updates: Callable[[Json], None]) -> Json:
    while True:
        state = api.get(path)
        for update in updates:
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
