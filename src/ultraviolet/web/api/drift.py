"""API: drift, which webhooks alone would have left in the mirror, and its correction."""

from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter

from ultraviolet.hub.hub import Hub
from ultraviolet.mirror.drift import CAUSES
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.http.params import Time, in_integration, parse_choice, parse_time
from ultraviolet.web.middleware.auth import VIEWER, GivenHub
from ultraviolet.web.queries import drift, objects
from ultraviolet.web.queries.drift import By, DriftFilter, DriftReport, DriftSample

TAGS = ["drift"]

Text = Annotated[str | None, QueryParameter(required=False)]


@get("/integrations/{integration:str}/drift", guards=VIEWER)
async def get_drift(
    hub: GivenHub,
    integration: FromPath[str],
    resource: Text = None,
    cause: Text = None,
    since: Time = None,
    until: Time = None,
    by: Annotated[By, QueryParameter(required=False)] = "hour",
) -> DriftReport:
    """Get corrections report.

    By resource and cause: how many changes the hub corrected by reading ION, how long each was
    wrong, and what corrected it. `understood` counts changes that an event contained, late or in
    a form that simple receivers miss; they are not corrections.
    """
    drift_filter = _drift_filter(hub, resource, cause, since, until)
    return await hub.database.read(in_integration, integration, drift.get_report, drift_filter, by)


@get("/integrations/{integration:str}/drift/samples", guards=VIEWER)
async def list_drift_samples(
    hub: GivenHub,
    integration: FromPath[str],
    resource: Text = None,
    cause: Text = None,
    since: Time = None,
    until: Time = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DriftSample]:
    """List corrections.

    Newest first.
    Each is a correction of an object that webhooks alone would have left wrong.
    """
    before, drift_filter = number(cursor), _drift_filter(hub, resource, cause, since, until)
    query = drift.list_samples
    found = await hub.database.read(
        in_integration, integration, query, drift_filter, before, limit + 1
    )
    return page_of(found, limit, lambda sample: sample.seq)


def _drift_filter(
    hub: Hub, resource: str | None, cause: str | None, since: str | None, until: str | None
) -> DriftFilter:
    name = objects.resource_name(hub.catalog, resource)
    return DriftFilter(
        name,
        parse_choice("cause", cause, CAUSES),
        parse_time(since, "since"),
        parse_time(until, "until"),
    )
