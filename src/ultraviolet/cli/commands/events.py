"""`ultraviolet event`: the recorded events."""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated

import typer

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.completion import complete_integration
from ultraviolet.cli.support.export_file import Force, open_export
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.object_text import ObjectText, changed_fields
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import TIME_HELP, parse_time
from ultraviolet.cli.support.resource_argument import resource_name
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line

app = typer.Typer(no_args_is_help=True, help="Recorded events: list, show, replay, export, import.")

COLUMNS = {
    "seq": "seq",
    "received": "received_at",
    "resource": "resource",
    "action": "action",
    "object": "object_id",
    "title": "object_title",
    "changed": "changed",
    "signature": "signature",
    "outcome": "outcome",
}

CHANGES = {
    "resource": "resource",
    "object": "id",
    "change": "change",
    "field": "name",
    "before": "old",
    "after": "new",
}

_CHUNK_BYTES = 1_000_000

Selected = Annotated[
    str | None,
    typer.Option(help="Name or id; default: all.", autocompletion=complete_integration),
]
Resource = Annotated[str | None, typer.Option(help="Only events of this resource.")]
Action = Annotated[str | None, typer.Option(help="Only CREATE, UPDATE or DELETE events.")]
Outcome = Annotated[str | None, typer.Option(help="Only events with this outcome.")]
ObjectId = Annotated[str | None, typer.Option("--object", help="Only events of this object.")]
Seq = Annotated[int, typer.Argument(help="Number of the event, from `ultraviolet event list`.")]


@command(app, "list", watchable=True)
@returns("[GET /events]")
def list_(
    session: Session,
    *,
    integration: Selected = None,
    resource: Resource = None,
    action: Action = None,
    outcome: Outcome = None,
    object_id: ObjectId = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List events, newest first.

    Examples: `ultraviolet event list`,
    `ultraviolet event list --resource purchase_orders --outcome not_understood`,
    `ultraviolet event list --watch`
    """
    each = (
        [session.integration(integration)]
        if integration
        else list(session.api.items("/integrations", 1000))
    )
    names = {one["id"]: one["name"] for one in each}
    items = session.api.items(
        "/events",
        limit,
        integration=each[0]["id"] if integration else None,
        resource=resource_name(resource),
        action=action,
        outcome=outcome,
        object=object_id,
    )
    if not session.as_json:
        items = (
            {
                **one,
                "integration": names.get(one["integration_id"]),
                "changed": changed_fields(one["changed"]),
            }
            for one in items
        )
    session.show_list(
        items,
        with_integration(COLUMNS, each),
        "No events. If you expect some, check the setup: ultraviolet doctor",
    )


@command(app, "show")
@returns("GET /events/{seq}")
def show(session: Session, seq: Seq) -> None:
    """Show one event with its raw body.

    Example: `ultraviolet event show 4711`
    """
    event = session.api.get(to("/events/{}", seq))
    if not session.as_json:
        event["changed"] = changed_fields(event["changed"])
    session.show(event)


@command(app, "replay")
@returns("POST /events/replay")
def replay(
    session: Session,
    seq: Annotated[
        int | None, typer.Argument(help="Number of one event; omit it to select by the options.")
    ] = None,
    *,
    from_seq: Annotated[int | None, typer.Option("--from", help="First number.")] = None,
    to_seq: Annotated[int | None, typer.Option("--to", help="Last number.")] = None,
    since: Annotated[
        str | None, typer.Option(help=f"Received at or after this time. {TIME_HELP}")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help=f"Received before this time. {TIME_HELP}")
    ] = None,
    integration: Selected = None,
    resource: Resource = None,
    action: Action = None,
    outcome: Outcome = None,
    object_id: ObjectId = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would change.")] = False,
) -> None:
    """Process events again, and read their objects from ION.

    Examples: `ultraviolet event replay 4711`,
    `ultraviolet event replay --since 2h --outcome not_understood --dry-run`
    """
    request = {
        "integration": integration,
        "since": parse_time(since),
        "until": parse_time(until),
        "resource": resource_name(resource),
    }
    request |= {"action": action, "outcome": outcome, "object": object_id, "dry_run": dry_run}
    request |= (
        {"from_seq": from_seq, "to_seq": to_seq}
        if seq is None
        else {"from_seq": seq, "to_seq": seq}
    )
    report = session.api.post("/events/replay", request)
    if session.as_json:
        session.show(report)
        return
    changes = report.pop("changes")
    session.show(report)
    if not report["events"]:
        session.say("No events match. List all with `ultraviolet event list`.")
    elif dry_run:
        rows = (
            {**change, **field}
            for change in changes
            for field in ObjectText(change["resource"]).changes(change["fields"])
        )
        session.show_list(rows, CHANGES, "Nothing would change.")


@command(app, "export")
def export(
    session: Session,
    file: Annotated[Path, typer.Argument(help="File to write; - for stdout.", allow_dash=True)],
    *,
    integration: Name = None,
    force: Force = False,
) -> None:
    """Write all events as JSON lines, with their exact raw bodies.

    Example: `ultraviolet event export events.jsonl`
    """
    found = session.integration(integration)["id"]
    with open_export(file, force=force) as out:
        session.api.download(to("/integrations/{}/events/export", found), out.write)
    if str(file) != "-":
        session.say(f"Wrote {file}.")


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
    """Import and process the events of another hub; events that are already recorded are skipped.

    Afterwards run `ultraviolet fetch run --mode full` to complete the mirror.

    Example: `ultraviolet event import events.jsonl`
    """
    found = session.integration(integration)
    total: Json = {"read": 0, "added": 0, "known": 0}
    with file.open("rb") as lines:
        for chunk in _chunks(lines):
            result = session.api.upload(to("/integrations/{}/events/import", found["id"]), chunk)
            total = {name: count + result[name] for name, count in total.items()}
    session.show(total)
    session.say(f"Next: {line('fetch run', found['name'], mode='full')}")


def _chunks(lines: IO[bytes]) -> Iterator[bytes]:
    """Split a file between lines into chunks of one request each."""
    chunk = b""
    for event in lines:
        if chunk and len(chunk) + len(event) > _CHUNK_BYTES:
            yield chunk
            chunk = b""
        chunk += event
    if chunk:
        yield chunk
