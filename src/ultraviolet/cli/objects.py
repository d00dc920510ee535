"""`ultraviolet object`: the hub's copy of ION's objects."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from ultraviolet.cli.api import Json
from ultraviolet.cli.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Read the mirror: list, show, history, export.")

RESOURCES = {"resource": "resource", "objects": "objects", "stale": "stale"}
COLUMNS = {"id": "id", "title": "title", "state": "state", "changed": "changed_at"}
VERSIONS = {"version": "version", "observed": "observed_at", "origin": "origin", "changed": "changed"}

Format = Literal["csv", "jsonl", "parquet"]
Resource = Annotated[str, typer.Argument(help="Kind of object: purchase_orders, PurchaseOrder, parts, …")]
Id = Annotated[str, typer.Argument(help="Id of the object in ION.")]
Integration = Annotated[str | None, typer.Option(help="Name or id; may be left out where there is only one.")]


@command(app, "list")
def list_(
    session: Session,
    resource: Annotated[
        str | None, typer.Argument(help="Kind of object; all kinds with counts if left out.")
    ] = None,
    *,
    integration: Integration = None,
    query: Annotated[str | None, typer.Option("--query", "-q", help="Only objects with these words.")] = None,
    state: Annotated[str | None, typer.Option(help="Only fresh, stale, partial or deleted.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List the objects of a resource, or the resources with their counts."""
    found = session.integration(integration)["id"]
    if resource is None:
        session.show_list(
            session.api.items("/objects", 1000, integration=found), RESOURCES, "The mirror is empty."
        )
        return
    items = session.api.items(f"/objects/{resource}", limit, integration=found, q=query, state=state)
    session.show_list(items, COLUMNS, "None. The first read is `ultraviolet fetch run`.")


@command(app, "show")
def show(session: Session, resource: Resource, object_id: Id, *, integration: Integration = None) -> None:
    """Show one object with its links, its state and its origin."""
    found = session.integration(integration)["id"]
    one = session.api.get(f"/objects/{resource}/{object_id}", integration=found)
    session.show(one if session.as_json else _lines(one))


@command(app, "history")
def history(
    session: Session,
    resource: Resource,
    object_id: Id,
    *,
    integration: Integration = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List the versions of one object, newest first, each with what told of it."""
    found = session.integration(integration)["id"]
    items = session.api.items(f"/objects/{resource}/{object_id}/history", limit, integration=found)
    session.show_list(items, VERSIONS, "No version kept.")


@command(app, "export")
def export(
    session: Session,
    resource: Resource,
    *,
    integration: Integration = None,
    as_format: Annotated[
        Format, typer.Option("--format", help="csv, jsonl (JSON lines) or parquet.")
    ] = "csv",
    out: Annotated[Path | None, typer.Option(help="File to write; stdout if left out.")] = None,
) -> None:
    """Write all objects of a resource that are not deleted to a file.

    Examples: `ultraviolet object export parts > parts.csv`,
    `ultraviolet object export runs --format parquet --out runs.parquet`
    """
    found = session.integration(integration)["id"]
    with sys.stdout.buffer if out is None else out.open("wb") as file:
        session.api.download(f"/exports/{resource}", file.write, integration=found, format=as_format)
    if out is not None:
        session.say(f"Written: {out}")


def _lines(one: Json) -> Json:
    head = {key: one.get(key) for key in ("resource", "id", "state", "version", "observed_at", "changed_at")}
    return {**head, **one["fields"]}
