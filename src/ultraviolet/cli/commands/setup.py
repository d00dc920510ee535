"""`ultraviolet setup`: set up the receiver and the subscriptions in ION."""

from typing import Annotated

import typer

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.command_text import command as line
from ultraviolet.errors import UltravioletError

app = typer.Typer(no_args_is_help=True, help="Set up webhooks in ION: plan, apply, text, adopt.")

TEXTS = (
    "receiver_mutation",
    "receiver_variables",
    "subscription_document",
    "subscription_variables",
)
STATES = ("present", "missing", "inactive", "extra")
INCOMPLETE = ("missing", "inactive")
STEPS = {"step": "name", "done": "done", "detail": "detail"}
APPLIED = {
    "receiver": "plan.receiver.id",
    "created": "receiver_created",
    "corrected": "corrected",
    "subscribed": "subscribed",
    "activated": "activated",
    "rejected": "refused",
}

_MAX_NAMED = 10


class SetupRejectedError(UltravioletError):
    """ION rejected a part of the setup; extend the permissions of its key, then apply again."""

    kind = "setup-rejected"
    exit_code = 7


@command(app, "plan", watchable=True)
@returns("GET /integrations/{integration}/setup")
def plan(session: Session, integration: Name = None) -> None:
    """Show the setup steps and the missing subscriptions. Changes nothing.

    Examples: `ultraviolet setup plan plant-1`, `ultraviolet setup plan plant-1 --watch`
    """
    found = session.integration(integration)
    setup = session.api.get(to("/integrations/{}/setup", found["id"]))
    _show_setup(session, setup)


@command(app, "apply")
@returns("POST /integrations/{integration}/setup")
def apply(session: Session, integration: Name = None) -> None:
    """Create or repair the receiver and its subscriptions in ION; safe to run again.

    Exit code 7 if ION rejects a part.

    Example: `ultraviolet setup apply plant-1`
    """
    found = session.integration(integration)
    result = session.api.post(to("/integrations/{}/setup", found["id"]), {"mode": "automatic"})
    session.show(result, APPLIED)
    if result["refused"]:
        incomplete = [
            f"{subscription['resource']} {subscription['action']}"
            for state in INCOMPLETE
            for subscription in result["plan"][state]
        ]
        named = ", ".join(incomplete[:_MAX_NAMED])
        more = f" and {len(incomplete) - _MAX_NAMED} more" if len(incomplete) > _MAX_NAMED else ""
        errors = "; ".join(dict.fromkeys(result["refused"]))
        raise SetupRejectedError(
            f"ION rejected a part of the setup: {errors}. Missing or inactive: {named}{more}."
            f" Next: {line('setup apply', found['name'])}"
        )
    session.say(f"Next: {line('fetch run', found['name'], mode='full')}")


@command(app, "text")
@returns("GET /integrations/{integration}/setup", part="texts")
def text(
    session: Session,
    integration: Name = None,
    *,
    webhook_url: Annotated[
        str | None, typer.Option(help="URL to fill in, from `webhook create`.")
    ] = None,
    receiver: Annotated[
        str | None, typer.Option(help="Receiver id to fill in, from ION's response.")
    ] = None,
) -> None:
    """Print the mutations to paste into ION's query runner: receiver, then subscriptions.

    With --receiver, only the subscriptions of this receiver.

    Examples: `ultraviolet setup text plant-1`, `ultraviolet setup text plant-1 --receiver 12`
    """
    found = session.integration(integration)
    state = session.api.get(to("/integrations/{}/setup", found["id"]))
    texts, plan_ = state["texts"], state["plan"]
    if session.as_json:
        session.show(texts)
        return
    values = {texts["placeholder"]: webhook_url, texts["receiver_placeholder"]: receiver}
    for name in TEXTS[2:] if receiver else TEXTS:
        text = texts[name]
        for placeholder, value in values.items():
            text = text.replace(placeholder, value or placeholder)
        typer.echo(f"# {name.replace('_', ' ')}\n{text}\n")
    if receiver is None:
        session.say("Next, with the id of the receiver from the response of ION:")
    adopted = plan_ and plan_["receiver"] and plan_["receiver"]["id"] == receiver
    following = "setup plan" if adopted else "setup adopt"
    options = {} if adopted else {"receiver": receiver or "ID"}
    session.say(f"Next: {line(following, found['name'], **options)}")


@command(app, "adopt")
@returns("POST /integrations/{integration}/setup")
def adopt(
    session: Session,
    integration: Name = None,
    *,
    receiver: Annotated[str, typer.Option(help="Id of the receiver in ION.")],
) -> None:
    """Adopt a receiver that was created manually: read its secret, to verify signatures.

    Example: `ultraviolet setup adopt plant-1 --receiver 12`
    """
    found = session.integration(integration)
    body = {"mode": "manual", "receiver_id": receiver}
    setup = session.api.post(to("/integrations/{}/setup", found["id"]), body)
    url = setup["webhook_url"]
    session.say(
        f"Adopted receiver {receiver}, which posts to “{url['name']}” (…{url['last_four']})."
    )
    _show_setup(session, setup)


def _show_setup(session: Session, setup: Json) -> None:
    """Print the steps and the counts of subscriptions; with `--json`, everything."""
    if session.as_json:
        session.show(setup)
        return
    session.show_list(iter(setup["steps"]), STEPS, "No steps.")
    if difference := setup.get("plan"):
        counts = (f"{len(difference[state])} {state}" for state in STATES)
        session.say(f"Subscriptions: {', '.join(counts)}")
        for problem in difference["problems"]:
            session.say(problem)
    elif setup["problem"]:
        session.say(setup["problem"])
