"""`ultraviolet event`: what ION has delivered."""

from typing import Annotated

import typer

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

Seq = Annotated[int, typer.Argument(help="Number of the event, from `ultraviolet event list`.")]


@command(app, "list", watchable=True)
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
def replay(session: Session, seq: Seq) -> None:
    """Apply an event once more; what it says is confirmed by a read from ION."""
    session.show(session.api.post(f"/events/{seq}/replay"))
