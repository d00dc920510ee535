"""`ultraviolet changes`: what changed in the mirror, in order, and what changes from now on."""

from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from ultraviolet.characters import escape_controls
from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Json
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import Session

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


@returns("[GET /changes]")
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
        typer.Option(
            help="Go on behind this change (its `cursor` in --json); `now`: only what comes."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most, without --follow.")] = 100,
) -> None:
    """List every change of the mirror in the order it came about, each once.

    With --follow and no --cursor only what comes from now on; then --json prints one object a line.

    Example: `ultraviolet changes --follow --resource purchase_orders --json`
    """
    asked = {"integration": session.integration(integration)["id"], "resource": resource}
    if follow:
        _follow(session, asked, cursor or "now")
    session.show_list(_behind(session, asked, cursor, limit), COLUMNS, "Nothing changed.")


def _behind(session: Session, asked: Json, cursor: str | None, limit: int) -> Iterator[Json]:
    """Go through what there is, page after page."""
    more = True
    while more and limit > 0:
        page = session.api.get("/changes", **asked, cursor=cursor, limit=min(limit, 1000))
        yield from page["items"]
        cursor, more, limit = page["next"], page["more"], limit - len(page["items"])


def _follow(session: Session, asked: Json, cursor: str) -> NoReturn:
    while True:
        page = session.api.get("/changes", **asked, cursor=cursor, limit=1000)
        for item in page["items"]:
            told = "  ".join(str(output.dig(item, key)) for key in COLUMNS.values())
            typer.echo(output.as_line(item) if session.as_json else escape_controls(told))
        cursor = page["next"]
        if not page["more"]:
            session.api.pause(LOOK_EVERY)
