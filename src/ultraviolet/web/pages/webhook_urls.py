"""Pages: webhook URLs. Only the page after creating or rotating one shows the full URL."""

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
from ultraviolet.web.http.params import optional_integration
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, AnyRequest, GivenCaller, GivenHub
from ultraviolet.web.pages.charts import Chart, Series, columns
from ultraviolet.web.pages.events.listing import mirrored_names
from ultraviolet.web.pages.formats.names import words
from ultraviolet.web.pages.forms.form_values import confirm, number_in
from ultraviolet.web.pages.one_time import OneTimeSecret, find_secret, redirect_with_secret
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import delivery_counts, events
from ultraviolet.web.queries.delivery_counts import DeliveryHour
from ultraviolet.web.queries.events import EventFilter

_HOURS = 48
_LAST_EVENTS = 10
WEBHOOK_URL = "webhook_url"
"""The kind of one-time secret that is the full address of a webhook URL."""


class DayCount(msgspec.Struct, frozen=True):
    """Deliveries to a URL in the last 24 hours."""

    received: int
    rejected: int


@get("/webhooks", guards=VIEWER)
async def show_all(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    integration: FromQuery[str] = "",
) -> Response[str]:
    """List all URLs; the full address of a new one is shown to its creator."""

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        urls = [url for one in choice for url in webhook_urls.list_urls(connection, one.id)]
        return {
            "integrations": choice,
            "names": {one.id: one.name for one in choice},
            "urls": urls,
            "day": count_day(connection, urls),
            "chosen": optional_integration(connection, integration),
            "usual_name": webhook_setup.RECEIVER_NAME,
        }

    found = await hub.database.read(read)
    secret = find_secret(request, hub, caller.name, WEBHOOK_URL)
    return render.page(
        request,
        "webhooks.html",
        secret=secret,
        created=next(
            (url for url in found["urls"] if secret and url.id == secret.subject_id), None
        ),
        **found,
    )


@get("/webhooks/{url_id:int}", guards=VIEWER)
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
        found = events.list_page(
            connection, hub.catalog, EventFilter(webhook_url_id=url_id), None, _LAST_EVENTS
        )
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
        mirrored=mirrored_names(hub),
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
    times = [f"{hour}:00:00Z" for hour in hours]
    return columns([f"{hour[11:]}:00" for hour in hours], series, says, times=times)


@post("/webhooks", guards=ADMIN)
async def create(request: AnyRequest, hub: GivenHub, caller: GivenCaller) -> Redirect:
    """Create a URL; the next page shows it."""
    sent = await request.form()
    integration_id, name = number_in(sent, "integration"), str(sent.get("name", ""))
    url, token = await hub.database.write(
        webhook_urls.create_url, caller.name, integration_id, name
    )
    await hub.ingest.refresh()
    text = webhook_urls.public_address(hub.public_url, token)
    return redirect_with_url(request, hub, caller.name, "/webhooks", url, text)


def guide_address(url: webhook_urls.WebhookUrl) -> str:
    """Return the address of the manual setup of a URL."""
    return f"/integrations/{url.integration_id}/set-up?way=manual&url={url.id}"


def redirect_with_url(
    request: AnyRequest,
    hub: Hub,
    caller: str,
    address: str,
    url: webhook_urls.WebhookUrl,
    text: str,
    detail: str = "",
) -> Redirect:
    """Redirect to a page that shows the full address of a URL."""
    secret = OneTimeSecret(WEBHOOK_URL, f"Webhook URL “{url.name}” created", text, url.id, detail)
    return redirect_with_secret(request, hub, caller, address, secret)


@post("/webhooks/{url_id:int}/rotate", guards=ADMIN)
async def rotate(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, url_id: FromPath[int]
) -> Redirect:
    """Create a successor; the next page shows it."""
    rotated = await webhook_setup.rotate_url(hub.connections, caller.name, url_id)
    await hub.ingest.refresh()
    return redirect_with_url(
        request, hub, caller.name, "/webhooks", rotated.webhook_url, rotated.url, rotated.detail
    )


@post("/webhooks/{url_id:int}/revoke", guards=ADMIN)
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
