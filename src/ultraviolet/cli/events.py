"""`ultraviolet event`: what ION has delivered."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ultraviolet.cli.api import Json
from ultraviolet.cli.moments import HELP as MOMENT
from ultraviolet.cli.moments import moment
from ultraviolet.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Look at what ION delivered: list, show, replay.")

COLUMNS = {
    "seq": "seq",
    "received": "received_at",
    "resource": "resource",
    "action": "action",
    "object": "object_id",
    "signature": "signature",
    "outcome": "outcome",
}

CHANGES = {
    "resource": "resource",
    "object": "id",
    "change": "change",
    "field": "name",
    "now": "old",
    "then": "new",
}

Seq = Annotated[int, typer.Argument(help="Number of the event, from `ultraviolet event list`.")]


@command(app, "list")
def list_(
    session: Session,
    *,
    integration: Annotated[str | None, typer.Option(help="Name or id.")] = None,
    resource: Annotated[str | None, typer.Option(help="Only of this resource.")] = None,
    action: Annotated[str | None, typer.Option(help="Only CREATE, UPDATE or DELETE.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only with this outcome.")] = None,
    object_id: Annotated[str | None, typer.Option("--object", help="Only of this object.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List events, newest first."""
    found = session.integration(integration) if integration else None
    items = session.api.items(
        "/events",
        limit,
        integration=found["id"] if found else None,
        resource=resource,
        action=action,
        outcome=outcome,
        object=object_id,
    )
    session.show_list(items, COLUMNS, "No event yet. Webhooks are set up with `ultraviolet setup apply`.")


@command(app, "show")
def show(session: Session, seq: Seq) -> None:
    """Show one event with its body as received."""
    session.show(session.api.get(f"/events/{seq}"))


@command(app, "replay")
def replay(
    session: Session,
    seq: Annotated[str | None, typer.Argument(help="One event; a range if left out.")] = None,
    *,
    from_seq: Annotated[int | None, typer.Option("--from", help="From this number on.")] = None,
    to_seq: Annotated[int | None, typer.Option("--to", help="Up to this number.")] = None,
    since: Annotated[str | None, typer.Option(help=f"Received since. {MOMENT}")] = None,
    until: Annotated[str | None, typer.Option(help=f"Received before. {MOMENT}")] = None,
    integration: Annotated[str | None, typer.Option(help="Name or id.")] = None,
    resource: Annotated[str | None, typer.Option(help="Only of this resource.")] = None,
    action: Annotated[str | None, typer.Option(help="Only CREATE, UPDATE or DELETE.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only with this outcome.")] = None,
    object_id: Annotated[str | None, typer.Option("--object", help="Only of this object.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Let events go through the live path again; what they are about is read from ION afresh.

    Examples: `ultraviolet event replay 4711`, `ultraviolet event replay --since 2h --outcome not_understood --dry-run`
    """
    order = {"integration": integration, "since": moment(since), "until": moment(until), "resource": resource}
    order |= {"action": action, "outcome": outcome, "object": object_id, "dry_run": dry_run}
    order |= {"from_seq": int(seq) if seq else from_seq, "to_seq": int(seq) if seq else to_seq}
    report = session.api.post("/events/replay", order)
    if session.as_json:
        session.show(report)
        return
    changes = report.pop("changes")
    session.show(report)
    if dry_run:
        session.show_list(_fields(changes), CHANGES, "Nothing would change.")


def _fields(changes: list[Json]) -> Iterator[Json]:
    """One line for each field that would change."""
    for one in changes:
        for field in one["fields"]:
            yield {**one, **field}
