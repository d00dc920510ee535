"""`ultraviolet webhook`: the webhook URLs that ION posts to."""

from typing import Annotated

import typer

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line

app = typer.Typer(no_args_is_help=True, help="Webhook URLs: create, list, rotate, revoke.")

COLUMNS = {
    "id": "id",
    "name": "name",
    "ends in": "last_four",
    "state": "state",
    "problem": "receiver_problem",
    "last delivery": "last_delivery_at",
}

Id = Annotated[int, typer.Argument(help="Id of the webhook URL, from `ultraviolet webhook list`.")]


@command(app, "create")
@returns("POST /integrations/{integration}/webhook-urls")
def create(
    session: Session,
    integration: Name = None,
    *,
    name: Annotated[str | None, typer.Option(help="Name of the URL; default: Ultraviolet.")] = None,
) -> None:
    """Create a webhook URL. It is shown once; the hub stores only a hash.

    Examples: `ultraviolet webhook create plant-1`,
    `ultraviolet webhook create plant-1 --name "ION production"`
    """
    found = session.integration(integration)
    created = session.api.post(
        to("/integrations/{}/webhook-urls", found["id"]), {"name": name} if name else {}
    )
    session.show(created)
    following = line("setup text", found["name"])
    session.say(f"Copy the URL now. It is shown only once. Next: {following}")


@command(app, "list", watchable=True)
@returns(
    "[GET /integrations/{integration}/webhook-urls]",
    plus={"integration": "name of the integration, in a list of several"},
)
def list_(session: Session, integration: Name = None) -> None:
    """List the webhook URLs by their last four characters.

    Examples: `ultraviolet webhook list`, `ultraviolet webhook list plant-1`
    """
    found = session.integrations(integration)
    items = session.list_of_each(found, "/integrations/{}/webhook-urls", 1000, "id")
    next_step = line("webhook create", *(one["name"] for one in found[:1]))
    session.show_list(
        items, with_integration(COLUMNS, found), f"No webhook URLs yet. Next: {next_step}"
    )


@command(app, "rotate")
@returns("POST /webhook-urls/{url_id}/rotate")
def rotate(session: Session, url_id: Id) -> None:
    """Create a new URL. The old one works until the first delivery to the new one, up to 24 hours.

    Example: `ultraviolet webhook rotate 3`
    """
    rotated = session.api.post(to("/webhook-urls/{}/rotate", url_id))
    session.show(rotated)
    if rotated["moved"]:
        session.say("Copy the URL now if you need it. It is shown only once.")
    else:
        session.say("Copy the URL now. It is shown only once. Next: set it on the receiver in ION.")


@command(app, "revoke")
@returns(plus={"revoked": "id of the webhook URL"})
def revoke(
    session: Session,
    url_id: Id,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Revoke a webhook URL immediately; the hub rejects all further deliveries to it.

    Example: `ultraviolet webhook revoke 3`
    """
    session.confirm("Deliveries to this URL will be rejected. Revoke it?", yes=yes)
    session.api.delete(to("/webhook-urls/{}", url_id))
    session.show({"revoked": str(url_id)})
