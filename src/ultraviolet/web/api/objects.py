"""API: the mirror, object by object, with history."""

from typing import Annotated, Literal

from litestar import get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.web.api.filters import IntegrationName, one
from ultraviolet.web.api.paging import Cursor, Limit, Page, decode, number, part, whole
from ultraviolet.web.gate import GivenHub, at_least
from ultraviolet.web.reading import objects
from ultraviolet.web.reading.objects import Counted, ObjectShown, VersionShown, Wanted

TAGS = ["objects"]


@get("/objects", guards=[at_least("viewer")], tags=TAGS)
async def list_resources(hub: GivenHub, integration: IntegrationName = None) -> Page[Counted]:
    """List the resources of which the mirror has objects, with counts."""

    def read(connection: Connection) -> list[Counted]:
        return objects.counts(connection, hub.catalog, one(connection, integration))

    return whole(await hub.store.read(read))


@get("/objects/{resource:str}", guards=[at_least("viewer")], tags=TAGS)
async def list_objects(
    hub: GivenHub,
    resource: FromPath[str],
    integration: IntegrationName = None,
    q: Annotated[
        str | None, QueryParameter(required=False, description="Text in any field, or the id.")
    ] = None,
    condition: Annotated[
        Literal["fresh", "stale", "partial", "deleted", "any"] | None,
        QueryParameter(name="state", required=False, description="Left out: all that are not deleted."),
    ] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[ObjectShown]:
    """List objects in the order of their ids; the resource may be named in any style, singular or plural."""
    known = objects.resource_of(hub.catalog, resource)
    after = decode(cursor)

    def read(connection: Connection) -> list[ObjectShown]:
        wanted = Wanted(one(connection, integration), known, q or None, condition)
        return objects.by_id(connection, wanted, after, limit + 1)

    return part(await hub.store.read(read), limit, lambda shown: shown.id)


@get("/objects/{resource:str}/{object_id:str}", guards=[at_least("viewer")], tags=TAGS)
async def get_object(
    hub: GivenHub, resource: FromPath[str], object_id: FromPath[str], integration: IntegrationName = None
) -> ObjectShown:
    """Read one object with its links resolved."""
    known = objects.resource_of(hub.catalog, resource)

    def read(connection: Connection) -> ObjectShown:
        return objects.one(connection, one(connection, integration), known, object_id)

    found = await hub.store.read(read)
    hub.attend(found.integration_id, known.name, object_id)
    return found


@get("/objects/{resource:str}/{object_id:str}/history", guards=[at_least("viewer")], tags=TAGS)
async def get_history(
    hub: GivenHub,
    resource: FromPath[str],
    object_id: FromPath[str],
    integration: IntegrationName = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[VersionShown]:
    """List the versions of one object, newest first, each with what changed and where it comes from."""
    known, before = objects.resource_of(hub.catalog, resource), number(cursor)

    def read(connection: Connection) -> list[VersionShown]:
        found = one(connection, integration)
        objects.one(connection, found, known, object_id)
        return objects.history(connection, found, known, object_id, before, limit + 1)

    return part(await hub.store.read(read), limit, lambda version: version.version)


HANDLERS = [list_resources, list_objects, get_object, get_history]
