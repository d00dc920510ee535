"""API: what webhooks alone would have left wrong, for how long, and what put it right."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.errors import InvalidError
from ultraviolet.hub import integrations
from ultraviolet.hub.hub import Hub
from ultraviolet.times import canonical
from ultraviolet.web.api.paging import Cursor, Limit, Page, number, part
from ultraviolet.web.gate import GivenHub, at_least
from ultraviolet.web.reading import drift, objects
from ultraviolet.web.reading.drift import By, Drifted, DriftFilter, DriftReport

TAGS = ["proof"]

Text = Annotated[str | None, QueryParameter(required=False)]
Time = Annotated[str | None, QueryParameter(required=False, description="RFC 3339.")]


@get("/integrations/{integration:str}/drift", guards=[at_least("viewer")], tags=TAGS)
async def get_drift(
    hub: GivenHub,
    integration: FromPath[str],
    resource: Text = None,
    cause: Text = None,
    since: Time = None,
    until: Time = None,
    by: Annotated[By, QueryParameter(required=False)] = "hour",
) -> DriftReport:
    """Tell by resource and cause how much webhooks alone would have left wrong, for how long, and what healed it."""
    wanted = _wanted(hub, resource, cause, since, until)

    def read(connection: Connection) -> DriftReport:
        return drift.report(connection, integrations.find(connection, integration).id, wanted, by)

    return await hub.store.read(read)


@get("/integrations/{integration:str}/drift/samples", guards=[at_least("viewer")], tags=TAGS)
async def list_drift(
    hub: GivenHub,
    integration: FromPath[str],
    resource: Text = None,
    cause: Text = None,
    since: Time = None,
    until: Time = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[Drifted]:
    """List objects that webhooks alone would have left wrong, newest first."""
    before, wanted = number(cursor), _wanted(hub, resource, cause, since, until)

    def read(connection: Connection) -> list[Drifted]:
        found = integrations.find(connection, integration).id
        return drift.samples(connection, found, wanted, before, limit + 1)

    return part(await hub.store.read(read), limit, lambda one: one.seq)


def moment(given: str | None) -> str | None:
    """Read a time as it came in a query; raises InvalidError."""
    if given is None:
        return None
    try:
        return canonical(given.replace(" ", "+"))  # a plus sign that was not escaped arrives as a space
    except ValueError as error:
        raise InvalidError(f"{given} is not a time; write one as 2026-11-24T21:00:00Z.") from error


def _wanted(
    hub: Hub, resource: str | None, cause: str | None, since: str | None, until: str | None
) -> DriftFilter:
    named = objects.resource_of(hub.catalog, resource).name if resource else None
    return DriftFilter(named, cause, moment(since), moment(until))


HANDLERS = [get_drift, list_drift]
