"""Page: all integrations at a glance; what is wrong with one never looks healthy."""

from collections.abc import Iterator

import msgspec
from litestar import Response, get
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import Integration
from ultraviolet.web.gate import AnyRequest, GivenHub, at_least
from ultraviolet.web.pages.render import GivenRenderer
from ultraviolet.web.reading import freshness
from ultraviolet.web.reading.freshness import Summary


class Finding(msgspec.Struct, frozen=True):
    """One thing to know, in a word or two."""

    word: str
    tone: str


class Card(msgspec.Struct, frozen=True):
    """One integration."""

    integration: Integration
    summary: Summary
    findings: list[Finding]
    problem: str | None
    """What keeps ION from answering now."""


@get("/", guards=[at_least("viewer")], include_in_schema=False)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show one card for each integration."""

    def read(connection: Connection) -> list[Card]:
        return [
            _card(hub, one, freshness.summary(connection, one.id))
            for one in integrations.list_page(connection)
        ]

    return render.page(request, "overview.html", cards=await hub.store.read(read))


def _card(hub: Hub, integration: Integration, summary: Summary) -> Card:
    at_work = hub.controllers.get(integration.id)
    problem = at_work.problem if at_work else None
    return Card(integration, summary, list(_findings(integration, summary)), problem)


def _findings(integration: Integration, summary: Summary) -> Iterator[Finding]:
    if integration.paused:
        yield Finding("paused", "warn")
    if integration.test_result and not integration.test_result.ok:
        yield Finding("connection fails", "bad")
    if summary.last_event_at is None:
        yield Finding("no delivery yet", "warn")
    if summary.last_fetch_at is None:
        yield Finding("never fetched", "warn")
    if summary.stale:
        yield Finding("catching up", "warn")
    elif summary.last_fetch_at and not integration.paused:
        yield Finding("fresh", "good")


HANDLERS = [show]
