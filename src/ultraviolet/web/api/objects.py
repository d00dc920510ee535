"""API: the mirror, object by object, with history."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.clock import now_rfc3339
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import audit
from ultraviolet.hub.hub import Hub
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import field_indexes
from ultraviolet.mirror.field_indexes import FieldIndex
from ultraviolet.web.http.pagination import (
    Cursor,
    Limit,
    Page,
    decode,
    encode,
    full_page,
    number,
    page_of,
)
from ultraviolet.web.http.params import IntegrationName, parse_time, required_integration
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.queries import history, ion_filters, object_table, objects
from ultraviolet.web.queries.history import Comparison, Difference, ObjectAt, Place
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter, ResourceCount, VersionDetail

TAGS = ["objects"]

At = Annotated[
    str | None, QueryParameter(name="at", required=False, description="As it was then: RFC 3339.")
]
From = Annotated[str, QueryParameter(name="from", description="The earlier time: RFC 3339.")]
To = Annotated[
    str | None,
    QueryParameter(name="to", required=False, description="The later time; now if left out."),
]
Clock = Annotated[
    history.Clock,
    QueryParameter(
        required=False, description="Whose time: when the mirror showed it, or when ION had it."
    ),
]


class NewIndex(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Fields of a resource by which its tables are to be sorted and filtered quickly."""

    fields: list[str]
    integration: str | None = None


class IndexResult(msgspec.Struct, frozen=True):
    """What was begun."""

    creating: list[str]
    """Fields of which an index is being created, in the background."""
    detail: str


@get("/objects", guards=[require_role("viewer")], tags=TAGS)
async def list_resources(hub: GivenHub, integration: IntegrationName = None) -> Page[ResourceCount]:
    """List the resources of which the mirror has objects, with counts."""

    def read(connection: Connection) -> list[ResourceCount]:
        return objects.counts(
            connection, hub.catalog, required_integration(connection, integration)
        )

    return full_page(await hub.database.read(read))


@get("/objects/{resource:str}", guards=[require_role("viewer")], tags=TAGS)
async def list_objects(
    hub: GivenHub,
    resource: FromPath[str],
    integration: IntegrationName = None,
    q: Annotated[
        str | None, QueryParameter(required=False, description="Text in any field, or the id.")
    ] = None,
    condition: Annotated[
        Literal["fresh", "stale", "partial", "deleted", "any"] | None,
        QueryParameter(
            name="state", required=False, description="Left out: all that are not deleted."
        ),
    ] = None,
    asked: Annotated[
        str | None,
        QueryParameter(
            name="filter",
            required=False,
            description="A filter in ION's own language, as JSON: fields with the operators "
            f"{', '.join(ion_filters.OPERATORS)}; `or_`, `and_`; links with a filter of the other side.",
        ),
    ] = None,
    sort: Annotated[
        str | None,
        QueryParameter(
            required=False,
            description="A field, `-field` for downwards, or as ION writes it `FIELD_DESC`; also `changed` and `id`.",
        ),
    ] = None,
    at: At = None,
    clock: Clock = "hub",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ObjectDetail] | Page[ObjectAt]:
    """List objects, in the order of their ids if not asked otherwise; the resource may be named in any style.

    With `at`, all that were not deleted then, as they were.
    """
    known = objects.resource_of(hub.catalog, resource)
    after, when = decode(cursor), parse_time(at)
    if when and (q or condition or asked or sort):
        raise InvalidError("`at` lists a whole resource as it was; leave out the rest.", field="at")
    by = object_table.order(known, sort) if sort else object_table.Order("id", down=False)
    wanted_fields = ion_filters.read(asked or "{}")

    def read_then(connection: Connection) -> list[ObjectAt]:
        place = Place(required_integration(connection, integration), known, clock)
        return history.objects_at(connection, place, when or "", after, limit + 1)

    if when:
        return page_of(await hub.database.read(read_then), limit, lambda then: then.id)

    def read(connection: Connection) -> object_table.TablePart:
        wanted = ObjectFilter(
            required_integration(connection, integration), known, q or None, condition
        )
        also = ion_filters.Filters(connection, hub.catalog).holds(known, wanted_fields)
        return object_table.read_part(connection, wanted, [], by, after, limit, also)

    found = await hub.database.read(read)
    return Page(found.rows, encode(found.next) if found.next else None)


@get("/objects/{resource:str}/{object_id:str}", guards=[require_role("viewer")], tags=TAGS)
async def get_object(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    integration: IntegrationName = None,
    at: At = None,
    clock: Clock = "hub",
) -> ObjectDetail | ObjectAt:
    """Read one object with its links resolved; with `at`, as it was then."""
    known, when = objects.resource_of(hub.catalog, resource), parse_time(at)

    def read_then(connection: Connection) -> ObjectAt:
        return history.object_at(
            connection,
            Place(required_integration(connection, integration), known, clock),
            object_id,
            when or "",
        )

    if when:
        return await hub.database.read(read_then)

    def read(connection: Connection) -> ObjectDetail:
        return objects.get_object(
            connection, required_integration(connection, integration), known, object_id
        )

    found = await hub.database.read(read)
    hub.pool.mark_viewed(found.integration_id, known.name, object_id)
    return found


@get("/objects/{resource:str}/{object_id:str}/history", guards=[require_role("viewer")], tags=TAGS)
async def list_history(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    integration: IntegrationName = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[VersionDetail]:
    """List the versions of one object, newest first, each with what changed and where it comes from."""
    known, before = objects.resource_of(hub.catalog, resource), number(cursor)

    def read(connection: Connection) -> list[VersionDetail]:
        found = required_integration(connection, integration)
        objects.get_object(connection, found, known, object_id)
        return objects.history(connection, found, known, object_id, before, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda version: version.version)


@get("/objects/{resource:str}/{object_id:str}/diff", guards=[require_role("viewer")], tags=TAGS)
async def compare_object(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    since: From,
    until: To = None,
    integration: IntegrationName = None,
    clock: Clock = "hub",
) -> Comparison:
    """Compare one object at two times: what differs, and every version between, by whom."""
    known, times = objects.resource_of(hub.catalog, resource), _times(since, until)

    def read(connection: Connection) -> Comparison:
        place = Place(required_integration(connection, integration), known, clock)
        return history.compare(connection, place, object_id, *times)

    return await hub.database.read(read)


@get("/diffs/{resource:str}", guards=[require_role("viewer")], tags=TAGS)
async def compare_objects(
    hub: GivenHub,
    resource: FromPath[str],
    since: From,
    until: To = None,
    integration: IntegrationName = None,
    clock: Clock = "hub",
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Difference]:
    """Compare a whole resource at two times: which objects were created, changed and deleted, field by field."""
    known, after = objects.resource_of(hub.catalog, resource), decode(cursor)
    times = _times(since, until)

    def read(connection: Connection) -> list[Difference]:
        place = Place(required_integration(connection, integration), known, clock)
        return history.differences(connection, place, *times, after, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda each: each.id)


def _times(since: str, until: str | None) -> tuple[str, str]:
    """Read two times to compare; raises InvalidError where the later one comes first."""
    given = parse_time(since) or "", parse_time(until) or now_rfc3339()
    if until and given[0] > given[1]:
        raise InvalidError("`from` is later than `to`: name the earlier time first.", field="from")
    return given


@post(
    "/objects/{resource:str}/indexes", guards=[require_role("operator")], status_code=202, tags=TAGS
)
async def create_index(
    hub: GivenHub, caller: GivenCaller, resource: FromPath[str], data: JSONBody[NewIndex]
) -> IndexResult:
    """Create indexes of fields, so that sorting and filtering a big table by them is quick.

    They are created in the background. Each makes every later change of the resource a little slower.
    """
    found = objects.resource_of(hub.catalog, resource)
    return await index_fields(hub, caller.name, data.integration, found, data.fields)


async def index_fields(
    hub: Hub, actor: str, integration: str | None, resource: Resource, names: Sequence[str]
) -> IndexResult:
    """Begin to create the indexes of these fields that do not exist and would help."""
    fields = object_table.fields_to_index(resource, names)

    def write(connection: Connection) -> tuple[list[str], list[FieldIndex]]:
        chosen = required_integration(connection, integration)
        lacking = object_table.missing_indexes(connection, chosen, resource, fields)
        if lacking:
            audit.record(connection, actor, "index.create", resource.name, {"fields": lacking})
        wanted = [(name, number) for name, number in fields if name in lacking]
        return lacking, field_indexes.missing_indexes(
            connection, chosen, resource, wanted
        ) if wanted else []

    lacking, wanted = await hub.database.write(write)
    hub.field_indexes.want(wanted)
    detail = (
        f"Creating the index of {', '.join(lacking)}"
        if lacking
        else f"No index is needed: it exists, or there are fewer than {field_indexes.MIN_OBJECTS:,} objects,"
        f" or {field_indexes.MAX_INDEXES} indexes exist already"
    )
    return IndexResult(lacking, detail)


HANDLERS = [
    list_resources,
    list_objects,
    get_object,
    list_history,
    compare_object,
    compare_objects,
    create_index,
]
