"""`ultraviolet event`: what ION has delivered."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from ultraviolet.cli.commands.integrations import Name
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import HELP as MOMENT
from ultraviolet.cli.support.params import parse_time
from ultraviolet.cli.support.session import Session, command
from ultraviolet.files import atomic_write

app = typer.Typer(
    no_args_is_help=True, help="What ION delivered: list, show, replay, export, import."
)

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

_PIECE = 1_000_000

Seq = Annotated[int, typer.Argument(help="Number of the event, from `ultraviolet event list`.")]


@command(app, "list", watchable=True)
@returns("[GET /events]")
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
    """List events, newest first.

    Examples: `ultraviolet event list`,
    `ultraviolet event list --resource purchase_orders --outcome not_understood`,
    `ultraviolet event list --watch`
    """
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
    session.show_list(
        items, COLUMNS, "No event yet. Webhooks are set up with `ultraviolet setup apply`."
    )


@command(app, "show")
@returns("GET /events/{seq}")
def show(session: Session, seq: Seq) -> None:
    """Show one event with its body as received.

    Example: `ultraviolet event show 4711`
    """
    session.show(session.api.get(to("/events/{}", seq)))


@command(app, "replay")
@returns("POST /events/replay")
def replay(
    session: Session,
    seq: Annotated[int | None, typer.Argument(help="One event; a range if left out.")] = None,
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
    order = {
        "integration": integration,
        "since": parse_time(since),
        "until": parse_time(until),
        "resource": resource,
    }
    order |= {"action": action, "outcome": outcome, "object": object_id, "dry_run": dry_run}
    order |= (
        {"from_seq": from_seq, "to_seq": to_seq}
        if seq is None
        else {"from_seq": seq, "to_seq": seq}
    )
    report = session.api.post("/events/replay", order)
    if session.as_json:
        session.show(report)
        return
    changes = report.pop("changes")
    session.show(report)
    if dry_run:
        session.show_list(_fields(changes), CHANGES, "Nothing would change.")


@command(app, "export")
def export(
    session: Session,
    file: Annotated[Path, typer.Argument(help="File to write; - for stdout.", allow_dash=True)],
    *,
    integration: Name = None,
) -> None:
    """Write all events as JSON lines, raw bodies kept exactly.

    Example: `ultraviolet event export events.jsonl`
    """
    found = session.integration(integration)["id"]
    with atomic_write(None if str(file) == "-" else file) as out:
        session.api.download(to("/integrations/{}/events/export", found), out.write)
    session.say(f"Written: {file}")


@command(app, "import")
@returns("POST /integrations/{integration}/events/import")
def import_(
    session: Session,
    file: Annotated[
        Path, typer.Argument(help="File that `event export` wrote.", exists=True, dir_okay=False)
    ],
    *,
    integration: Name = None,
) -> None:
    """Take in events of another hub; they go through the live path, and what is known already is not doubled.

    Then `ultraviolet fetch run --mode full` makes the mirror whole.

    Example: `ultraviolet event import events.jsonl`
    """
    found = session.integration(integration)["id"]
    total: Json = {"read": 0, "added": 0, "known": 0}
    with file.open("rb") as lines:
        for piece in _pieces(lines):
            done = session.api.upload(to("/integrations/{}/events/import", found), piece)
            total = {name: count + done[name] for name, count in total.items()}
    session.show(total)
    session.say("Next: ultraviolet fetch run --mode full")


def _pieces(lines: IO[bytes]) -> Iterator[bytes]:
    """Cut a file between lines into pieces that one request may carry."""
    piece = b""
    for line in lines:
        if piece and len(piece) + len(line) > _PIECE:
            yield piece
            piece = b""
        piece += line
    if piece:
        yield piece


def _fields(changes: list[Json]) -> Iterator[Json]:
    """One line for each field that would change."""
    for one in changes:
        for field in one["fields"]:
            yield {**one, **field}
