"""API: the objects of the mirror, their history, comparison and export."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from ultraviolet.clock import now_rfc3339
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import audit
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import export, field_indexes
from ultraviolet.mirror.export import MEDIA_TYPES, Format
from ultraviolet.mirror.field_indexes import FieldIndex
from ultraviolet.mirror.xlsx import check_size
from ultraviolet.web.http.pagination import (
    Cursor,
    Limit,
    Page,
    decode,
    encode,
    number,
    page_of,
    part_of,
)
from ultraviolet.web.http.params import (
    IntegrationName,
    in_integration,
    parse_time,
    required_integration,
)
from ultraviolet.web.middleware.auth import OPERATOR, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.queries import history, ion_filters, objects, versions
from ultraviolet.web.queries.history import Comparison, Difference, ObjectAt, ResourceScope
from ultraviolet.web.queries.object_lists.export_rows import (
    export_columns,
    read_export_rows,
    with_choice_labels,
)
from ultraviolet.web.queries.object_lists.indexes import fields_to_index, missing_indexes
from ultraviolet.web.queries.object_lists.list_columns import (
    list_columns,
    with_columns,
    with_currencies,
)
from ultraviolet.web.queries.object_lists.order import ObjectQuery, Order, parse_order
from ultraviolet.web.queries.object_lists.page import read_all_ids, read_page
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, ResourceCount
from ultraviolet.web.queries.versions import VersionDetail

TAGS = ["objects"]

Search = Annotated[
    str | None, QueryParameter(required=False, description="Text in any field, or an id.")
]
StateName = Annotated[
    Literal["fresh", "stale", "partial", "deleted", "any"] | None,
    QueryParameter(name="state", required=False, description="Default: all that are not deleted."),
]
WrittenFilter = Annotated[
    str | None,
    QueryParameter(
        name="filter",
        required=False,
        description="A filter in ION's filter language, as JSON: fields with the operators "
        f"{', '.join(ion_filters.OPERATORS)}; `or_`, `and_`, `not_`; links with a filter of the linked"
        ' object, also as `supplier.name`. An operand can be another field, `{"field": "needDate"}`, or a'
        " relative time in UTC, such as `now-6h` or `today+14d`.",
    ),
]
Sort = Annotated[
    str | None,
    QueryParameter(
        required=False,
        description="A field, also of a linked object, such as `supplier.name`; `-field` for descending"
        " order, or ION's `FIELD_DESC`; also `changed` and `id`.",
    ),
]
ListColumns = Annotated[
    list[str] | None,
    QueryParameter(
        name="column",
        required=False,
        description="Fields to return, also of linked objects: `supplier.name` or"
        " `purchaseOrder.supplier.name`; `currency` (of the amounts) is among the values of linked"
        " objects. Default: all own fields.",
    ),
]
ExportColumns = Annotated[
    list[str] | None,
    QueryParameter(
        name="column",
        required=False,
        description="Columns in this order, each by its name in the SQL view or by ION's name of the"
        " field; also `mirror_state`, `currency` (of the amounts), and fields of linked objects, such"
        " as `supplier.name`."
        " Default: all columns of the SQL view.",
    ),
]
At = Annotated[
    str | None,
    QueryParameter(name="at", required=False, description="State at this time (RFC 3339)."),
]
From = Annotated[str, QueryParameter(name="from", description="The earlier time (RFC 3339).")]
To = Annotated[
    str | None,
    QueryParameter(
        name="to", required=False, description="The later time (RFC 3339). Default: now."
    ),
]
Clock = Annotated[
    history.Clock,
    QueryParameter(
        required=False, description="`hub`: time of the mirror. `ion`: time of the change in ION."
    ),
]
ExportFormat = Annotated[
    Format,
    QueryParameter(
        name="format",
        required=False,
        description="csv, jsonl (JSON lines), parquet or xlsx (Excel).",
    ),
]
ForSpreadsheets = Annotated[
    bool,
    QueryParameter(
        required=False,
        description="CSV for spreadsheets: a byte order mark, the headings and enum values of the pages,"
        " dates and times in UTC that Excel recognizes, TRUE and FALSE, lists joined with semicolons, and"
        " an apostrophe before formulas.",
    ),
]


class NewIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of a resource to index."""

    fields: list[str]
    integration: str | None = None


class IndexResult(msgspec.Struct, frozen=True):
    """The indexes being created."""

    creating: list[str]
    """Fields whose index is being created in the background."""
    detail: str


@get("/objects", guards=VIEWER)
async def list_resources(
    hub: GivenHub, integration: IntegrationName = None, cursor: Cursor = None, limit: Limit = 1000
) -> Page[ResourceCount]:
    """List resources.

    Lists the resources that have objects, with counts.
    """

    def read(connection: Connection) -> list[ResourceCount]:
        return objects.count_by_resource(
            connection, hub.catalog, required_integration(connection, integration)
        )

    return part_of(await hub.database.read(read), cursor, limit)


@get("/objects/{resource:str}", guards=VIEWER)
async def list_objects(
    hub: GivenHub,
    resource: FromPath[str],
    integration: IntegrationName = None,
    q: Search = None,
    object_state: StateName = None,
    written_filter: WrittenFilter = None,
    sort: Sort = None,
    names: ListColumns = None,
    at: At = None,
    clock: Clock = "hub",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ObjectDetail] | Page[ObjectAt]:
    """List objects.

    The default order is by id. With `at`, lists the objects that existed at that time, in their
    state of that time.
    """
    catalog = await hub.database.read(hub.attributes.get)
    known = objects.find_resource(catalog, resource)
    after, when = decode(cursor), parse_time(at, "at")
    if when and (q or object_state or written_filter or sort or names):
        raise InvalidError(
            "`at` cannot be combined with q, state, filter, sort or column.", field="at"
        )
    paths, has_currency = list_columns(catalog, known, names or ())
    choose = _object_query(catalog, known, q, object_state, written_filter, sort)

    def read_at(connection: Connection) -> list[ObjectAt]:
        place = ResourceScope(required_integration(connection, integration), known, clock)
        return history.objects_at(connection, place, when or "", after, limit + 1)

    if when:
        return page_of(await hub.database.read(read_at), limit, lambda found: found.id)

    def read(connection: Connection) -> Page[ObjectDetail]:
        query = choose(required_integration(connection, integration))
        found = read_page(connection, catalog, query, after, limit)
        rows = found.rows
        if has_currency:
            rows = with_currencies(connection, catalog, known, rows)
        rows = with_columns(connection, rows, paths)
        return Page(rows, encode(found.next) if found.next else None)

    return await hub.database.read(read)


def _object_query(
    catalog: Catalog,
    resource: Resource,
    text: str | None,
    state: str | None,
    written_filter: str | None,
    sort: str | None,
) -> Callable[[int], ObjectQuery]:
    """Return the query of these parameters for an integration; raise InvalidError."""
    by = parse_order(catalog, resource, sort) if sort else Order("id", down=False)
    fields = ion_filters.parse_filter(written_filter or "{}")
    return lambda chosen: ObjectQuery(
        ObjectFilter(chosen, resource, text or None, state or None), fields, by
    )


@get("/objects/{resource:str}/{object_id:str}", guards=VIEWER)
async def get_object(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    integration: IntegrationName = None,
    at: At = None,
    clock: Clock = "hub",
) -> ObjectDetail | ObjectAt:
    """Get object.

    Links are resolved.
    With `at`, its state at that time.
    """
    known, when = objects.find_resource(hub.catalog, resource), parse_time(at, "at")

    def read_at(connection: Connection) -> ObjectAt:
        return history.object_at(
            connection,
            ResourceScope(required_integration(connection, integration), known, clock),
            object_id,
            when or "",
        )

    if when:
        return await hub.database.read(read_at)

    found = await hub.database.read(
        in_integration, integration, objects.get_object, known, object_id
    )
    hub.pool.mark_viewed(found.integration_id, known.name, object_id)
    return found


@get("/objects/{resource:str}/{object_id:str}/history", guards=VIEWER)
async def list_object_versions(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    integration: IntegrationName = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[VersionDetail]:
    """List object versions.

    Newest first.
    Each has its changes and its origin.
    """
    known, before = objects.find_resource(hub.catalog, resource), number(cursor)

    def read(connection: Connection) -> list[VersionDetail]:
        found = required_integration(connection, integration)
        objects.get_object(connection, found, known, object_id)
        return versions.list_versions(connection, found, known, object_id, before, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda version: version.version)


@get("/objects/{resource:str}/{object_id:str}/diff", guards=VIEWER)
async def get_object_diff(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    since: From,
    until: To = None,
    integration: IntegrationName = None,
    clock: Clock = "hub",
) -> Comparison:
    """Compare object at two times.

    Returns the differences, and the versions in between with their authors.
    """
    known, times = objects.find_resource(hub.catalog, resource), _times(since, until)

    def read(connection: Connection) -> Comparison:
        place = ResourceScope(required_integration(connection, integration), known, clock)
        return history.compare_object(connection, place, object_id, *times)

    return await hub.database.read(read)


@get("/diffs/{resource:str}", guards=VIEWER)
async def list_object_diffs(
    hub: GivenHub,
    resource: FromPath[str],
    since: From,
    until: To = None,
    integration: IntegrationName = None,
    clock: Clock = "hub",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Difference]:
    """Compare resource at two times.

    Lists the objects that were created, changed or deleted, field by field.
    """
    known, after = objects.find_resource(hub.catalog, resource), decode(cursor)
    times = _times(since, until)

    def read(connection: Connection) -> list[Difference]:
        place = ResourceScope(required_integration(connection, integration), known, clock)
        return history.list_differences(connection, place, *times, after, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda difference: difference.id)


def _times(since: str, until: str | None) -> tuple[str, str]:
    """Return the two times to compare; raise InvalidError if they are in the wrong order."""
    times = parse_time(since, "from") or "", parse_time(until, "to") or now_rfc3339()
    if until and times[0] > times[1]:
        raise InvalidError("`from` is later than `to`.", field="from")
    return times


@post("/objects/{resource:str}/indexes", guards=OPERATOR, status_code=202)
async def create_index(
    hub: GivenHub, caller: GivenCaller, resource: FromPath[str], data: JSONBody[NewIndex]
) -> IndexResult:
    """Create field indexes.

    They make sorting and filtering of large tables faster.
    They are created in the background. Each index slows down later changes of the resource
    slightly.
    """
    found = objects.find_resource(await hub.database.read(hub.attributes.get), resource)
    return await index_fields(hub, caller.name, data.integration, found, data.fields)


async def index_fields(
    hub: Hub, actor: str, integration: str | None, resource: Resource, names: Sequence[str]
) -> IndexResult:
    """Start to create the useful indexes of these fields that do not exist yet."""
    fields = fields_to_index(resource, names)

    def write(connection: Connection) -> tuple[list[str], list[FieldIndex]]:
        chosen = required_integration(connection, integration)
        columns = missing_indexes(connection, chosen, resource, fields)
        missing = [column.name for column in columns]
        if not missing:
            return [], []
        audit.record(connection, actor, "index.create", resource.name, {"fields": missing})
        typed = [(column.place, column.type) for column in columns]
        return missing, field_indexes.missing_indexes(connection, chosen, resource, typed)

    missing, indexes = await hub.database.write(write)
    hub.field_indexes.want(indexes)
    detail = (
        f"Creating the index of {', '.join(missing)}"
        if missing
        else f"No index is needed: it exists, or there are fewer than {field_indexes.MIN_OBJECTS:,} objects,"
        f" or {field_indexes.MAX_INDEXES} indexes exist already"
    )
    return IndexResult(missing, detail)


@get("/exports/{resource:str}", guards=VIEWER, media_type="text/csv")
async def export_objects(
    hub: GivenHub,
    resource: FromPath[str],
    integration: IntegrationName = None,
    q: Search = None,
    object_state: StateName = None,
    written_filter: WrittenFilter = None,
    sort: Sort = None,
    names: ExportColumns = None,
    as_format: ExportFormat = "csv",
    for_spreadsheets: ForSpreadsheets = False,
) -> Stream:
    """Export objects.

    Returns the objects that `GET /objects/{resource}` lists for the same parameters, in the same
    order. An object that changes during the export is exported in its newest state. Excel and CSV
    for spreadsheets have the headings and enum values of the pages, other formats names and codes.
    """
    catalog = await hub.database.read(hub.attributes.get)
    known = objects.find_resource(catalog, resource)
    choose = _object_query(catalog, known, q, object_state, written_filter, sort)
    shown = export_columns(catalog, known, names or ())
    for_people = as_format == "xlsx" or for_spreadsheets
    names_shown = shown.labels if for_people else [column.name for column in shown.columns]
    # An object's own id is text in the mirror; as a number in Excel, lookups find it by a link.
    kinds = [
        "id" if column.name == "id" and as_format == "xlsx" else column.type
        for column in shown.columns
    ]
    typed = list(zip(names_shown, kinds, strict=True))
    writer = export.make_writer(as_format, typed, for_spreadsheets=for_spreadsheets)

    def find(connection: Connection) -> tuple[ObjectFilter, str, list[str]]:
        found = integrations.get(connection, required_integration(connection, integration))
        query = choose(found.id)
        ids = read_all_ids(connection, catalog, query, export.PAGE_ROWS)
        return query.objects, found.name, ids

    scope, integration_name, batches = await hub.database.read(find)
    if as_format == "xlsx":
        check_size(sum(batch.count(",") + 1 for batch in batches), len(typed))

    async def stream() -> AsyncIterator[bytes]:
        for batch in batches:

            def read(connection: Connection, ids: Sequence[str]) -> bytes:
                rows = read_export_rows(connection, scope, integration_name, shown, ids)
                if for_people:
                    rows = with_choice_labels(shown, rows)
                return writer.write(rows)

            yield await hub.database.read(read, batch.split(","))
        yield writer.end()

    file_name = f"{known.name}{'-for-spreadsheets' if for_spreadsheets else ''}.{as_format}"
    return Stream(
        stream(),
        media_type=MEDIA_TYPES[as_format],
        headers={"content-disposition": f'attachment; filename="{file_name}"'},
    )
