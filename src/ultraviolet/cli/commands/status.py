"""`ultraviolet status`, `freshness` and `drift`: the state of the hub and its mirror."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.support.api import to
from ultraviolet.cli.support.findings import next_step
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import TIME_HELP, parse_time
from ultraviolet.cli.support.session import Session, command, with_integration

app = typer.Typer()

STATUS = {"integration": "name", "status": "sentence"}
FRESHNESS = {
    "resource": "resource",
    "state": "state",
    "stale": "stale",
    "proven": "proven_at",
    "by": "proven_by",
    "changes": "changes",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "finding": "finding.message",
}
CAUSES = {
    "resource": "resource",
    "cause": "cause",
    "count": "count",
    "share": "share",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "healed by": "healed_by",
    "meaning": "meaning",
}
OVER_TIME = {"time": "at", "changes": "changes", "drift": "wrong", "causes": "causes"}


@command(app, "status", watchable=True)
@returns("GET /status")
def status(session: Session) -> None:
    """Show the status of the hub and its integrations.

    Examples: `ultraviolet status`, `ultraviolet status --watch`, `ultraviolet status --json`
    """
    state = session.api.get("/status")
    if session.as_json:
        session.show(state)
        return
    integrations = state.pop("integrations", [])
    problem = state.pop("problem", None)
    session.show(state)
    if problem:
        session.say(problem)
    session.show_list(
        iter(integrations), STATUS, "No integrations yet. Next: ultraviolet integration add"
    )


@command(app, "freshness", watchable=True)
@returns("GET /integrations/{integration}/freshness")
def freshness(session: Session, integration: Name = None) -> None:
    """Show per resource when the mirror was last proven, by what, and the latency of changes.

    With --json, one integration.

    Examples: `ultraviolet freshness plant-1`, `ultraviolet freshness --watch`
    """
    if session.as_json:
        found = session.integration(integration)
        session.show(session.api.get(to("/integrations/{}/freshness", found["id"])))
        return
    each = session.integrations(integration)
    reports = [
        (one["name"], session.api.get(to("/integrations/{}/freshness", one["id"]))) for one in each
    ]
    rows = [{"integration": name, **row} for name, one in reports for row in one["resources"]]
    session.show_list(iter(rows), with_integration(FRESHNESS, each), "No resources yet.")
    for name, report in reports:
        session.say(f"{name}: {report['sentence']}" if len(each) > 1 else report["sentence"])
        for finding in report["findings"]:
            session.say(f"- {finding['message']}. Next: {next_step(finding, name)}")


@command(app, "drift", watchable=True)
@returns("GET /integrations/{integration}/drift")
def drift(
    session: Session,
    integration: Name = None,
    *,
    resource: Annotated[str | None, typer.Option(help="Only drift of this resource.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only drift with this cause, such as no_event_sent.")
    ] = None,
    since: Annotated[str, typer.Option(help=TIME_HELP)] = "7d",
    until: Annotated[str | None, typer.Option(help=TIME_HELP)] = None,
    by: Annotated[Literal["hour", "day"], typer.Option(help="Interval of the counts.")] = "day",
) -> None:
    """Show the differences that webhooks alone would have left, by resource, cause and time.

    With --json, one integration.

    Examples: `ultraviolet drift`,
    `ultraviolet drift plant-1 --since 6h --by hour --cause no_event_sent`
    """
    query = {
        "resource": resource,
        "cause": cause,
        "since": parse_time(since),
        "until": parse_time(until),
        "by": by,
    }
    if session.as_json:
        found = session.integration(integration)
        session.show(session.api.get(to("/integrations/{}/drift", found["id"]), **query))
        return
    each = session.integrations(integration)
    reports = [
        (one["name"], session.api.get(to("/integrations/{}/drift", one["id"]), **query))
        for one in each
    ]
    causes = ({"integration": name, **row} for name, one in reports for row in one["causes"])
    session.show_list(
        causes, with_integration(CAUSES, each), "No drift: webhooks reported every change."
    )
    over_time = (
        {"integration": name, **row, "wrong": sum(row["causes"].values())}
        for name, one in reports
        for row in one["over_time"]
    )
    session.show_list(over_time, with_integration(OVER_TIME, each), "No changes in that time.")
    wrong, changes = (sum(one[name] for _, one in reports) for name in ("wrong", "changes"))
    session.say(f"{wrong} of {changes} changes; --json adds samples.")
