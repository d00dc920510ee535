"""`ultraviolet integration`: the ION environments the hub is connected to."""

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.command_text import command as line
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.text import did_you_mean

if TYPE_CHECKING:
    from ultraviolet.mirror.purge import Kind

app = typer.Typer(
    no_args_is_help=True, help="Connect ION environments: add, list, test, pause, remove."
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
    "chosen": "chosen",
    "in this ION": "offered",
    "objects": "objects",
}
FINDINGS = {
    "found": "found_at",
    "what": "sentence",
    "next step": "next_step",
    "repaired": "repaired_at",
    "resolved": "resolved_at",
}

RETENTION = {
    "kind": "kind",
    "kept for": "kept",
    "would go now": "count",
    "bytes": "bytes",
    "oldest": "oldest",
}
_DAYS_PER_UNIT = {"d": 1, "w": 7, "y": 365}

Days = Annotated[
    str | None, typer.Option(metavar="TIME", help="Such as 90d, 12w, 2y, or for-ever.")
]

Name = Annotated[
    str | None, typer.Argument(help="Name or id; may be left out where there is only one.")
]


class TestFailedError(UltravioletError):
    """The connection to ION does not work yet; see the findings above."""

    kind = "test-failed"
    exit_code = 7


@command(app, "add")
@returns("POST /integrations")
def add(
    session: Session,
    name: Annotated[str, typer.Argument(help="How this ION environment is called here.")],
    *,
    environment: Annotated[
        str | None,
        typer.Option(help="One of ION's environments, such as production; sets both addresses."),
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
        str,
        typer.Option(
            envvar="ION_CLIENT_SECRET",
            prompt=True,
            hide_input=True,
            help="Its secret; asked for where left out.",
        ),
    ],
) -> None:
    """Add an integration. Next: `ultraviolet integration test`, then `ultraviolet setup apply`.

    The secret is asked for, where neither the option nor ION_CLIENT_SECRET has it.

    Examples: `ultraviolet integration add plant-1 --environment production --client-id me`,
    `ultraviolet integration add plant-1 --api-url http://127.0.0.1:8100 --auth-url http://127.0.0.1:8100 --client-id me`
    """
    addresses = _addresses(environment, api_url, auth_url)
    credentials = {"client_id": client_id, "client_secret": client_secret}
    created = session.api.post("/integrations", {"name": name, **addresses, **credentials})
    session.show(created)
    session.say(f"Next: {line('integration test', name)}")


@command(app, "list", watchable=True)
@returns("[GET /integrations]")
def list_(session: Session, *, limit: Annotated[int, typer.Option(min=1)] = 100) -> None:
    """List integrations.

    Examples: `ultraviolet integration list`, `ultraviolet integration list --json`
    """
    items = session.api.items("/integrations", limit)
    session.show_list(items, COLUMNS, "No integration yet. Next: ultraviolet integration add")


@command(app, "show")
@returns("GET /integrations/{integration}")
def show(session: Session, name: Name = None) -> None:
    """Show one integration.

    Example: `ultraviolet integration show plant-1`
    """
    session.show(session.integration(name))


@command(app, "test")
@returns("POST /integrations/{integration}/test")
def check(session: Session, name: Name = None) -> None:
    """Ask ION who the key is and what it may read; exit code 7 where something is wrong.

    Example: `ultraviolet integration test plant-1`
    """
    integration = session.integration(name)
    result = session.api.post(to("/integrations/{}/test", integration["id"]))
    _show_test(session, result)
    if not result["ok"]:
        raise TestFailedError


@command(app, "findings", watchable=True)
@returns("[GET /integrations/{integration}/findings]")
def findings(
    session: Session,
    name: Name = None,
    *,
    standing: Annotated[bool, typer.Option("--standing", help="Only what still stands.")] = False,
    limit: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """List what is or was the matter, what the hub repaired itself, and what to do next.

    Example: `ultraviolet integration findings plant-1 --standing`
    """
    found = session.integration(name)
    items = session.api.items(
        to("/integrations/{}/findings", found["id"]), limit, standing=standing
    )
    session.show_list(items, FINDINGS, "Nothing is the matter.")


@command(app, "resources")
@returns("[GET /integrations/{integration}/resources]")
def resources(
    session: Session,
    name: Name = None,
    *,
    only: Annotated[
        str | None, typer.Option(help="Mirror these and nothing else, by commas.")
    ] = None,
    add: Annotated[str | None, typer.Option(help="Mirror these too.")] = None,
    drop: Annotated[
        str | None, typer.Option(help="Do not follow these any more; they are kept.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Mirror everything.")] = False,
) -> None:
    """List the resources that can be mirrored, or choose others. What is chosen again is read whole at once.

    Examples: `ultraviolet integration resources plant-1`,
    `ultraviolet integration resources plant-1 --drop comments,user_notifications`
    """
    id_ = session.integration(name)["id"]
    path = to("/integrations/{}/resources", id_)
    if only or add or drop or everything:
        listed = list(session.api.items(path, 1000))
        chosen = {one["resource"] for one in listed if one["chosen"]}
        unknown = (_names(add) | _names(drop)) - {one["resource"] for one in listed}
        if unknown:
            near = did_you_mean(min(unknown), [one["resource"] for one in listed])
            raise InvalidError(
                f"{', '.join(sorted(unknown))}: not a resource that is mirrored.{near}"
            )
        chosen = (_names(only) if only else chosen | _names(add)) - _names(drop)
        session.api.patch(
            to("/integrations/{}", id_), {"resources": None if everything else sorted(chosen)}
        )
    session.show_list(session.api.items(path, 1000), RESOURCES, "ION has nothing to mirror.")


@command(app, "pause")
@returns("POST /integrations/{integration}/pause")
def pause(session: Session, name: Name = None) -> None:
    """Stop reading from ION; deliveries are still recorded.

    Example: `ultraviolet integration pause plant-1`
    """
    integration = session.integration(name)
    session.show(session.api.post(to("/integrations/{}/pause", integration["id"])))
    session.say(f"Paused. Next: {line('integration resume', integration['name'])}")


@command(app, "resume")
@returns("POST /integrations/{integration}/resume")
def resume(session: Session, name: Name = None) -> None:
    """Go on after a pause.

    Example: `ultraviolet integration resume plant-1`
    """
    integration = session.integration(name)
    session.show(session.api.post(to("/integrations/{}/resume", integration["id"])))


@command(app, "remove")
@returns(plus={"removed": "name of the integration"})
def remove(
    session: Session,
    name: Annotated[str, typer.Argument(help="Name or id; has to be said.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove an integration with its mirror and history from the hub; ION itself is not touched.

    Example: `ultraviolet integration remove plant-1`
    """
    if not name:
        raise InvalidError("Say which integration to remove.")
    integration = session.integration(name)
    session.confirm(f"Remove “{integration['name']}” with everything kept of it?", yes=yes)
    session.api.delete(to("/integrations/{}", integration["id"]))
    session.show({"removed": integration["name"]})


@command(app, "retention")
@returns("GET /integrations/{integration}/retention")
def retention(session: Session, name: Name = None) -> None:
    """Show how long each kind of the past is kept, what would go now, and what went last.

    Example: `ultraviolet integration retention plant-1`
    """
    found = session.integration(name)
    _show_retention(session, session.api.get(to("/integrations/{}/retention", found["id"])))


@command(app, "edit")
@returns("PATCH /integrations/{integration}/retention")
def edit(
    session: Session,
    name: Name = None,
    *,
    keep_events: Days = None,
    keep_versions: Days = None,
    keep_verifications: Days = None,
    keep_fetches: Days = None,
    keep_drift: Days = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would go, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask where more would go.")] = False,
) -> None:
    """Keep the past of an integration for another time: events with raw bodies, versions, verifications, fetches, drift.

    Example: `ultraviolet integration edit plant-1 --keep-events 90d --keep-versions for-ever --dry-run`
    """
    given = {
        "events": keep_events,
        "versions": keep_versions,
        "verifications": keep_verifications,
        "fetches": keep_fetches,
        "drift": keep_drift,
    }
    changes: Json = {kind: parse_days(value) for kind, value in given.items() if value is not None}
    if not changes:
        raise InvalidError("Say what to keep for another time, such as --keep-events 90d.")
    found = session.integration(name)
    path = to("/integrations/{}/retention", found["id"])
    before = session.api.get(path)
    after = session.api.patch(path, changes, dry_run="true")
    if dry_run:
        _show_retention(session, after)
        session.say("Nothing was changed.")
        return
    more = _kinds_removed(before, after)
    if more:
        what = " and ".join(f"{_count(after['would_remove'][kind])} {kind}" for kind in more)
        session.confirm(f"Remove {what} of “{found['name']}” for good?", yes=yes)
    _show_retention(session, session.api.patch(path, changes))


def _names(given: str | None) -> set[str]:
    return {name.strip() for name in (given or "").split(",") if name.strip()}


def _addresses(environment: str | None, api_url: str | None, auth_url: str | None) -> Json:
    if environment is None:
        if api_url is None or auth_url is None:
            raise InvalidError("Give --environment, or both --api-url and --auth-url.")
        return {"api_url": api_url, "auth_url": auth_url}
    from ultraviolet.hub.integrations.service import PRESETS

    for preset in PRESETS:
        if preset.name == environment:
            return {"api_url": api_url or preset.api_url, "auth_url": auth_url or preset.auth_url}
    names = ", ".join(preset.name for preset in PRESETS)
    near = did_you_mean(environment, [preset.name for preset in PRESETS])
    raise InvalidError(f"ION has no environment “{environment}” here; there are {names}.{near}")


def _show_test(session: Session, result: Json) -> None:
    if session.as_json:
        session.show(result)
        return
    viewer: Json = result.get("viewer") or {}
    session.say(
        f"The key is {viewer.get('name')} <{viewer.get('email')}> of {viewer.get('organization')}."
    )
    session.show_list(iter(result["resources"]), READABLE, "ION offers nothing the hub knows.")
    for finding in result["findings"]:
        session.say(
            f"{finding['severity']}: {finding['message']} {finding.get('next_step') or ''}".rstrip()
        )


def parse_days(given: str) -> int | None:
    """Read how long, in days; None means for ever. Raises InvalidError."""
    if given in ("for-ever", "forever"):
        return None
    if found := re.fullmatch(r"(\d{1,9})([dwy])", given):
        return int(found[1]) * _DAYS_PER_UNIT[found[2]]
    raise InvalidError(f"“{given}” is no time to keep something: say 90d, 12w, 2y or for-ever.")


def _kinds_removed(before: Json, after: Json) -> "list[Kind]":
    from ultraviolet.hub.runtime.retention import Retention

    return msgspec.convert(after, Retention).removes_more_than(msgspec.convert(before, Retention))


def _show_retention(session: Session, kept: Json) -> None:
    if session.as_json:
        session.show(kept)
        return
    rows: list[Json] = [
        {
            "kind": kind,
            "kept": "for ever" if kept["keep"][kind] is None else f"{kept['keep'][kind]} days",
            "count": _count(old),
            "bytes": old["bytes"],
            "oldest": old["oldest"],
        }
        for kind, old in kept["would_remove"].items()
    ]
    session.show_list(iter(rows), RETENTION, "Nothing is kept.")
    session.say(f"History is whole since {kept['history_since'] or 'the beginning'}.")
    if kept["ran_at"]:
        went = ", ".join(f"{count} {kind}" for kind, count in kept["removed"].items()) or "nothing"
        session.say(
            f"The last removal, at {kept['ran_at']}, took {went}; the next is due at {kept['next_run_at']}."
        )
    else:
        session.say("A removal is due and begins within a minute.")


def _count(old: Json) -> str:
    return f"more than {old['count']}" if old["more"] else str(old["count"])
