"""`ultraviolet alert`: where it is told that something needs a person."""

from typing import Annotated

import typer

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.errors import InvalidError, UltravioletError

app = typer.Typer(
    no_args_is_help=True, help="Alerts to people: add, list, test, remove; what stands: standing."
)

COLUMNS = {
    "id": "id",
    "name": "name",
    "kind": "kind",
    "address": "shown",
    "last message": "last_result",
    "at": "last_at",
}
STANDING = {
    "id": "id",
    "integration": "integration",
    "what": "sentence",
    "next": "next_step",
    "since": "opened_at",
}

Id = Annotated[str, typer.Argument(help="Id of the destination, from `ultraviolet alert list`.")]


class TestFailedError(UltravioletError):
    """The test did not get through; its result says why."""

    kind = "not-sent"
    exit_code = 11


@command(app, "add")
@returns("POST /alert-destinations")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Who reads it, such as operations.")],
    *,
    email: Annotated[str | None, typer.Option(help="E-mail addresses, comma separated.")] = None,
    slack: Annotated[
        str | None, typer.Option(help="Incoming webhook of Slack, Mattermost and alike.")
    ] = None,
    webhook: Annotated[str | None, typer.Option(help="URL that takes signed webhooks.")] = None,
) -> None:
    """Tell somebody when something needs a person.

    Example: `ultraviolet alert add operations --email ops@example.com`, then `ultraviolet alert test 1`.
    """
    given = {"email": email, "slack": slack, "webhook": webhook}
    chosen = [(kind, address) for kind, address in given.items() if address]
    if len(chosen) != 1:
        raise InvalidError("Give one of --email, --slack and --webhook")
    kind, address = chosen[0]
    added = session.api.post(
        "/alert-destinations", {"name": name, "kind": kind, "address": address}
    )
    session.show(added)
    if added["secret"]:
        session.say("Copy the secret now; it cannot be shown again.")
    session.say(f"Next: ultraviolet alert test {added['id']}")


@command(app, "list")
@returns("[GET /alert-destinations]")
def list_(session: Session) -> None:
    """List who is told, and what came of the last message.

    Example: `ultraviolet alert list`
    """
    items = session.api.items("/alert-destinations", 1000)
    session.show_list(items, COLUMNS, "Nobody is told yet. Next: ultraviolet alert add")


@command(app, "standing", watchable=True)
@returns("[GET /alerts]")
def standing(session: Session) -> None:
    """List what needs a person now.

    Examples: `ultraviolet alert standing`, `ultraviolet alert standing --watch`
    """
    items = session.api.items("/alerts", 1000, open="true")
    session.show_list(items, STANDING, "Nothing needs a person.")


@command(app, "test")
@returns("POST /alert-destinations/{destination_id}/test")
def test(session: Session, destination_id: Id) -> None:
    """Send a test; exit code 11 where it did not get through.

    Example: `ultraviolet alert test 1`
    """
    done = session.api.post(to("/alert-destinations/{}/test", destination_id))
    session.show(done)
    if not done["last_well"]:
        raise TestFailedError(f"The test did not get through: {done['last_result']}")


@command(app, "remove")
@returns(plus={"removed": "id of the destination"})
def remove(
    session: Session,
    destination_id: Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Tell them nothing any more.

    Example: `ultraviolet alert remove 1`
    """
    session.confirm("Alerts will not go there any more. Remove it?", yes=yes)
    session.api.delete(to("/alert-destinations/{}", destination_id))
    session.show({"removed": destination_id})
