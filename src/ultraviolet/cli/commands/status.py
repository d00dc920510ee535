"""`ultraviolet status`, `freshness` and `drift`: the state of the hub and its mirror."""

from typing import Annotated, Literal

import typer

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.findings import next_step
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import TIME_HELP, parse_time
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.errors import HubUnreachableError, UltravioletError
from ultraviolet.text import counted

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
    "cause": "label",
    "corrections": "count",
    "share": "share",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "read by": "healed_by",
    "meaning": "meaning",
}
_UNDERSTOOD = {
    "resource": "resource",
    "understood from the event": "label",
    "changes": "count",
    "share": "share",
    "p50 s": "p50_seconds",
    "p99 s": "p99_seconds",
    "meaning": "meaning",
}
_UNHEALTHY = frozenset(("stale", "failing"))
"""States of an integration that need attention."""
_READERS = {"heal": "targeted read", "verify": "verification"}
OVER_TIME = {"time": "at", "changes": "changes", "corrections": "wrong", "causes": "causes"}


class UnhealthyError(UltravioletError):
    """An integration is stale or failing; follow the next step of its status."""

    kind = "unhealthy"
    exit_code = 10


@command(app, "status", watchable=True)
@returns("GET /status")
def status(session: Session) -> None:
    """Show the status of the hub and its integrations.

    Exit code 0 if no integration is stale or failing, 10 if one is, 6 if the hub does not run or
    does not respond. A paused integration, or one before its first sync, does not change the code.

    Examples: `ultraviolet status`, `ultraviolet status --watch`, `ultraviolet status --json`
    """
    state = session.api.get("/status")
    integrations, problem = state["integrations"], state["problem"]
    if session.as_json:
        session.show(state)
    else:
        session.show({name: state[name] for name in ("version", "public_url")})
        session.show_list(
            iter(integrations),
            STATUS,
            "No integrations yet. Next: ultraviolet integration add --help",
        )
    if session.is_repeated:
        if problem and not session.as_json:
            session.say(problem)
        return
    if problem:
        raise HubUnreachableError(problem)
    unhealthy = [one["name"] for one in integrations if one["state"] in _UNHEALTHY]
    if unhealthy:
        raise UnhealthyError(
            f"Stale or failing: {', '.join(unhealthy)}. Follow the next step in the status,"
            " or run `ultraviolet doctor`."
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
    resource: Annotated[str | None, typer.Option(help="Only corrections of this resource.")] = None,
    cause: Annotated[
        str | None, typer.Option(help="Only corrections with this cause, such as no_event_sent.")
    ] = None,
    since: Annotated[str, typer.Option(help=TIME_HELP)] = "7d",
    until: Annotated[str | None, typer.Option(help=TIME_HELP)] = None,
    by: Annotated[Literal["hour", "day"], typer.Option(help="Interval of the counts.")] = "day",
) -> None:
    """Show the corrections of what webhooks alone would have left wrong, by resource and cause.

    A second table counts the changes that an event contained, late or in a form that is often not
    understood. They are not corrections.

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
    causes = (_row(name, row) for name, one in reports for row in one["causes"])
    session.show_list(
        causes, with_integration(CAUSES, each), "No corrections: webhooks reported every change."
    )
    understood = [_row(name, row) for name, one in reports for row in one["understood"]]
    if understood:
        session.show_list(iter(understood), with_integration(_UNDERSTOOD, each), "")
    over_time = (
        {
            "integration": name,
            **row,
            "wrong": sum(row["causes"].values()),
            "causes": _counts({str(labels[name]): n for name, n in row["causes"].items()}),
        }
        for name, one in reports
        for labels in [{row["cause"]: row["label"] for row in one["causes"]}]
        for row in one["over_time"]
    )
    session.show_list(over_time, with_integration(OVER_TIME, each), "No changes in that time.")
    wrong, objects, changes = (
        sum(one[name] for _, one in reports) for name in ("wrong", "objects", "changes")
    )
    session.say(
        f"{counted(wrong, 'correction')} of {counted(objects, 'object')}, among"
        f" {counted(changes, 'change')}; --json adds the latest corrections."
    )


def _row(integration: str, row: Json) -> Json:
    """Return a row of a table of causes, with names and a percentage for people."""
    readers = {str(_READERS.get(kind, kind)): n for kind, n in row["healed_by"].items()}
    share = f"{100 * row['share']:.1f} %"
    return {"integration": integration, **row, "share": share, "healed_by": _counts(readers)}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items()) or "–"
