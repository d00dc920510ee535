"""`ultraviolet object`: the objects of the mirror."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ultraviolet.cli.commands.changes import recorded_changes
from ultraviolet.cli.support import output
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.completion import complete_resource
from ultraviolet.cli.support.export_file import Force, open_export
from ultraviolet.cli.support.integration_argument import Option
from ultraviolet.cli.support.object_text import ObjectText, column_value
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.params import FILTER_HELP, TIME_HELP, parse_filters, parse_time
from ultraviolet.cli.support.resource_argument import find_resource
from ultraviolet.cli.support.session import Session, command, with_integration
from ultraviolet.command_text import command as line
from ultraviolet.errors import InvalidError

if TYPE_CHECKING:
    from ultraviolet.ion.catalog import Catalog
    from ultraviolet.ion.model import Resource as IonResource
    from ultraviolet.web.queries.field_paths import FieldPath

app = typer.Typer(
    no_args_is_help=True, help="Read the mirror: list, show, history, diff, index, export."
)

RESOURCES = {"resource": "resource", "objects": "objects", "stale": "stale"}
PAST_COLUMNS = {"version": "version", "in ION": "source_time", "in the hub": "observed_at"}
COLUMNS = {"state": "state", "changed": "changed_at"}
VERSIONS = {
    "version": "version",
    "in ION": "source_time",
    "in the hub": "observed_at",
    "by": "by.name",
    "origin": "origin",
    "changes": "changes",
}
SHOWN = {
    "resource": "resource",
    "ID": "id",
    "state": "state",
    "deleted": "deleted",
    "version": "version",
    "changed in ION": "source_time",
    "read from ION": "observed_at",
    "changed in the hub": "changed_at",
}
CHANGES = {"field": "name", "before": "old", "after": "new"}
DIFFERENCES = {"id": "id", "change": "change", **CHANGES}

At = Annotated[str | None, typer.Option(help=f"State at this time. {TIME_HELP}")]
Clock = Annotated[
    Literal["hub", "ion"],
    typer.Option(help="Clock of --at: time in the mirror (hub), or time in ION (ion)."),
]
_RESOURCE_HELP = "Resource: purchase_orders, PurchaseOrder, parts, …"
Resource = Annotated[str, typer.Argument(help=_RESOURCE_HELP, autocompletion=complete_resource)]
Id = Annotated[str, typer.Argument(help="Id of the object in ION.")]
Query = Annotated[
    str | None, typer.Option("--query", "-q", help="Only objects that contain these words.")
]
State = Annotated[
    Literal["fresh", "stale", "partial", "deleted", "any"] | None,
    typer.Option(help="Only objects in this state; any: also deleted ones."),
]
Filters = Annotated[list[str] | None, typer.Option("--filter", help=FILTER_HELP)]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Fields, comma separated, such as status,supplier.name; default: those of the page."
    ),
]
Sort = Annotated[
    str | None,
    typer.Option(help="Field to sort by, such as supplier.name; -field for descending order."),
]
_NO_MATCH = "No objects match; check the spelling of the values and the other conditions."
_MAX_ATTRIBUTES = 10_000


@command(app, "list", watchable=True)
@returns(
    "[GET /objects]",
    "[GET /objects/{resource}]",
    plus={"integration": "name of the integration, in a list of several"},
)
def list_(
    session: Session,
    resource: Annotated[
        str | None,
        typer.Argument(
            help="Resource; omit it to list all resources with counts.",
            autocompletion=complete_resource,
        ),
    ] = None,
    *,
    integration: Option = None,
    query: Query = None,
    state: State = None,
    filters: Filters = None,
    columns: Columns = None,
    sort: Sort = None,
    at: At = None,
    clock: Clock = "hub",
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List the objects of a resource, or the resources with their counts.

    Examples: `ultraviolet object list`, `ultraviolet object list purchase_orders --state stale`,
    `ultraviolet object list parts -q bracket`,
    `ultraviolet object list purchase_orders --filter status=ORDERED --columns status,supplier.name`,
    `ultraviolet object list purchase_order_lines --filter 'estimatedArrivalDate>@needDate'`
    """
    if resource is None:
        each = session.integrations(integration)
        rows = (
            {**({"integration": one["name"]} if len(each) > 1 else {}), **row}
            for one in each
            for row in session.api.items("/objects", 1000, integration=one["id"])
        )
        session.show_list(
            rows,
            with_integration(RESOURCES, each),
            f"The mirror is empty. Next: {line('fetch run', *(one['name'] for one in each[:1]), mode='full')}",
        )
        return
    name = find_resource(resource).name
    found = session.integration(integration)["id"]
    time = {"at": parse_time(at), "clock": clock}
    catalog = _catalog(session, found, columns, sort, *(filters or []))
    known = catalog.resources[name]
    paths = _select_columns(catalog, known, columns, sort)
    if at and any(path.links for path in paths):
        raise InvalidError("--at cannot show columns of linked objects. Omit these columns.")
    items = session.api.items(
        to("/objects/{}", known.name),
        limit,
        integration=found,
        q=query,
        state=state,
        filter=parse_filters(filters or [], _types(catalog, known)),
        sort=sort,
        column=None if at else _requested(catalog, known, paths, session, columns),
        **time,
    )
    labels = [f"{path.label} ID" if path.column.link and columns else path.label for path in paths]
    fields = {
        label if labels.count(label) == 1 else f"{label} ({path.name})": f"columns.{number}"
        for number, (label, path) in enumerate(zip(labels, paths, strict=True))
    }
    shown = {"ID": "id", **fields, **(PAST_COLUMNS if at else COLUMNS)}
    rows = items
    if not session.as_json:
        rows = (_with_columns(item, paths, with_names=not columns) for item in items)
    shown_rows = list(rows)
    if shown_rows or time["at"] is None:
        session.show_list(iter(shown_rows), shown, _NO_MATCH)
        return
    changed = {"integration": found, "resource": known.name}
    first = next(recorded_changes(session, changed, None, 1), None)
    before = ""
    if first is not None:
        start = output.as_text(first["observed_at"])
        before = f" The history of {known.name} starts at {start}."
    session.show_list(iter(()), shown, f"No objects at {output.as_text(time['at'])}.{before}")


@command(app, "show", watchable=True)
@returns("GET /objects/{resource}/{object_id}")
def show(
    session: Session,
    resource: Resource,
    object_id: Id,
    *,
    integration: Option = None,
    at: At = None,
    clock: Clock = "hub",
) -> None:
    """Show one object with its links, state and origin, now or at a past time.

    Example: `ultraviolet object show purchase_orders 17 --at 2d`
    """
    known = find_resource(resource)
    found = session.integration(integration)["id"]
    time = {"at": parse_time(at), "clock": clock}
    item = session.api.get(to("/objects/{}/{}", known.name, object_id), integration=found, **time)
    if session.as_json:
        session.show(item)
        return
    session.show({label: item[name] for label, name in SHOWN.items() if name in item})
    typer.echo()
    texts = ObjectText(known.name).fields(item["fields"], item["links"])
    output.write_pairs(texts, labels=True)


@command(app, "history")
@returns("[GET /objects/{resource}/{object_id}/history]")
def history(
    session: Session,
    resource: Resource,
    object_id: Id,
    *,
    integration: Option = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
) -> None:
    """List the versions of one object with their origins, newest first.

    Example: `ultraviolet object history purchase_orders 17`
    """
    known = find_resource(resource)
    path = to("/objects/{}/{}/history", known.name, object_id)
    items = session.api.items(path, limit, integration=session.integration(integration)["id"])
    if not session.as_json:
        items = map(ObjectText(known.name).version, items)
    session.show_list(items, VERSIONS, "No versions.")


@command(app, "diff")
@returns("GET /objects/{resource}/{object_id}/diff", "[GET /diffs/{resource}]")
def diff(
    session: Session,
    resource: Resource,
    object_id: Annotated[
        str | None, typer.Argument(help="Id in ION; omit it to compare the whole resource.")
    ] = None,
    *,
    since: Annotated[str, typer.Option("--from", help=TIME_HELP)],
    until: Annotated[str | None, typer.Option("--to", help=f"{TIME_HELP} Default: now.")] = None,
    integration: Option = None,
    clock: Clock = "hub",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of objects.")] = 1000,
) -> None:
    """Compare an object, or a whole resource, at two times, field by field.

    Examples: `ultraviolet object diff purchase_orders 17 --from 7d`,
    `ultraviolet object diff runs --from 2026-11-24T06:00Z --to 2026-11-24T14:00Z`
    """
    known = find_resource(resource)
    query = {
        "integration": session.integration(integration)["id"],
        "from": parse_time(since),
        "to": parse_time(until),
        "clock": clock,
    }
    if object_id is None:
        items = session.api.items(to("/diffs/{}", known.name), limit, **query)
        if not session.as_json:
            text = ObjectText(known.name)
            items = ({**one, **row} for one in items for row in text.changes(one["changes"]))
        session.show_list(items, DIFFERENCES, "No visible differences between these times.")
        return
    compared = session.api.get(to("/objects/{}/{}/diff", known.name, object_id), **query)
    if session.as_json:
        session.show(compared)
        return
    text = ObjectText(known.name)
    changes = text.changes(compared["changes"])
    session.show_list(changes, CHANGES, "No visible differences between these times.")
    versions = map(text.version, compared["versions"])
    session.show_list(versions, VERSIONS, "No versions between these times.")


@command(app, "index")
@returns("POST /objects/{resource}/indexes")
def index(
    session: Session,
    resource: Resource,
    fields: Annotated[list[str], typer.Argument(help="Fields to sort or filter by.")],
    *,
    integration: Option = None,
) -> None:
    """Create indexes that speed up sorting and filtering by these fields.

    Example: `ultraviolet object index parts description`
    """
    path = to("/objects/{}/indexes", find_resource(resource).name)
    body = {"fields": fields, "integration": str(session.integration(integration)["id"])}
    created = session.api.post(path, body)
    if session.as_json:
        session.show(created)
    else:
        session.say(created["detail"])


@command(app, "export")
def export(
    session: Session,
    resource: Resource,
    *,
    integration: Option = None,
    query: Query = None,
    state: State = None,
    filters: Filters = None,
    sort: Sort = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Fields, comma separated, such as id,supplier.name; default: all."),
    ] = None,
    as_format: Annotated[
        Literal["csv", "jsonl", "parquet", "xlsx"],
        typer.Option("--format", help="csv, jsonl (JSON lines), parquet or xlsx (Excel)."),
    ] = "csv",
    for_spreadsheets: Annotated[
        bool,
        typer.Option(
            "--for-spreadsheets",
            help="CSV for spreadsheets: labels, dates, times in UTC, TRUE and FALSE; no formulas.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File to write, - for stdout; default: RESOURCE.FORMAT, or stdout if redirected.",
            allow_dash=True,
        ),
    ] = None,
    force: Force = False,
) -> None:
    """Export objects: those that `ultraviolet object list` shows for the same options.

    On a terminal, it writes a file with the name that a browser gives it, such as parts.csv.

    Examples: `ultraviolet object export parts`, `ultraviolet object export parts > bolts.csv`,
    `ultraviolet object export runs --format parquet --out runs.parquet`,
    `ultraviolet object export parts --format xlsx --force`
    """
    name = find_resource(resource).name
    found = session.integration(integration)["id"]
    catalog = _catalog(session, found, *(filters or []))
    wanted = {
        "integration": found,
        "q": query,
        "state": state,
        "filter": parse_filters(filters or [], _types(catalog, catalog.resources[name])),
    }
    if out is None and sys.stdout.isatty():
        out = Path(f"{name}.{as_format}")  # as the browser names it
    with open_export(out, force=force) as file:
        session.api.download(
            to("/exports/{}", name),
            file.write,
            **wanted,
            sort=sort,
            column=_split(columns),
            format=as_format,
            for_spreadsheets="true" if for_spreadsheets else None,
        )
    if next(session.api.items(to("/objects/{}", name), 1, **wanted), None) is None:
        session.say(_NO_MATCH)
    if out is not None and str(out) != "-":
        session.say(f"Wrote {out}.")


def _catalog(session: Session, integration: int, *written: str | None) -> "Catalog":
    """Return the contract, with the custom attributes if a column or filter may be one."""
    from ultraviolet.ion.attributes import Attribute, with_attributes
    from ultraviolet.ion.catalog import load_catalog

    if not any("attribute" in text for text in written if text):
        return load_catalog()
    known = session.api.items("/attributes", _MAX_ATTRIBUTES, integration=integration)
    return with_attributes(load_catalog(), [Attribute(**each) for each in known])


def _select_columns(
    catalog: "Catalog", resource: "IonResource", names: str | None, sort: str | None
) -> "list[FieldPath]":
    """Return the fields to show: the given ones, else those of the page. Raise InvalidError."""
    from ultraviolet.web.queries.object_lists.list_columns import selected_columns
    from ultraviolet.web.queries.object_lists.order import Order, parse_order

    order = parse_order(catalog, resource, sort) if sort else Order("id")
    given = _split(names)
    return selected_columns(catalog, resource, given, order)[: len(given) or None]


def _types(catalog: "Catalog", resource: "IonResource") -> Callable[[str], str | None]:
    """Return a function that returns the type of a field, also of a linked object."""

    def type_of(name: str) -> str | None:
        from ultraviolet.web.queries.field_paths import find_path

        return find_path(catalog, resource, name).column.type if "." in name else kinds.get(name)

    kinds = resource.kinds
    return type_of


def _requested(
    catalog: "Catalog",
    resource: "IonResource",
    paths: "Sequence[FieldPath]",
    session: Session,
    columns: str | None,
) -> list[str] | None:
    """Return the columns to request; a table also needs the currency of its amounts."""
    from ultraviolet.web.queries.field_paths import currency_path, is_amount
    from ultraviolet.web.queries.object_lists.list_columns import CURRENCY

    names = [path.name for path in paths]
    if session.as_json:
        return names if columns else None
    has_amounts = any(is_amount(path.column) and not path.links for path in paths)
    return [*names, CURRENCY] if has_amounts and currency_path(catalog, resource) else names


def _with_columns(item: Json, paths: "Sequence[FieldPath]", *, with_names: bool) -> Json:
    """Return an object with the values of columns by their numbers, because names contain dots.

    `with_names` shows the name of a linked object instead of its id.
    """
    from ultraviolet.web.queries.object_lists.list_columns import CURRENCY

    values: list[Any] = []
    linked: Json = item.get("linked", {})
    links: Json = item.get("links", {})
    for path in paths:
        fields = linked if path.links else item["fields"]
        is_there = path.links or path.name in fields  # not an attribute of a past state
        value = fields.get(path.name) if is_there else path.column.value_in(fields)
        link = path.column.link
        target = links.get(link.field) if with_names and link and not path.links else None
        if target and target["title"] and target["id"] == str(value):
            value = target["title"]
        text = column_value(path.column, value)
        if path.column.format == "money" and value is not None and not path.links:
            text = f"{text} {linked.get(CURRENCY) or ''}".rstrip()
        values.append(text)
    return {**item, "columns": {str(number): value for number, value in enumerate(values)}}


def _split(names: str | None) -> list[str]:
    return [name.strip() for name in (names or "").split(",") if name.strip()]
