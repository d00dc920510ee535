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
    "by": "way",
    "from": "source",
    "browser": "browser",
    "since": "created_at",
    "last used": "last_used_at",
}
User = Annotated[str, typer.Argument(help="Name or id.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@command(app, "add")
@returns("POST /users")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name to sign in with.")],
    *,
    role: Annotated[Role, typer.Option(help="What this person may do.")] = "viewer",
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
        session.api.items("/users", 1000), COLUMNS, "No user yet. Next: ultraviolet user add"
    )


@command(app, "link")
@returns("POST /users/{user}/sign-in-links")
def link(session: Session, user: User) -> None:
    """Make a link to sign in with, valid once for 15 minutes.

    Example: `ultraviolet user link ada`
    """
    session.show(session.api.post(to("/users/{}/sign-in-links", user)))


@command(app, "provider")
@returns("PATCH /users/{user}/provider")
def provider(
    session: Session,
    user: User,
    *,
    email: Annotated[
        str | None, typer.Option(help="The verified address they come with; left out: untie.")
    ] = None,
) -> None:
    """Let a person who is here already come from the single sign-on provider, or untie them from it.

    Examples: `ultraviolet user provider ada --email ada@example.com`, `ultraviolet user provider ada`
    """
    session.show(session.api.patch(to("/users/{}/provider", user), {"email": email}))


@command(app, "sessions")
@returns("[GET /users/{user}/sessions]")
def list_sessions(session: Session, user: User) -> None:
    """List where a person is signed in.

    Example: `ultraviolet user sessions ada`
    """
    items = session.api.items(to("/users/{}/sessions", user), 1000)
    session.show_list(items, SESSIONS, "Not signed in anywhere.")


@command(app, "sign-out")
@returns(plus={"signed out": "name or id as given", "session": "the session's id, or all"})
def sign_out(
    session: Session,
    user: User,
    *,
    only: Annotated[str | None, typer.Option("--session", help="Only this one, by its id.")] = None,
) -> None:
    """Sign a person out, everywhere or in one browser.

    Examples: `ultraviolet user sign-out ada`, `ultraviolet user sign-out ada --session 7`
    """
    where = (
        to("/users/{}/sessions", user) if only is None else to("/users/{}/sessions/{}", user, only)
    )
    session.api.delete(where)
    session.show({"signed out": user, "session": only or "all"})


@command(app, "remove")
@returns(plus={"removed": "name or id as given"})
def remove(session: Session, user: User, *, yes: Yes = False) -> None:
    """Remove a person; their sessions end at once.

    Example: `ultraviolet user remove ada`
    """
    session.confirm("Remove this user?", yes=yes)
    session.api.delete(to("/users/{}", user))
    session.show({"removed": user})
