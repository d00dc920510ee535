"""API: integrations with their freshness, resources, findings and retention."""

from typing import Annotated

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import StoredFinding
from ultraviolet.hub.health.freshness import Freshness
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import tested_changes
from ultraviolet.hub.integrations.connection_test import TestResult
from ultraviolet.hub.integrations.models import Integration, IntegrationChanges, NewIntegration
from ultraviolet.hub.integrations.resource_selection import SelectableResource, list_selectable
from ultraviolet.hub.runtime import retention
from ultraviolet.hub.runtime.retention import Retention, RetentionChanges
from ultraviolet.web.http.pagination import Cursor, Limit, Page, decode, number, page_of, part_of
from ultraviolet.web.http.params import in_integration, required_integration
from ultraviolet.web.middleware.auth import ADMIN, OPERATOR, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.middleware.etags import IfMatch, check_if_match
from ultraviolet.web.queries import summary as queries_summary
from ultraviolet.web.queries.summary import Summary

TAGS = ["integrations"]
Test = Annotated[
    bool,
    QueryParameter(
        required=False,
        description="Test the credentials first; save nothing if ION rejects them.",
    ),
]


class IntegrationFreshness(Freshness, frozen=True, kw_only=True):
    """Freshness of the mirror of an integration, with its figures."""

    summary: Summary


@get("/integrations", guards=VIEWER)
async def list_integrations(
    hub: GivenHub, cursor: Cursor = None, limit: Limit = 100
) -> Page[Integration]:
    """List integrations.

    Oldest first.
    """
    after = number(cursor) or 0
    found = await hub.database.read(integrations.list_page, after, limit + 1)
    return page_of(found, limit, lambda integration: integration.id)


@post("/integrations", guards=ADMIN)
async def create_integration(
    hub: GivenHub,
    caller: GivenCaller,
    data: JSONBody[NewIntegration],
    test: Test = False,
) -> Integration:
    """Create integration.

    Without `test`, test the connection next. Credentials that ION rejects are not used for a sync.
    """
    if test:
        created = await tested_changes.create_tested(hub.connections, caller.name, data)
    else:
        created = await hub.database.write(integrations.create, hub.secrets, caller.name, data)
    await hub.pool.integrations_changed()
    return created


@get("/integrations/{integration:str}", guards=VIEWER)
async def get_integration(hub: GivenHub, integration: FromPath[str]) -> Integration:
    """Get integration.

    By id or name.
    """
    return await hub.database.read(integrations.find, integration)


@patch("/integrations/{integration:str}", guards=ADMIN)
async def update_integration(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[IntegrationChanges],
    test: Test = False,
    if_match: IfMatch = None,
) -> Integration:
    """Update integration.

    Fields that are not sent keep their values.
    """

    def find(connection: Connection) -> Integration:
        found = integrations.find_to_change(connection, integration)
        check_if_match(if_match, found)
        return found

    def write(connection: Connection) -> Integration:
        id_ = find(connection).id
        return integrations.edit(connection, hub.secrets, caller.name, id_, data)

    if test:
        chosen = await hub.database.read(find)
        updated = await tested_changes.edit_tested(hub.connections, caller.name, chosen.id, data)
    else:
        updated = await hub.database.write(write)
    await hub.pool.integrations_changed()
    return updated


@delete("/integrations/{integration:str}", guards=ADMIN)
async def delete_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str], if_match: IfMatch = None
) -> None:
    """Delete integration.

    Deletes its webhook URLs, events, objects and their history.
    Deleting a large integration takes some minutes; until then it is listed as paused under a
    temporary name.
    """

    def find(connection: Connection) -> int:
        found = integrations.find_to_change(connection, integration)
        check_if_match(if_match, found)
        return found.id

    await hub.remove(caller.name, find)


@post("/integrations/{integration:str}/test", guards=OPERATOR, status_code=200)
async def test_integration(hub: GivenHub, integration: FromPath[str]) -> TestResult:
    """Test connection to ION.

    Returns the account of the API key, the resources it may read, and any problem with its next
    step.
    """
    return await hub.connections.test(await hub.database.read(required_integration, integration))


@post("/integrations/{integration:str}/pause", guards=OPERATOR, status_code=200)
async def pause_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str]
) -> Integration:
    """Pause integration.

    The hub stops reading from ION but still records deliveries.
    """
    found = await hub.database.read(required_integration, integration)
    paused = await hub.database.write(integrations.pause, caller.name, found)
    await hub.pool.integrations_changed()
    return paused


@post("/integrations/{integration:str}/resume", guards=OPERATOR, status_code=200)
async def resume_integration(
    hub: GivenHub, caller: GivenCaller, integration: FromPath[str]
) -> Integration:
    """Resume integration."""
    found = await hub.database.read(required_integration, integration)
    resumed = await hub.database.write(integrations.resume, caller.name, found)
    await hub.pool.integrations_changed()
    return resumed


@get("/integrations/{integration:str}/freshness", guards=VIEWER)
async def get_freshness(hub: GivenHub, integration: FromPath[str]) -> IntegrationFreshness:
    """Get freshness.

    One sentence says whether the mirror is fresh. Each resource has the time and source of
    its last proof.
    """

    def read(connection: Connection) -> IntegrationFreshness:
        found = integrations.find(connection, integration)
        freshness = msgspec.structs.asdict(hub.freshness(connection, found))
        return IntegrationFreshness(
            **freshness, summary=queries_summary.get_summary(connection, found.id)
        )

    return await hub.database.read(read)


@get("/integrations/{integration:str}/resources", guards=VIEWER)
async def list_integration_resources(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 1000
) -> Page[SelectableResource]:
    """List selectable resources.

    By domain.
    Each says whether it is selected and how many objects the mirror has. Select others with
    `resources` of `PATCH /integrations/{integration}`.
    """

    def read(connection: Connection) -> list[SelectableResource]:
        found = integrations.find(connection, integration)
        offered = integrations.offered_schema(connection, hub.catalog, found.id)
        return list_selectable(connection, hub.catalog, found.id, found.resources, offered)

    return part_of(await hub.database.read(read), cursor, limit)


class IonSchema(msgspec.Struct, frozen=True):
    """The part of ION's GraphQL schema that the hub uses, as ION's introspection showed it."""

    read: bool
    """Whether the hub has read it: at the last connection test or full sync."""
    types: dict[str, list[str]]
    """The names of the fields or values of each type; empty if it was not read."""


@get("/integrations/{integration:str}/ion-schema", guards=VIEWER)
async def get_ion_schema(hub: GivenHub, integration: FromPath[str]) -> IonSchema:
    """Get ION's schema.

    Returns the members of the types that the hub uses, as this ION offers them.
    """
    query = integrations.introspected_types
    types = await hub.database.read(in_integration, integration, query)
    return IonSchema(types is not None, types or {})


@get("/integrations/{integration:str}/findings", guards=VIEWER)
async def list_findings(
    hub: GivenHub,
    integration: FromPath[str],
    open_only: Annotated[
        bool, QueryParameter(name="open", required=False, description="Only open findings.")
    ] = False,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[StoredFinding]:
    """List findings.

    Open findings come first.
    Each has its severity, its next step, and the result of an automatic repair.
    """
    after, query = decode(cursor), finding_store.list_findings
    found = await hub.database.read(
        in_integration, integration, query, limit + 1, unresolved=open_only, after=after
    )
    return page_of(found, limit, finding_store.findings_cursor)


@get("/integrations/{integration:str}/retention", guards=VIEWER)
async def get_retention(hub: GivenHub, integration: FromPath[str]) -> Retention:
    """Get retention periods.

    Includes the amount of data eligible for deletion and the result of the last purge.
    """
    return await hub.database.read(in_integration, integration, retention.get_retention)


@patch("/integrations/{integration:str}/retention", guards=ADMIN)
async def update_retention(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[RetentionChanges],
    dry_run: Annotated[
        bool,
        QueryParameter(required=False, description="Only return the data that would be deleted."),
    ] = False,
) -> Retention:
    """Update retention periods.

    Periods are in days; null keeps data forever. Older data is deleted within minutes.
    """

    def write(connection: Connection) -> None:
        found = integrations.find(connection, integration)
        retention.update_retention(connection, caller.name, found.id, found.name, data)

    if not dry_run:
        await hub.database.write(write)
    return await hub.database.read(in_integration, integration, retention.get_retention, data)
