"""API: integrations, how they are, and what makes them prove it."""

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.models import Integration, IntegrationChanges, NewIntegration
from ultraviolet.hub.integrations.resource_selection import SelectableResource, list_selectable
from ultraviolet.web.http.pagination import Cursor, Limit, Page, full_page, number, page_of
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.middleware.etags import IfMatch, check_if_match
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.summary import Summary

TAGS = ["integrations"]


class IntegrationFreshness(Freshness, frozen=True, kw_only=True):
    """How much the mirror of an integration can be trusted now, with the figures."""

    summary: Summary


@get("/integrations", guards=[require_role("viewer")], tags=TAGS)
async def list_integrations(
    hub: GivenHub, cursor: Cursor = None, limit: Limit = 100
) -> Page[Integration]:
    """List integrations in the order they were added."""
    after = number(cursor) or 0
    found = await hub.database.read(integrations.list_page, after, limit + 1)
    return page_of(found, limit, lambda one: one.id)


@post("/integrations", guards=[require_role("admin")], tags=TAGS)
async def create_integration(
    hub: GivenHub, caller: GivenCaller, data: JSONBody[NewIntegration]
) -> Integration:
    """Connect to an ION; test it next."""
    made = await hub.database.write(integrations.create, hub.secrets, caller.name, data)
    await hub.pool.integrations_changed()
    return made


@get("/integrations/{integration:str}", guards=[require_role("viewer")], tags=TAGS)
async def get_integration(hub: GivenHub, integration: FromPath[str]) -> Integration:
    """Read one integration by number or name."""
    return await hub.database.read(integrations.find, integration)


@patch("/integrations/{integration:str}", guards=[require_role("admin")], tags=TAGS)
async def update_integration(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[IntegrationChanges],
    if_match: IfMatch = None,
) -> Integration:
    """Change what is given; the rest stays."""

    def write(connection: Connection) -> Integration:
        found = integrations.find_to_change(connection, integration)
        check_if_match(if_match, found)
        return integrations.edit(connection, hub.secrets, caller.name, found.id, data)

    changed = await hub.database.write(write)
    await hub.pool.integrations_changed()
    return changed


@delete("/integrations/{integration:str}", guards=[require_role("admin")], tags=TAGS)
async def delete_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str], if_match: IfMatch = None
) -> None:
    """Forget an integration with its URLs, events, objects and their history.

    A big one is there for some minutes more, paused and under a name that says that it is being removed.
    """

    def which(connection: Connection) -> int:
        found = integrations.find_to_change(connection, integration)
        check_if_match(if_match, found)
        return found.id

    await hub.remove(caller.name, which)


@post(
    "/integrations/{integration:str}/test",
    guards=[require_role("operator")],
    status_code=200,
    tags=TAGS,
)
async def test_integration(hub: GivenHub, integration: FromPath[str]) -> TestResult:
    """Test the connection: who the key is, what it may read, and what is wrong in words."""
    return await hub.connections.test(await _id(hub, integration))


@post(
    "/integrations/{integration:str}/pause",
    guards=[require_role("operator")],
    status_code=200,
    tags=TAGS,
)
async def pause_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str]
) -> Integration:
    """Stop reading from this ION; deliveries are still kept."""
    found = await _id(hub, integration)
    paused = await hub.database.write(integrations.pause, caller.name, found)
    await hub.pool.integrations_changed()
    return paused


@post(
    "/integrations/{integration:str}/resume",
    guards=[require_role("operator")],
    status_code=200,
    tags=TAGS,
)
async def resume_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str]
) -> Integration:
    """Go on where it was paused."""
    found = await _id(hub, integration)
    resumed = await hub.database.write(integrations.resume, caller.name, found)
    await hub.pool.integrations_changed()
    return resumed


@get("/integrations/{integration:str}/freshness", guards=[require_role("viewer")], tags=TAGS)
async def get_freshness(hub: GivenHub, integration: FromPath[str]) -> IntegrationFreshness:
    """Tell in one sentence whether the mirror can be trusted now, why not, and for each resource what proved it when."""

    def read(connection: Connection) -> IntegrationFreshness:
        found = integrations.find(connection, integration)
        judged = msgspec.structs.asdict(hub.freshness(connection, found))
        return IntegrationFreshness(**judged, summary=queries_summary.summary(connection, found.id))

    return await hub.database.read(read)


@get("/integrations/{integration:str}/resources", guards=[require_role("viewer")], tags=TAGS)
async def list_integration_resources(
    hub: GivenHub, integration: FromPath[str]
) -> Page[SelectableResource]:
    """List every resource that can be mirrored, by domain: whether it is chosen, and how many objects there are.

    Choose others with `resources` of the integration itself.
    """

    def read(connection: Connection) -> list[SelectableResource]:
        found = integrations.find(connection, integration)
        offered = integrations.offered_schema(connection, hub.catalog, found.id)
        return list_selectable(connection, hub.catalog, found.id, found.resources, offered)

    return full_page(await hub.database.read(read))


async def _id(hub: Hub, integration: str) -> int:
    return (await hub.database.read(integrations.find, integration)).id


HANDLERS = [
    list_integrations,
    create_integration,
    get_integration,
    update_integration,
    delete_integration,
    test_integration,
    pause_integration,
    resume_integration,
    get_freshness,
    list_integration_resources,
]
