"""`ultraviolet fetch`: read a whole integration, and see how far it got."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.commands.integrations import Name
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.progress import follow_fetch
from ultraviolet.cli.support.session import Session, command
from ultraviolet.errors import UltravioletError

app = typer.Typer(no_args_is_help=True, help="Read everything from ION: run, list, show.")

COLUMNS = {
    "id": "id",
    "mode": "mode",
    "state": "state",
    "read": "read",
    "changed": "changed",
    "deleted": "deleted",
    "started": "started_at",
    "finished": "finished_at",
}
STEPS = {
    "resource": "resource",
    "state": "state",
    "total": "total",
    "read": "read",
    "error": "error",
}


class FetchFailedError(UltravioletError):
    """The fetch did not finish; `ultraviolet fetch show` says why, and it goes on where it stopped."""

    kind = "fetch-failed"
    exit_code = 8


@command(app, "run")
@returns("GET /fetches/{fetch_id}")
def run(
    session: Session,
    integration: Name = None,
    *,
    mode: Annotated[
        Literal["incremental", "full"],
        typer.Option(help="What changed, or everything with deletions."),
    ] = "incremental",
    accept_absence: Annotated[
        bool,
        typer.Option(
            "--accept-absence", help="Delete what ION no longer shows, however much it is."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Stay and show progress until it is done.")] = True,
) -> None:
    """Read from ION what webhooks may not have told.

    Examples: `ultraviolet fetch run plant-1`, `ultraviolet fetch run --mode full`
    """
    found = session.integration(integration)
    fetch = session.api.post(
        to("/integrations/{}/fetches", found["id"]),
        {"mode": mode, "accept_absence": accept_absence},
    )
    if wait:
        fetch = follow_fetch(session.api, fetch, quiet=session.as_json)
    session.show(fetch if session.as_json else _head(fetch))
    if wait and fetch["state"] != "done":
        raise FetchFailedError


@command(app, "list", watchable=True)
@returns("[GET /integrations/{integration}/fetches]")
def list_(
    session: Session, integration: Name = None, *, limit: Annotated[int, typer.Option(min=1)] = 20
) -> None:
    """List fetches, newest first.

    Examples: `ultraviolet fetch list plant-1`, `ultraviolet fetch list --watch`
    """
    found = session.integration(integration)
    items = session.api.items(to("/integrations/{}/fetches", found["id"]), limit)
    session.show_list(items, COLUMNS, "No fetch yet. Next: ultraviolet fetch run")


@command(app, "show", watchable=True)
@returns("GET /fetches/{fetch_id}")
def show(
    session: Session,
    fetch_id: Annotated[str, typer.Argument(help="Id, from `ultraviolet fetch list`.")],
) -> None:
    """Show one fetch with its progress.

    Examples: `ultraviolet fetch show 12`, `ultraviolet fetch show 12 --watch`
    """
    fetch = session.api.get(to("/fetches/{}", fetch_id))
    if session.as_json:
        session.show(fetch)
        return
    session.show(_head(fetch))
    session.show_list(iter(fetch["steps"]), STEPS, "No steps.")


def _head(fetch: Json) -> Json:
    return {name: value for name, value in fetch.items() if name != "steps"}
