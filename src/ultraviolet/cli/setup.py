"""`ultraviolet setup`: the receiver and the subscriptions in ION."""

from typing import Annotated

import typer

from ultraviolet.cli import output
from ultraviolet.cli.api import Json
from ultraviolet.cli.integrations import Name
from ultraviolet.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Set webhooks up in ION: plan, apply, text, adopt.")

STEPS = {"step": "name", "done": "done", "detail": "detail"}


@command(app, "plan")
def plan(session: Session, integration: Name = None) -> None:
    """Show what is there in ION, what is missing, and which steps are done; changes nothing."""
    found = session.integration(integration)
    setup = session.api.get(f"/integrations/{found['id']}/setup")
    if session.as_json:
        session.show(setup)
        return
    session.show_list(iter(setup["steps"]), STEPS, "No steps.")
    difference = setup.get("plan")
    if difference:
        _show_plan(session, difference)


@command(app, "apply")
def apply(session: Session, integration: Name = None) -> None:
    """Create or repair the receiver and its subscriptions through ION's API; running it again changes nothing."""
    found = session.integration(integration)
    result = session.api.post(f"/integrations/{found['id']}/setup", {"mode": "automatic"})
    session.show(result)
    session.say("Next: ultraviolet fetch run")


@command(app, "text")
def text(
    session: Session,
    integration: Name = None,
    *,
    webhook_url: Annotated[
        str, typer.Option("--webhook-url", help="The URL from `webhook create`, to fill in.")
    ] = "",
) -> None:
    """Print the GraphQL to paste into ION's query runner: the receiver, then its subscriptions."""
    found = session.integration(integration)
    texts = session.api.get(f"/integrations/{found['id']}/setup")["texts"]
    if session.as_json:
        session.show(texts)
        return
    for heading, content in texts.items():
        typer.echo(f"# {heading.replace('_', ' ')}")
        written = content if isinstance(content, str) else output.as_json(content)
        typer.echo(written.replace(texts.get("placeholder") or "\0", webhook_url) if webhook_url else written)
        typer.echo()
    session.say("Next: ultraviolet setup adopt --receiver ID, with the id ION answered.")


@command(app, "adopt")
def adopt(
    session: Session,
    integration: Name = None,
    *,
    receiver: Annotated[str, typer.Option(help="Id of the receiver made by hand in ION.")],
) -> None:
    """Take over a receiver that was made by hand: read its shared secret, so that signatures are verified."""
    found = session.integration(integration)
    body = {"mode": "by_hand", "receiver_id": receiver}
    session.show(session.api.post(f"/integrations/{found['id']}/setup", body))


def _show_plan(session: Session, difference: Json) -> None:
    for name in ("missing", "inactive", "extra"):
        pairs: list[Json] = difference.get(name) or []
        session.say(f"{name}: {len(pairs)}")
