"""`ultraviolet key`: API keys."""

from typing import Annotated

import typer

from ultraviolet.cli.commands.users import Role, Yes
from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")

COLUMNS = {
    "id": "id",
    "name": "name",
    "role": "role",
    "ends in": "last_four",
    "last used": "last_used_at",
    "revoked": "revoked_at",
}
CREATED = {
    "ID": "id",
    "name": "name",
    "role": "role",
    "API key": "token",
    "expires": "expires_at",
}


@command(app, "create")
@returns("POST /api-keys")
def create(
    session: Session,
    name: Annotated[str, typer.Argument(help="Purpose of the key.")],
    *,
    role: Annotated[Role, typer.Option(help="Permissions of the key.")] = "viewer",
) -> None:
    """Create an API key. It is shown once; the hub stores only a hash.

    Examples: `ultraviolet key create "nightly export"`,
    `ultraviolet key create deploy --role admin`
    """
    created = session.api.post("/api-keys", {"name": name, "role": role})
    session.show(created, CREATED)
    session.say("Copy the API key now. It is shown only once.")


@command(app, "list")
@returns("[GET /api-keys]")
def list_(session: Session) -> None:
    """List API keys.

    Example: `ultraviolet key list`
    """
    session.show_list(
        session.api.items("/api-keys", 1000),
        COLUMNS,
        "No API keys yet. Next: ultraviolet key create --help",
    )


@command(app, "revoke")
@returns(plus={"revoked": "id of the key"})
def revoke(
    session: Session,
    key_id: Annotated[int, typer.Argument(help="Id of the key, from `ultraviolet key list`.")],
    *,
    yes: Yes = False,
) -> None:
    """Revoke an API key immediately.

    Example: `ultraviolet key revoke 4`
    """
    session.confirm("Programs that use this key will stop working. Revoke it?", yes=yes)
    session.api.delete(to("/api-keys/{}", key_id))
    session.show({"revoked": str(key_id)})
