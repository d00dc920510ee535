"""`ultraviolet integration retention` and `edit`: how long the past of an integration is kept."""

import re
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from ultraviolet.cli.commands.integrations import Name
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session, command
from ultraviolet.errors import InvalidError

if TYPE_CHECKING:
    from ultraviolet.mirror.purge import Kind

COLUMNS = {
    "kind": "kind",
    "kept for": "kept",
    "would go now": "count",
    "bytes": "bytes",
    "oldest": "oldest",
}
_DAYS = {"d": 1, "w": 7, "y": 365}

Days = Annotated[
    str | None, typer.Option(metavar="TIME", help="Such as 90d, 12w, 2y, or for-ever.")
]


def add_to(app: typer.Typer) -> None:
    """Register the commands under `integration`."""
    command(app, "retention")(show)
    command(app, "edit")(edit)


@returns("GET /integrations/{integration}/retention")
def show(session: Session, name: Name = None) -> None:
    """Show how long each kind of the past is kept, what would go now, and what went last.

    Example: `ultraviolet integration retention plant-1`
    """
    found = session.integration(name)
    _show(session, session.api.get(to("/integrations/{}/retention", found["id"])))


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
    changes: Json = {kind: days(value) for kind, value in given.items() if value is not None}
    if not changes:
        raise InvalidError("Say what to keep for another time, such as --keep-events 90d.")
    found = session.integration(name)
    path = to("/integrations/{}/retention", found["id"])
    before = session.api.get(path)
    after = session.api.patch(path, changes, dry_run="true")
    if dry_run:
        _show(session, after)
        session.say("Nothing was changed.")
        return
    more = _more(before, after)
    if more:
        what = " and ".join(f"{_count(after['would_remove'][kind])} {kind}" for kind in more)
        session.confirm(f"Remove {what} of “{found['name']}” for good?", yes=yes)
    _show(session, session.api.patch(path, changes))


def days(given: str) -> int | None:
    """Read how long, in days; None means for ever. Raises InvalidError."""
    if given in ("for-ever", "forever"):
        return None
    if found := re.fullmatch(r"(\d{1,9})([dwy])", given):
        return int(found[1]) * _DAYS[found[2]]
    raise InvalidError(f"“{given}” is no time to keep something: say 90d, 12w, 2y or for-ever.")


def _more(before: Json, after: Json) -> "list[Kind]":
    from ultraviolet.hub.runtime.retention import Retention

    return msgspec.convert(after, Retention).removes_more_than(msgspec.convert(before, Retention))


def _show(session: Session, kept: Json) -> None:
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
    session.show_list(iter(rows), COLUMNS, "Nothing is kept.")
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
