"""`ultraviolet integration`: the connections to ION environments."""

import os
import re
from typing import Annotated

import msgspec
import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.findings import next_step
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.text import did_you_mean

app = typer.Typer(
    no_args_is_help=True, help="Connections to ION: add, list, test, pause, edit, remove."
)

COLUMNS = {
    "id": "id",
    "name": "name",
    "paused": "paused",
    "API": "api_url",
    "client id": "client_id",
}
READABLE = {"resource": "resource", "readable": "readable", "objects": "count", "reason": "reason"}
RESOURCES = {
    "domain": "domain",
    "resource": "resource",
    "selected": "chosen",
    "in this ION": "offered",
    "objects": "objects",
}
FINDINGS = {
    "found": "found_at",
    "finding": "message",
    "next step": "next_step",
    "repaired": "repaired_at",
    "resolved": "resolved_at",
}

SHOWN = {
    "ID": "id",
    "name": "name",
    "API URL": "api_url",
    "auth URL": "auth_url",
    "client ID": "client_id",
    "paused": "paused",
    "incremental_schedule": "incremental_schedule",
    "full_schedule": "full_schedule",
    "requests_per_second": "requests_per_second",
    "selected resources": "resources",
    "connected": "test_result.ok",
    "tested at": "test_result.tested_at",
    "ION user": "test_result.viewer.name",
}
"""What people see of an integration; `integration test` and `findings` show the rest."""
RETENTION = {
    "kind": "kind",
    "keep": "kept",
    "eligible for deletion": "count",
    "bytes": "bytes",
    "oldest": "oldest",
}
_DAYS_PER_UNIT = {"d": 1, "w": 7, "y": 365}

_PROMPT = "-"

Days = Annotated[str | None, typer.Option(metavar="TIME", help="90d, 12w, 2y, or forever.")]


class TestFailedError(UltravioletError):
    """The connection test failed; see the findings above."""

    kind = "test-failed"
    exit_code = 7


@command(app, "add")
@returns("POST /integrations")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name of this connection.")],
    *,
    environment: Annotated[
        str | None,
        typer.Option(help="An ION environment, such as production; sets both addresses."),
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(envvar="ION_API_URI", help="Address of ION's API.")
    ] = None,
    auth_url: Annotated[
        str | None, typer.Option(envvar="ION_AUTH_SERVER", help="Address of ION's sign-in.")
    ] = None,
    client_id: Annotated[
        str, typer.Option(envvar="ION_CLIENT_ID", help="Client id of an ION API key.")
    ],
    client_secret: Annotated[
        str | None,
        typer.Option(envvar="ION_CLIENT_SECRET", help="Client secret; prompted for if omitted."),
    ] = None,
    test: Annotated[
        bool, typer.Option(help="Test the credentials first; save nothing if ION rejects them.")
    ] = True,
) -> None:
    """Test the credentials and add an integration. Next: `ultraviolet setup apply`.

    Without --client-secret and ION_CLIENT_SECRET, the command prompts for the secret.

    Examples: `ultraviolet integration add plant-1 --environment production --client-id me`,
    `ultraviolet integration add plant-1 --api-url http://127.0.0.1:8100
    --auth-url http://127.0.0.1:8100 --client-id me`
    """
    addresses = _addresses(environment, api_url, auth_url)
    if client_secret is None:
        client_secret = str(typer.prompt("Client secret", hide_input=True, err=True))
    credentials = {"client_id": client_id, "client_secret": client_secret}
    body = {"name": name, **addresses, **credentials}
    created = session.api.post("/integrations", body, test=str(test).lower())
    session.show(created, SHOWN)
    if not test:
        session.say(f"The credentials were not tested. Next: {line('integration test', name)}")
        return
    result = created["test_result"]
    readable = sum(one["readable"] for one in result["resources"])
    viewer: Json = result.get("viewer") or {}
    user = viewer.get("name") or created["client_id"]
    session.say(
        f"Tested: ION accepts the credentials of {user};"
        f" {readable} of {len(result['resources'])} resources are readable."
    )
    session.say(f"Next: {line('setup apply', name)}")


@command(app, "list", watchable=True)
@returns("[GET /integrations]")
def list_(session: Session, *, limit: Annotated[int, typer.Option(min=1)] = 100) -> None:
    """List integrations.

    Examples: `ultraviolet integration list`, `ultraviolet integration list --json`
    """
    items = session.api.items("/integrations", limit)
    session.show_list(
        items, COLUMNS, "No integrations yet. Next: ultraviolet integration add --help"
    )


@command(app, "show")
@returns("GET /integrations/{integration}")
def show(session: Session, name: Name = None) -> None:
    """Show one integration.

    Example: `ultraviolet integration show plant-1`
    """
    session.show(session.integration(name), SHOWN)


@command(app, "test")
@returns("POST /integrations/{integration}/test")
def check(session: Session, name: Name = None) -> None:
    """Test the connection to ION and the permissions of the key; exit code 7 if it fails.

    Example: `ultraviolet integration test plant-1`
    """
    integration = session.integration(name)
    result = session.api.post(to("/integrations/{}/test", integration["id"]))
    if session.as_json:
        session.show(result)
    else:
        if viewer := result.get("viewer"):
            email = f" <{viewer['email']}>" if viewer.get("email") else ""
            said = [f"{viewer.get('name')}{email}", viewer.get("organization")]
            session.say(f"ION user: {', '.join(str(part) for part in said if part)}.")
        session.show_list(iter(result["resources"]), READABLE, "ION offers no known resources.")
        for finding in result["findings"]:
            step = next_step(finding, integration["name"])
            session.say(f"{finding['severity']}: {finding['message']}. {step}")
    if not result["ok"]:
        raise TestFailedError


@command(app, "findings", watchable=True)
@returns(
    "[GET /integrations/{integration}/findings]",
    plus={"integration": "name of the integration, in a list of several"},
)
def findings(
    session: Session,
    name: Name = None,
    *,
    only_open: Annotated[bool, typer.Option("--open", help="Only open findings.")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """List the problems of integrations, with automatic repairs and next steps.

    Examples: `ultraviolet integration findings --open`,
    `ultraviolet integration findings plant-1`
    """
    found = session.integrations(name)
    items = session.list_of_each(
        found, "/integrations/{}/findings", limit, "found_at", open=only_open
    )
    if not session.as_json:
        items = (
            {**one, "next_step": next_step(one, one.get("integration", found[0]["name"]))}
            for one in items
        )
    session.show_list(items, with_integration(FINDINGS, found), "No findings.")


@command(app, "resources")
@returns("[GET /integrations/{integration}/resources]")
def resources(
    session: Session,
    name: Name = None,
    *,
    only: Annotated[
        str | None, typer.Option(help="Mirror only these resources, comma separated.")
    ] = None,
    add: Annotated[str | None, typer.Option(help="Also mirror these resources.")] = None,
    drop: Annotated[
        str | None, typer.Option(help="Stop syncing these resources; their history is kept.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Mirror all resources.")] = False,
) -> None:
    """List the resources of ION, or select those to mirror.

    Deselected resources keep their history but stop syncing. Re-selecting triggers a full sync.

    Examples: `ultraviolet integration resources plant-1`,
    `ultraviolet integration resources plant-1 --drop comments,user_notifications`
    """
    id_ = session.integration(name)["id"]
    path = to("/integrations/{}/resources", id_)
    if only or add or drop or everything:
        listed = list(session.api.items(path, 1000))
        selected = {one["resource"] for one in listed if one["chosen"]}
        unknown = (_split(add) | _split(drop)) - {one["resource"] for one in listed}
        if unknown:
            hint = did_you_mean(min(unknown), [one["resource"] for one in listed])
            raise InvalidError(f"Unknown resource: {', '.join(sorted(unknown))}.{hint}")
        selected = (_split(only) if only else selected | _split(add)) - _split(drop)
        session.api.patch(
            to("/integrations/{}", id_), {"resources": None if everything else sorted(selected)}
        )
    session.show_list(session.api.items(path, 1000), RESOURCES, "ION offers no known resources.")


@command(app, "pause")
@returns("POST /integrations/{integration}/pause")
def pause(session: Session, name: Name = None) -> None:
    """Pause reading from ION; deliveries are still recorded.

    Example: `ultraviolet integration pause plant-1`
    """
    integration = session.integration(name)
    session.show(session.api.post(to("/integrations/{}/pause", integration["id"])), SHOWN)
    session.say(f"Paused. Next: {line('integration resume', integration['name'])}")


@command(app, "resume")
@returns("POST /integrations/{integration}/resume")
def resume(session: Session, name: Name = None) -> None:
    """Resume a paused integration.

    Example: `ultraviolet integration resume plant-1`
    """
    integration = session.integration(name)
    session.show(session.api.post(to("/integrations/{}/resume", integration["id"])), SHOWN)


@command(app, "remove")
@returns(plus={"removed": "name of the integration"})
def remove(
    session: Session,
    name: Name = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete an integration with its objects, history and events. ION itself is not changed.

    Example: `ultraviolet integration remove plant-1`
    """
    if not name:
        raise InvalidError("Specify the integration to remove, by its name or id.")
    integration = session.integration(name)
    session.confirm(
        f"Permanently delete “{integration['name']}” with its objects, history and events?", yes=yes
    )
    session.api.delete(to("/integrations/{}", integration["id"]))
    session.show({"removed": integration["name"]})


@command(app, "retention")
@returns("GET /integrations/{integration}/retention")
def retention(session: Session, name: Name = None) -> None:
    """Show retention periods, the data eligible for deletion, and the last deletion.

    Example: `ultraviolet integration retention plant-1`
    """
    found = session.integration(name)
    _show_retention(session, session.api.get(to("/integrations/{}/retention", found["id"])))


@command(app, "edit")
@returns("PATCH /integrations/{integration}", "PATCH /integrations/{integration}/retention")
def edit(
    session: Session,
    name: Name = None,
    *,
    keep_events: Days = None,
    keep_versions: Days = None,
    keep_verifications: Days = None,
    keep_fetches: Days = None,
    keep_drift: Days = None,
    client_id: Annotated[
        str | None, typer.Option(help="Client id of another ION API key; also needs its secret.")
    ] = None,
    client_secret: Annotated[
        str | None,
        typer.Option(
            help="Its client secret, or - for a prompt. Default with --client-id:"
            " ION_CLIENT_SECRET, else a prompt."
        ),
    ] = None,
    api_url: Annotated[str | None, typer.Option(help="Address of ION's API.")] = None,
    auth_url: Annotated[str | None, typer.Option(help="Address of ION's sign-in.")] = None,
    test: Annotated[
        bool, typer.Option(help="Test the connection first; save nothing if ION rejects it.")
    ] = True,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show the data eligible for deletion, and change nothing."),
    ] = False,
    yes: Annotated[
        bool,
        typer.Option("--yes", help="Do not ask for confirmation if more data would be deleted."),
    ] = False,
) -> None:
    """Change the credentials or addresses of ION, or how long each kind of data is kept.

    Events are kept with raw bodies.

    Examples: `ultraviolet integration edit plant-1 --client-id me`,
    `ultraviolet integration edit plant-1 --keep-events 90d --dry-run`,
    `ultraviolet integration edit plant-1 --keep-versions forever`
    """
    from ultraviolet.hub.runtime.retention import Retention

    periods = {
        "events": keep_events,
        "versions": keep_versions,
        "verifications": keep_verifications,
        "fetches": keep_fetches,
        "drift": keep_drift,
    }
    changes: Json = {
        kind: parse_days(value) for kind, value in periods.items() if value is not None
    }
    if client_id is not None and client_secret is None:
        client_secret = os.environ.get("ION_CLIENT_SECRET", _PROMPT)
    if client_secret == _PROMPT:
        client_secret = str(typer.prompt("Client secret", hide_input=True, err=True))
    connection: Json = {
        field: value
        for field, value in {
            "client_id": client_id,
            "client_secret": client_secret,
            "api_url": api_url,
            "auth_url": auth_url,
        }.items()
        if value is not None
    }
    if bool(changes) == bool(connection):
        raise InvalidError(
            "Specify either the connection, such as --client-id, or retention periods, such as"
            " --keep-events 90d."
        )
    if connection and dry_run:
        raise InvalidError("--dry-run is for retention periods. Nothing was changed.")
    found = session.integration(name)
    if connection:
        path = to("/integrations/{}", found["id"])
        session.show(session.api.patch(path, connection, test=str(test).lower()), SHOWN)
        outcome = "ION accepts the credentials" if test else "The connection was not tested"
        session.say(f"Saved. {outcome}. Next: {line('fetch run', found['name'])}")
        return
    path = to("/integrations/{}/retention", found["id"])
    before = session.api.get(path)
    after = session.api.patch(path, changes, dry_run="true")
    if dry_run:
        _show_retention(session, after)
        session.say("Dry run: nothing was changed.")
        return
    was, is_ = (msgspec.convert(state, Retention) for state in (before, after))
    if kinds := is_.removes_more_than(was):
        data = " and ".join(f"{_count(after['would_remove'][kind])} {kind}" for kind in kinds)
        session.confirm(f"Permanently delete {data} of “{found['name']}”?", yes=yes)
    _show_retention(session, session.api.patch(path, changes))


def _split(names: str | None) -> set[str]:
    return {name.strip() for name in (names or "").split(",") if name.strip()}


def _addresses(environment: str | None, api_url: str | None, auth_url: str | None) -> Json:
    if environment is None:
        if api_url is None or auth_url is None:
            raise InvalidError("Specify --environment, or both --api-url and --auth-url.")
        return {"api_url": api_url, "auth_url": auth_url}
    from ultraviolet.hub.integrations.models import PRESETS

    for preset in PRESETS:
        if preset.name == environment:
            return {"api_url": api_url or preset.api_url, "auth_url": auth_url or preset.auth_url}
    names = ", ".join(preset.name for preset in PRESETS)
    hint = did_you_mean(environment, [preset.name for preset in PRESETS])
    raise InvalidError(f"Unknown environment “{environment}”. Available: {names}.{hint}")


def parse_days(period: str) -> int | None:
    """Return a retention period in days, None for `forever`. Raise InvalidError."""
    if period == "forever":
        return None
    if found := re.fullmatch(r"(\d{1,9})([dwy])", period):
        return int(found[1]) * _DAYS_PER_UNIT[found[2]]
    raise InvalidError(f"“{period}” is not a valid period. Use 90d, 12w, 2y or forever.")


def _show_retention(session: Session, state: Json) -> None:
    if session.as_json:
        session.show(state)
        return
    rows: list[Json] = [
        {
            "kind": kind,
            "kept": "forever" if state["keep"][kind] is None else f"{state['keep'][kind]} days",
            "count": _count(removable),
            "bytes": removable["bytes"],
            "oldest": removable["oldest"],
        }
        for kind, removable in state["would_remove"].items()
    ]
    session.show_list(iter(rows), RETENTION, "No data yet.")
    since = state["history_since"]
    session.say(f"History is complete since {output.as_text(since) if since else 'the beginning'}.")
    if state["ran_at"]:
        removed = ", ".join(f"{count} {kind}" for kind, count in state["removed"].items())
        session.say(
            f"Last deletion at {output.as_text(state['ran_at'])}: {removed or 'nothing'}."
            f" Next deletion at {output.as_text(state['next_run_at'])}."
        )
    else:
        session.say("The first deletion starts within a minute.")


def _count(removable: Json) -> str:
    return f"more than {removable['count']}" if removable["more"] else str(removable["count"])
