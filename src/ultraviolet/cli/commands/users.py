"""`ultraviolet user`: people, their sign-in links and sessions."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.command_text import command as line

app = typer.Typer(no_args_is_help=True, help="People: add, list, link, remove.")

Role = Literal["viewer", "operator", "admin"]
COLUMNS = {"id": "id", "name": "name", "role": "role", "last sign-in": "last_sign_in_at"}
SESSIONS = {
    "id": "id",
    "method": "way",
    "from": "source",
    "browser": "browser",
    "since": "created_at",
    "last used": "last_used_at",
}
User = Annotated[str, typer.Argument(help="Name or id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@command(app, "add")
@returns("POST /users")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    *,
    role: Annotated[Role, typer.Option(help="Permissions of this person.")] = "viewer",
) -> None:
    """Add a person. Next: `ultraviolet user link`.

    Example: `ultraviolet user add ada --role operator`
    """
    session.show(session.api.post("/users", {"name": name, "role": role}))
    session.say(f"Next: {line('user link', name)}")


@command(app, "list")
@returns("[GET /users]")
def list_(session: Session) -> None:
    """List people.

    Example: `ultraviolet user list`
    """
    session.show_list(
        session.api.items("/users", 1000),
        COLUMNS,
        "No people yet. Next: ultraviolet user add --help",
    )


@command(app, "link")
@returns("POST /users/{user}/sign-in-links")
def link(session: Session, user: User) -> None:
    """Create a sign-in link, valid once for 15 minutes.

    Example: `ultraviolet user link ada`
    """
    session.show(session.api.post(to("/users/{}/sign-in-links", user)))


@command(app, "provider")
@returns("PATCH /users/{user}/sso")
def provider(
    session: Session,
    user: User,
    *,
    email: Annotated[
        str | None, typer.Option(help="Verified address at the provider; omit it to unlink.")
    ] = None,
) -> None:
    """Link a person to their single sign-on account, or unlink them.

    Examples: `ultraviolet user provider ada --email ada@example.com`,
    `ultraviolet user provider ada`
    """
    session.show(session.api.patch(to("/users/{}/sso", user), {"email": email}))


@command(app, "sessions")
@returns("[GET /users/{user}/sessions]")
def list_sessions(session: Session, user: User) -> None:
    """List the sessions of a person.

    Example: `ultraviolet user sessions ada`
    """
    items = session.api.items(to("/users/{}/sessions", user), 1000)
    session.show_list(items, SESSIONS, "No sessions.")


@command(app, "sign-out")
@returns(plus={"signed out": "name or id as given", "session": "the session's id, or all"})
def sign_out(
    session: Session,
    user: User,
    *,
    only: Annotated[
        str | None, typer.Option("--session", help="Only this session, by its id.")
    ] = None,
) -> None:
    """Sign a person out of all sessions or of one.

    Examples: `ultraviolet user sign-out ada`, `ultraviolet user sign-out ada --session 7`
    """
    path = to("/users/{}/sessions", user)
    if only is not None:
        path = to("/users/{}/sessions/{}", user, only)
    session.api.delete(path)
    session.show({"signed out": user, "session": only or "all"})


@command(app, "remove")
@returns(plus={"removed": "name or id as given"})
def remove(session: Session, user: User, *, yes: Yes = False) -> None:
    """Remove a person and end their sessions.

    Example: `ultraviolet user remove ada`
    """
    session.confirm(f"Remove “{user}”?", yes=yes)
    session.api.delete(to("/users/{}", user))
    session.show({"removed": user})
