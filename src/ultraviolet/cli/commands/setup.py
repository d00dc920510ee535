"""`ultraviolet setup`: the receiver and the subscriptions in ION."""

from typing import Annotated

import typer

from ultraviolet.cli.commands.integrations import Name
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.errors import UltravioletError

app = typer.Typer(no_args_is_help=True, help="Set webhooks up in ION: plan, apply, text, adopt.")

PARTS = (
    "receiver_mutation",
    "receiver_variables",
    "subscription_document",
    "subscription_variables",
)
AMISS = ("missing", "inactive")
STEPS = {"step": "name", "done": "done", "detail": "detail"}
APPLIED = {
    "receiver": "plan.receiver.id",
    "created": "receiver_created",
    "subscribed": "subscribed",
    "activated": "activated",
    "refused": "refused",
}

_MOST_NAMED = 10


class SetupRejectedError(UltravioletError):
    """ION refused a part of the set-up; let its key do that, then run `ultraviolet setup apply` again."""

    kind = "set-up-refused"
    exit_code = 7


@command(app, "plan", watchable=True)
@returns("GET /integrations/{integration}/setup")
def plan(session: Session, integration: Name = None) -> None:
    """Show what is there in ION, what is missing, and which steps are done; changes nothing.

    Examples: `ultraviolet setup plan plant-1`, `ultraviolet setup plan plant-1 --watch`
    """
    found = session.integration(integration)
    setup = session.api.get(to("/integrations/{}/setup", found["id"]))
    if session.as_json:
        session.show(setup)
        return
    session.show_list(iter(setup["steps"]), STEPS, "No steps.")
    difference = setup.get("plan")
    if difference:
        _show_plan(session, difference)


@command(app, "apply")
@returns("POST /integrations/{integration}/setup")
def apply(session: Session, integration: Name = None) -> None:
    """Create or repair the receiver and its subscriptions through ION's API; running it again changes nothing.

    Exit code 7 where ION refused something.

    Example: `ultraviolet setup apply plant-1`
    """
    found = session.integration(integration)
    result = session.api.post(to("/integrations/{}/setup", found["id"]), {"mode": "automatic"})
    session.show(result, APPLIED)
    if result["refused"]:
        raise SetupRejectedError(_refused(result))
    session.say("Next: ultraviolet fetch run --mode full")


@command(app, "text")
@returns("GET /integrations/{integration}/setup", part="texts")
def text(
    session: Session,
    integration: Name = None,
    *,
    webhook_url: Annotated[
        str | None, typer.Option(help="The URL from `webhook create`, to be filled in.")
    ] = None,
    receiver: Annotated[
        str | None, typer.Option(help="The receiver's id that ION answered, to be filled in.")
    ] = None,
) -> None:
    """Print what to paste into ION's query runner: the receiver, then its subscriptions.

    Examples: `ultraviolet setup text plant-1`, `ultraviolet setup text plant-1 --receiver 12`
    """
    found = session.integration(integration)
    texts = session.api.get(to("/integrations/{}/setup", found["id"]))["texts"]
    if session.as_json:
        session.show(texts)
        return
    filled = {texts["placeholder"]: webhook_url, texts["receiver_placeholder"]: receiver}
    for part in PARTS:
        typer.echo(f"# {part.replace('_', ' ')}\n{_fill(texts[part], filled)}\n")
    session.say("Next: ultraviolet setup adopt --receiver ID, with the id ION answered.")


@command(app, "adopt")
@returns("POST /integrations/{integration}/setup")
def adopt(
    session: Session,
    integration: Name = None,
    *,
    receiver: Annotated[str, typer.Option(help="Id of the receiver made by hand in ION.")],
) -> None:
    """Take over a receiver that was made by hand: read its shared secret, so that signatures are verified.

    Example: `ultraviolet setup adopt plant-1 --receiver 12`
    """
    found = session.integration(integration)
    body = {"mode": "manual", "receiver_id": receiver}
    session.show(session.api.post(to("/integrations/{}/setup", found["id"]), body))


def _refused(result: Json) -> str:
    """Say what is not as it should be now, and what ION said to that."""
    amiss = [f"{one['resource']} {one['action']}" for name in AMISS for one in result["plan"][name]]
    named = ", ".join(amiss[:_MOST_NAMED])
    more = f" and {len(amiss) - _MOST_NAMED} more" if len(amiss) > _MOST_NAMED else ""
    why = "; ".join(dict.fromkeys(result["refused"]))
    return f"ION refused a part of the set-up: {why}. Not as it should be: {named}{more}. Next: ultraviolet setup apply"


def _fill(text: str, filled: dict[str, str | None]) -> str:
    for placeholder, value in filled.items():
        text = text.replace(placeholder, value or placeholder)
    return text


def _show_plan(session: Session, difference: Json) -> None:
    counts = {name: len(difference[name]) for name in ("present", "missing", "inactive", "extra")}
    session.say("Subscriptions: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    problems: list[str] = difference["problems"]
    for problem in problems:
        session.say(problem)
