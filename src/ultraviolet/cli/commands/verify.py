"""`ultraviolet verify`: compare the mirror with ION, object by object and field by field."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.integration_argument import Name
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.progress import follow
from ultraviolet.cli.support.resource_argument import resource_name
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line
from ultraviolet.errors import UltravioletError

KINDS = {
    "missing": "in ION, but not in the mirror",
    "extra": "in the mirror, but not in ION",
    "different": "with other values in the mirror than in ION",
    "displayed": "with other values in the SQL view than in the mirror",
    "invalid": "with values that do not fit the type of their field",
}
"""The kinds of differences, in words."""
RESULT = {
    "state": "state",
    "objects compared": "objects",
    "equal": "equal",
    **{f"{kind}: {words}": kind for kind, words in KINDS.items()},
    "unsettled: changed during each comparison": "unsettled",
    "error": "error",
}
COLUMNS = {
    **{
        name: name
        for name in ("id", "state", "objects", "equal", "missing", "extra", "different", "sample")
    },
    "started": "started_at",
    "finished": "finished_at",
}
DIFFERENCES = {
    "resource": "resource",
    "object": "id",
    "kind": "kind",
    "field": "field",
    "ION": "ion",
    "mirror": "mirror",
    "note": "detail",
}

Number = Annotated[
    int, typer.Argument(help="Number of a verification, from `ultraviolet verify list`.")
]


class DifferencesFoundError(UltravioletError):
    """The mirror and ION differ; the hub is reading the objects again, so verify once more."""

    kind = "different"
    exit_code = 9


class VerifyFailedError(UltravioletError):
    """ION could not be read completely; `ultraviolet verify resume` continues."""

    kind = "verify-failed"
    exit_code = 8


class _RunByDefault(TyperGroup):
    """Read `ultraviolet verify plant-1` as `ultraviolet verify run plant-1`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = args[0] if args else None
        is_command = first in self.commands or first in ("-h", "--help")
        return super().parse_args(ctx, args if is_command else ["run", *args])


app = typer.Typer(
    cls=_RunByDefault,
    help="Compare mirror and ION, every object and field: run (the default), list, show, resume.",
)


@command(app, "run")
@returns("GET /verifications/{verification_id}")
def run(
    session: Session,
    integration: Name = None,
    *,
    sample: Annotated[
        int | None,
        typer.Option(min=1, help="Approximate size of a random sample; default: all objects."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the end and show the progress.")] = True,
    strict: Annotated[bool, typer.Option(help="Exit with code 9 if there are differences.")] = True,
) -> None:
    """Compare mirror and ION object by object. Objects that change during the run are re-checked.

    Examples: `ultraviolet verify`, `ultraviolet verify plant-1 --sample 5000`,
    `ultraviolet verify run --no-wait`
    """
    found = session.integration(integration)
    session.say(f"Comparing “{found['name']}” with ION …")
    report = session.api.post(
        to("/integrations/{}/verifications", found["id"]), wait=False, sample=sample
    )
    _report(session, report, wait=wait, strict=strict)


@command(app, "list", watchable=True)
@returns(
    "[GET /integrations/{integration}/verifications]",
    plus={"integration": "name of the integration, in a list of several"},
)
def list_(
    session: Session, integration: Name = None, *, limit: Annotated[int, typer.Option(min=1)] = 20
) -> None:
    """List verifications, newest first.

    Example: `ultraviolet verify list plant-1`
    """
    found = session.integrations(integration)
    items = session.list_of_each(found, "/integrations/{}/verifications", limit, "id")
    next_step = line("verify", *(one["name"] for one in found[:1]))
    rows = list(items)
    session.show_list(
        iter(rows), with_integration(COLUMNS, found), f"No verifications yet. Next: {next_step}"
    )
    if any(row[kind] for row in rows for kind in KINDS):
        session.say(
            "; ".join(f"{kind}: {words}" for kind, words in KINDS.items() if kind in COLUMNS)
        )


@command(app, "show", watchable=True)
@returns(
    "GET /verifications/{verification_id}",
    plus={"differences": "the items of `GET /verifications/{verification_id}/differences`"},
)
def show(
    session: Session,
    verification: Number,
    *,
    resource: Annotated[str | None, typer.Option(help="Only differences of this resource.")] = None,
    kind: Annotated[
        Literal["missing", "extra", "different", "displayed", "invalid"] | None,
        typer.Option(help="Only differences of this kind."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of objects.")] = 1000,
) -> None:
    """Show one verification with every difference by object and field.

    Examples: `ultraviolet verify show 7`,
    `ultraviolet verify show 7 --resource parts --kind missing`
    """
    report = session.api.get(to("/verifications/{}", verification))
    path = to("/verifications/{}/differences", verification)
    found = session.api.items(path, limit, resource=resource_name(resource), kind=kind)
    if session.as_json:
        session.show({**report, "differences": list(found)})
        return
    head = {"number": "id", "started": "started_at", "finished": "finished_at"}
    session.show(report, {**head, **RESULT})
    session.show_list(_fields(found), DIFFERENCES, "No differences.")


@command(app, "resume")
@returns("GET /verifications/{verification_id}")
def resume(session: Session, verification: Number) -> None:
    """Resume a failed verification.

    Example: `ultraviolet verify resume 7`
    """
    report = session.api.post(to("/verifications/{}/resume", verification))
    _report(session, report, wait=True, strict=True)


def describe_progress(report: Json) -> str:
    """Return the progress of a verification as text."""
    suspected = report["suspected"]
    return (
        f"{report['resources_done']} of {report['resources']} resources,"
        f" {report['objects']:,} objects"
        + (f", {suspected:,} being re-checked" if suspected else "")
    )


def _report(session: Session, report: Json, *, wait: bool, strict: bool) -> None:
    if wait:
        path = to("/verifications/{}", report["id"])
        report = follow(
            session.api, path, "Comparing with ION", describe_progress, quiet=session.as_json
        )
    session.show(report, RESULT)
    differs = any(report[name] for name in ("missing", "extra", "different", "displayed"))
    if not session.as_json and report["invalid"]:
        session.say(
            f"{report['invalid']} objects have values that do not match the type of their field;"
            " views and exports show null instead. Next: correct the values in ION."
        )
    if not session.as_json and report["samples"]:
        session.show_list(_fields(iter(report["samples"])), DIFFERENCES, "")
        session.say(f"All differences: ultraviolet verify show {report['id']}")
    if wait and report["state"] == "failed":
        raise VerifyFailedError(
            f"{report['error']}. Next: ultraviolet verify resume {report['id']}"
        )
    if strict and differs:
        raise DifferencesFoundError


def _fields(found: Iterator[Json]) -> Iterator[Json]:
    """Return a row for each field that differs."""
    for item in found:
        fields: dict[str | None, Json] = item["fields"] or {None: {}}
        for field, values in fields.items():
            yield {**item, "field": field, "ion": values.get("ion"), "mirror": values.get("mirror")}
