"""`ultraviolet changes`: list the changes of the mirror in order, and follow new ones."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Json
from ultraviolet.cli.support.integration_argument import Option
from ultraviolet.cli.support.object_text import changed_fields
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.resource_argument import find_resource
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
POLL_INTERVAL_SECONDS = 1.0


@returns("[GET /changes]")
def changes(
    session: Session,
    *,
    integration: Option = None,
    resource: Annotated[
        list[str] | None, typer.Option(help="Only changes of this resource; repeatable.")
    ] = None,
    cursor: Annotated[
        str | None,
        typer.Option(help="Start after this change (`cursor` in --json); `now`: only new changes."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new changes until Ctrl-C.")
    ] = False,
    limit: Annotated[
        int, typer.Option(min=1, help="Maximum number of changes, without --follow.")
    ] = 100,
) -> None:
    """List the changes of the mirror in order, each once.

    With --follow and without --cursor, print only new changes. With --follow, --json prints one
    object per line.

    Example: `ultraviolet changes --follow --resource purchase_orders --json`
    """
    query = {
        "integration": session.integration(integration)["id"],
        "resource": [find_resource(name).name for name in resource or ()],
    }
    cursor = cursor or ("now" if follow else None)
    while follow:
        page = session.api.get("/changes", **query, cursor=cursor, limit=1000)
        for item in page["items"]:
            row = _row(item)
            line = "  ".join(output.as_text(output.dig(row, key)) for key in COLUMNS.values())
            typer.echo(output.as_line(item) if session.as_json else line)
        cursor = page["next"]
        if not page["more"]:
            session.api.pause(POLL_INTERVAL_SECONDS)
    found = recorded_changes(session, query, cursor, limit)
    session.show_list(found if session.as_json else map(_row, found), COLUMNS, "No changes.")


def recorded_changes(
    session: Session, query: Json, cursor: str | None, limit: int
) -> Iterator[Json]:
    """Return up to `limit` recorded changes, page by page."""
    more = True
    while more and limit > 0:
        page = session.api.get("/changes", **query, cursor=cursor, limit=min(limit, 1000))
        yield from page["items"]
        cursor, more, limit = page["next"], page["more"], limit - len(page["items"])


def _row(change: Json) -> Json:
    return {**change, "changed": changed_fields(change["changed"])}
