"""`ultraviolet changes`: what changed in the mirror, in order, and what changes from now on."""

from typing import Annotated

import typer

from ultraviolet.cli import output
from ultraviolet.cli.answers import gives
from ultraviolet.cli.api import Json
from ultraviolet.cli.session import Session

COLUMNS = {
    "at": "observed_at",
    "resource": "resource",
    "object": "id",
    "version": "version",
    "change": "change",
    "changed": "changed",
    "origin": "origin.kind",
}
LOOK_EVERY = 1.0


@gives("[GET /changes]")
def changes(
    session: Session,
    *,
    integration: Annotated[
        str | None, typer.Option(help="Name or id; may be left out where there is only one.")
    ] = None,
    resource: Annotated[
        list[str] | None, typer.Option(help="Only of this resource; may be repeated.")
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="Go on behind this change (its `cursor` in --json); `now`: only what comes."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, without --follow.")] = 100,
) -> None:
    """List every change of the mirror in the order it came about, each once.

    With --follow and no --cursor only what comes from now on; with --json one JSON object a line.

    Example: `ultraviolet changes --follow --resource purchase_orders --json`
    """
    found = session.integration(integration)["id"]
    place = cursor or ("now" if follow else None)
    left = limit
    while left > 0:
        asked = 1000 if follow else min(left, 1000)
        page = session.api.get("/changes", integration=found, resource=resource, cursor=place, limit=asked)
        _show(session, page["items"], lines=follow)
        place = page["next"]
        left -= 0 if follow else len(page["items"])
        if page["more"]:
            continue
        if not follow:
            return
        session.api.pause(LOOK_EVERY)


def _show(session: Session, items: list[Json], *, lines: bool) -> None:
    if session.as_json:
        for item in items:
            typer.echo(output.as_line(item))
    elif items and lines:
        for item in items:
            typer.echo("  ".join(str(output.dig(item, key)) for key in COLUMNS.values()))
    elif items:
        output.write_table(items, COLUMNS)
