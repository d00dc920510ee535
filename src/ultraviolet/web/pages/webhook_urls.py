"""Pages: webhook URLs. Only the response to creating or rotating one shows the full URL."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.charts import Chart, Series, columns
from ultraviolet.web.pages.templating import GivenRenderer, Renderer, confirm, number_in, words
from ultraviolet.web.queries import delivery_counts, events
from ultraviolet.web.queries.delivery_counts import DeliveryHour
from ultraviolet.web.queries.events import EventFilter

_HOURS = 48
_LAST_EVENTS = 10


class DayCount(msgspec.Struct, frozen=True):
    """Deliveries to a URL in the last 24 hours."""

    received: int
    rejected: int


class Shown(msgspec.Struct, frozen=True):
    """A webhook URL with its secret part, shown once after its creation."""

    name: str
    integration_id: int
    url: str
    detail: str = ""


@get("/webhooks", guards=[require_role("viewer")], include_in_schema=False)
async def show_all(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration: FromQuery[str] = ""
) -> Response[str]:
    """List all URLs, without their secret parts."""
    return await _page(request, hub, render, None, integration)


@get("/webhooks/{url_id:int}", guards=[require_role("viewer")], include_in_schema=False)
async def show(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, url_id: FromPath[int]
) -> Response[str]:
    """Show one URL with its hourly deliveries and last events."""
    now = clock.utc_now()
    hours = [
        clock.format_rfc3339(now - timedelta(hours=ago))[:13] for ago in range(_HOURS - 1, -1, -1)
    ]

    def read(connection: Connection) -> dict[str, Any]:
        url = webhook_urls.get_url(connection, url_id)
        found = events.list_page(connection, EventFilter(webhook_url_id=url_id), None, _LAST_EVENTS)
        return {
            "url": url,
            "integration": integrations.get(connection, url.integration_id),
            "totals": delivery_counts.sum_by_outcome(connection, [url_id], "")[url_id],
            "events": found.events,
            "by_hour": delivery_counts.list_hours(connection, url_id, hours[0]),
        }

    context = await hub.database.read(read)
    url = context["url"]
    return render.page(
        request,
        "webhook.html",
        **context,
        chart=_chart(context["by_hour"], hours),
        recovered=(url.last_delivery_at or "") > (url.last_failure_at or ""),
        outcomes=delivery_counts.OUTCOMES,
        next_steps=delivery_counts.NEXT_STEPS,
        mirrored=frozenset(resource.name for resource in hub.catalog.mirrored),
    )


def _chart(found: list[DeliveryHour], hours: list[str]) -> Chart:
    known = {hour.at: hour.counts for hour in found}
    series = [
        Series(words(outcome), [known.get(hour, {}).get(outcome, 0) for hour in hours])
        for outcome in delivery_counts.OUTCOMES
        if outcome == "taken" or any(outcome in counts for counts in known.values())
    ]
    taken, *failed = [sum(value or 0 for value in line.values) for line in series]
    says = (
        f"Deliveries per hour over the last {_HOURS} hours: "
        f"{taken:,} received, {sum(failed):,} rejected."
    )
    return columns([f"{hour[11:]}:00" for hour in hours], series, says)


@post("/webhooks", guards=[require_role("admin")], status_code=201, include_in_schema=False)
async def mint(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, caller: GivenCaller
) -> Response[str]:
    """Create a URL and show it once."""
    sent = await request.form()
    integration_id, name = number_in(sent, "integration"), str(sent.get("name", ""))
    made, token = await hub.database.write(
        webhook_urls.create_url, caller.name, integration_id, name
    )
    await hub.ingest.refresh()
    return await _page(request, hub, render, _shown(hub, made, token))


@post("/webhooks/{url_id:int}/rotate", guards=[require_role("admin")], include_in_schema=False)
async def rotate(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    url_id: FromPath[int],
) -> Response[str]:
    """Create a successor and show it once."""
    rotated = await webhook_setup.rotate_url(hub.connections, caller.name, url_id)
    await hub.ingest.refresh()
    url = rotated.webhook_url
    return await _page(
        request, hub, render, Shown(url.name, url.integration_id, rotated.url, rotated.detail)
    )


@post("/webhooks/{url_id:int}/revoke", guards=[require_role("admin")], include_in_schema=False)
async def revoke(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, url_id: FromPath[int]
) -> Redirect:
    """Revoke a URL."""
    url = await hub.database.read(webhook_urls.get_url, url_id)
    confirm(await request.form(), url.name, "The URL still receives deliveries.")
    await hub.database.write(webhook_urls.revoke_url, caller.name, url_id)
    await hub.ingest.refresh()
    return Redirect("/webhooks", status_code=303)


def count_day(
    connection: Connection, urls: Sequence[webhook_urls.WebhookUrl]
) -> dict[int, DayCount]:
    """Count the deliveries of the last 24 hours by URL."""
    ids = [url.id for url in urls]
    totals = delivery_counts.sum_by_outcome(connection, ids, delivery_counts.hour_one_day_ago())
    counts = {url_id: totals.get(url_id, {}) for url_id in ids}
    return {
        url_id: DayCount(found.get("taken", 0), sum(found.values()) - found.get("taken", 0))
        for url_id, found in counts.items()
    }


def _shown(hub: Hub, url: webhook_urls.WebhookUrl, token: str) -> Shown:
    return Shown(url.name, url.integration_id, webhook_urls.public_address(hub.public_url, token))


async def _page(
    request: AnyRequest, hub: Hub, render: Renderer, shown: Shown | None, integration: str = ""
) -> Response[str]:
    def read(connection: Connection) -> dict[str, object]:
        choice = integrations.list_page(connection)
        urls = [url for one in choice for url in webhook_urls.list_urls(connection, one.id)]
        return {
            "integrations": choice,
            "names": {one.id: one.name for one in choice},
            "urls": urls,
            "day": count_day(connection, urls),
            "chosen": int(integration) if integration.isdecimal() else None,
            "usual_name": webhook_setup.RECEIVER_NAME,
        }

    return render.page(
        request,
        "webhooks.html",
        status=201 if shown else 200,
        shown=shown,
        address="/webhooks",
        **await hub.database.read(read),
    )


HANDLERS = [show_all, show, mint, rotate, revoke]
