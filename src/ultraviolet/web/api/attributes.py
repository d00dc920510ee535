"""API: the custom attributes of a resource, which are columns of lists, filters, views and exports."""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter
from sqlalchemy import Connection

from ultraviolet.db import attributes
from ultraviolet.ion.attributes import Attribute
from ultraviolet.web.http.pagination import Cursor, Limit, Page, part_of
from ultraviolet.web.http.params import IntegrationName, required_integration
from ultraviolet.web.middleware.auth import VIEWER, GivenHub
from ultraviolet.web.queries import objects

TAGS = ["objects"]

ResourceName = Annotated[
    str | None,
    QueryParameter(required=False, description="Name of a resource. Default: all resources."),
]


@get("/attributes", guards=VIEWER)
async def list_attributes(
    hub: GivenHub,
    integration: IntegrationName = None,
    resource: ResourceName = None,
    cursor: Cursor = None,
    limit: Limit = 1000,
) -> Page[Attribute]:
    """List custom attributes.

    Lists the attributes that objects of the integration have or had, in the order in which the hub
    learned them. `column` is the name in SQL views, exports, filters and the order of lists.
    """
    only = objects.resource_name(hub.catalog, resource)

    def read(connection: Connection) -> list[Attribute]:
        found = attributes.load(connection, required_integration(connection, integration))
        return [each for each in found if only in (None, each.resource)]

    return part_of(await hub.database.read(read), cursor, limit)
