"""`ultraviolet status`, `freshness` and `drift`: can the mirror be trusted, and what do webhooks alone leave wrong."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.commands.integrations import Name
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import HELP, parse_time
from ultraviolet.cli.support.session import Session, command

app = typer.Typer()

STATUS = {"integration": "name", "state": "state", "freshness": "sentence"}
FRESHNESS = {
    "resource": "resource",
    "state": "state",
    "stale": "stale",
    "proven": "proven_at",
    "by": "proven_by",
    "changes": "changes",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "why": "cause.says",
}
CAUSES = {
    "resource": "resource",
    "cause": "cause",
    "count": "count",
    "share": "share",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "healed by": "healed_by",
}
OVER_TIME = {"time": "at", "changes": "changes", "wrong": "wrong", "causes": "causes"}


@command(app, "status", watchable=True)
@returns("GET /status")
def status(session: Session) -> None:
    """Show how the hub and its integrations are doing.

    Examples: `ultraviolet status`, `ultraviolet status --watch`, `ultraviolet status --json`
    """
    state = session.api.get("/status")
    if session.as_json:
        session.show(state)
        return
    integrations = state.pop("integrations", [])
    session.show(state)
    session.show_list(
        iter(integrations), STATUS, "No integration yet. Next: ultraviolet integration add"
    )


@command(app, "freshness", watchable=True)
@returns("GET /integrations/{integration}/freshness")
def freshness(session: Session, integration: Name = None) -> None:
    """Show whether the mirror can be trusted now, why not, and for each resource what proved it and how late changes come.

    Examples: `ultraviolet freshness plant-1`, `ultraviolet freshness --watch`
    """
    found = session.integration(integration)
    judged = session.api.get(to("/integrations/{}/freshness", found["id"]))
    if session.as_json:
        session.show(judged)
        return
    session.show_list(iter(judged["resources"]), FRESHNESS, "Nothing was read yet.")
    session.say(judged["sentence"])
    for cause in judged["causes"]:
        session.say(f"- {cause['says']}. Next: {cause['next_step']}")


@command(app, "drift", watchable=True)
@returns("GET /integrations/{integration}/drift")
def drift(
    session: Session,
    integration: Name = None,
    *,
    resource: Annotated[str | None, typer.Option(help="Only of this resource.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only of this cause, such as no_event_sent.")
    ] = None,
    since: Annotated[str, typer.Option(help=HELP)] = "7d",
    until: Annotated[str | None, typer.Option(help=HELP)] = None,
    by: Annotated[Literal["hour", "day"], typer.Option(help="How time is divided.")] = "day",
) -> None:
    """Show what webhooks alone would have left wrong: by resource and cause, how much, how long, what healed it.

    Examples: `ultraviolet drift`, `ultraviolet drift plant-1 --since 6h --by hour --cause no_event_sent`
    """
    found = session.integration(integration)
    report = session.api.get(
        to("/integrations/{}/drift", found["id"]),
        resource=resource,
        cause=cause,
        since=parse_time(since),
        until=parse_time(until),
        by=by,
    )
    if session.as_json:
        session.show(report)
        return
    session.show_list(
        iter(report["causes"]), CAUSES, "Webhooks alone would have left nothing wrong."
    )
    session.show_list(
        map(_with_sum, report["over_time"]), OVER_TIME, "Nothing changed in that time."
    )
    session.say(f"{report['wrong']} of {report['changes']} changes; --json has samples.")


def _with_sum(one: Json) -> Json:
    return {**one, "wrong": sum(one["causes"].values())}
