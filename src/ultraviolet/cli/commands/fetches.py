"""`ultraviolet fetch`: read a whole integration from ION and show the progress."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.progress import follow_fetch
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line
from ultraviolet.errors import UltravioletError

app = typer.Typer(no_args_is_help=True, help="Read an integration from ION: run, list, show.")

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
    """The sync failed; `ultraviolet fetch show` has the reason, and the next sync resumes it."""

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
        typer.Option(help="Recent changes only, or everything including deletions."),
    ] = "incremental",
    accept_absence: Annotated[
        bool,
        typer.Option(
            "--accept-absence", help="Delete all objects that ION no longer has, without a limit."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for the end and show the progress.")] = True,
) -> None:
    """Read an integration from ION, including changes without a webhook event.

    Examples: `ultraviolet fetch run plant-1`, `ultraviolet fetch run --mode full`
    """
    found = session.integration(integration)
    fetch = session.api.post(
        to("/integrations/{}/fetches", found["id"]),
        {"mode": mode, "accept_absence": accept_absence},
    )
    if wait:
        fetch = follow_fetch(session.api, fetch, quiet=session.as_json)
    session.show(fetch if session.as_json else _without_steps(fetch))
    if wait and fetch["state"] != "done":
        raise FetchFailedError


@command(app, "list", watchable=True)
@returns(
    "[GET /integrations/{integration}/fetches]",
    plus={"integration": "name of the integration, in a list of several"},
)
def list_(
    session: Session, integration: Name = None, *, limit: Annotated[int, typer.Option(min=1)] = 20
) -> None:
    """List syncs, newest first.

    Examples: `ultraviolet fetch list plant-1`, `ultraviolet fetch list --watch`
    """
    found = session.integrations(integration)
    items = session.list_of_each(found, "/integrations/{}/fetches", limit, "id")
    next_step = line("fetch run", *(one["name"] for one in found[:1]))
    session.show_list(items, with_integration(COLUMNS, found), f"No syncs yet. Next: {next_step}")


@command(app, "show", watchable=True)
@returns("GET /fetches/{fetch_id}")
def show(
    session: Session,
    fetch_id: Annotated[int, typer.Argument(help="Id, from `ultraviolet fetch list`.")],
) -> None:
    """Show one sync with its progress.

    Examples: `ultraviolet fetch show 12`, `ultraviolet fetch show 12 --watch`
    """
    fetch = session.api.get(to("/fetches/{}", fetch_id))
    if session.as_json:
        session.show(fetch)
        return
    session.show(_without_steps(fetch))
    session.show_list(iter(fetch["steps"]), STEPS, "No steps.")


def _without_steps(fetch: Json) -> Json:
    return {name: value for name, value in fetch.items() if name != "steps"}
