"""`ultraviolet alert`: alert destinations and active alerts."""

from typing import Annotated

import typer

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.errors import InvalidError, UltravioletError

app = typer.Typer(
    no_args_is_help=True, help="Alert destinations: add, list, test, remove. Active alerts: active."
)

DESTINATIONS = {
    "id": "id",
    "name": "name",
    "kind": "kind",
    "address": "shown",
    "last message": "last_result",
    "at": "last_at",
}
ACTIVE = {
    "id": "id",
    "integration": "integration",
    "problem": "message",
    "next step": "next_step",
    "since": "opened_at",
}

Id = Annotated[int, typer.Argument(help="Id of the destination, from `ultraviolet alert list`.")]


class TestFailedError(UltravioletError):
    """The test message was not delivered; `last_result` has the reason."""

    kind = "not-sent"
    exit_code = 11


@command(app, "add")
@returns("POST /alert-destinations")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of the destination, such as operations.")],
    *,
    email: Annotated[str | None, typer.Option(help="E-mail addresses, comma separated.")] = None,
    slack: Annotated[
        str | None, typer.Option(help="Incoming webhook of Slack, Mattermost or a compatible chat.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="URL that receives signed webhooks.")] = None,
) -> None:
    """Add an alert destination.

    Example: `ultraviolet alert add operations --email ops@example.com`
    """
    given = {"email": email, "slack": slack, "webhook": webhook}
    chosen = [(kind, address) for kind, address in given.items() if address]
    if len(chosen) != 1:
        raise InvalidError("Give exactly one of --email, --slack and --webhook.")
    kind, address = chosen[0]
    added = session.api.post(
        "/alert-destinations", {"name": name, "kind": kind, "address": address}
    )
    session.show(added)
    if added["secret"]:
        session.say("Copy the secret now. It is shown only once.")
    session.say(f"Next: ultraviolet alert test {added['id']}")


@command(app, "list")
@returns("[GET /alert-destinations]")
def list_(session: Session) -> None:
    """List alert destinations with the result of the last message.

    Example: `ultraviolet alert list`
    """
    items = session.api.items("/alert-destinations", 1000)
    session.show_list(
        items, DESTINATIONS, "No alert destinations yet. Next: ultraviolet alert add --help"
    )


@command(app, "active", watchable=True)
@returns("[GET /alerts]")
def active(session: Session) -> None:
    """List active alerts.

    Examples: `ultraviolet alert active`, `ultraviolet alert active --watch`
    """
    items = session.api.items("/alerts", 1000, open="true")
    session.show_list(items, ACTIVE, "No active alerts.")


@command(app, "test")
@returns("POST /alert-destinations/{destination_id}/test")
def test(session: Session, destination_id: Id) -> None:
    """Send a test message; exit code 11 if it is not delivered.

    Example: `ultraviolet alert test 1`
    """
    tested = session.api.post(to("/alert-destinations/{}/test", destination_id))
    session.show(tested)
    if not tested["last_well"]:
        raise TestFailedError(f"The test message was not delivered: {tested['last_result']}")


@command(app, "remove")
@returns(plus={"removed": "id of the destination"})
def remove(
    session: Session,
    destination_id: Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Remove an alert destination.

    Example: `ultraviolet alert remove 1`
    """
    session.confirm("This destination will receive no more alerts. Remove it?", yes=yes)
    session.api.delete(to("/alert-destinations/{}", destination_id))
    session.show({"removed": str(destination_id)})
