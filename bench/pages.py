"""`pages`: server time of every page over a full mirror; the baseline is a page without a query."""

import asyncio
import logging
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog

from bench.filled import INTEGRATION, fill
from bench.frame import Budget, Figure, Scale, Spread, expect, figure
from bench.hooks_server import set_up
from bench.stores import connect_directly, stores
from ultraviolet.hub.accounts import sessions, users
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.mirror import search_index
from ultraviolet.server.serve import freeze_startup_objects
from ultraviolet.web.app import create_app
from ultraviolet.web.middleware.auth import COOKIE

OBJECTS = 100_000
REQUESTS = 40
INDEXED_AT_ONCE = 1_000
AT_ONCE, USABLE = 100.0, 1000.0
"""Limits in milliseconds: up to 100,000 objects, and above."""
BARE = "/sign-in"
PAGES = {
    "overview": "/",
    "events": "/events",
    "events, none found": "/events?action=DELETE",
    "events, text in the body": "/events?q=nobody+says+this",
    "event": "/events/17",
    "objects": "/objects?integration=1",
    "table": "/objects/parts_inventory?integration=1",
    "table, second page": "/objects/parts_inventory?integration=1&cursor={cursor}",
    "table sorted by a field": "/objects/parts_inventory?integration=1&sort=-quantity",
    "table sorted by a time": "/objects/parts_inventory?integration=1&sort=-_created",
    "table sorted by a text": "/objects/parts_inventory?integration=1&sort=serialNumber",
    "table sorted by a time without an index": "/objects/parts_inventory?integration=1&sort=-_updated",
    "table sorted by a linked object": "/objects/parts_inventory?integration=1&sort=part.partNumber",
    "table sorted over two links": "/objects/purchase_order_lines"
    "?integration=1&sort=-purchaseOrder.supplier.name",
    "table sorted by a link that is often empty": "/objects/parts_inventory?integration=1&sort=supplier.name",
    "table narrowed, many": "/objects/parts_inventory?integration=1&where=quantity:from:500",
    "table narrowed, few": "/objects/parts_inventory?integration=1&where=serialNumber:is:sn-0000017",
    "table narrowed, one of two": "/objects/parts_inventory"
    "?integration=1&where=serialNumber:is:sn-0000017&where=or&where=serialNumber:is:sn-0000018",
    "table narrowed, none": "/objects/parts_inventory?integration=1&where=serialNumber:has:nobody",
    "table narrowed by a linked object": "/objects/purchase_order_lines"
    "?integration=1&where=purchaseOrder.supplierId:is:4&column=purchaseOrder.supplier.name",
    "table comparing two fields": "/objects/parts_inventory?integration=1&where=_created:same:_updated",
    "filter builder": "/objects/parts_inventory/filter",
    "columns": "/objects/parts_inventory/columns",
    "table, text found": "/objects/parts_inventory?integration=1&q=n-000001",
    "table, text not found": "/objects/parts_inventory?integration=1&q=nobody",
    "object": "/objects/parts_inventory/17",
    "object linked from many": "/objects/parts/1",
    "search, found": "/search?q=turbine",
    "search, one": "/search?q=SN-0000017",
    "search, not found": "/search?q=nobody+says+this",
    "fetches": "/fetches",
    "fetch": "/fetches/1",
    "drift": "/drift?integration=1",
    "drift, 90 days": "/drift?integration=1&days=90",
    "verifications": "/verifications",
    "verification": "/verifications/1",
    "integrations": "/integrations",
    "integration": "/integrations/1",
    "freshness": "/integrations/1/freshness",
    "webhooks": "/webhooks",
    "settings": "/settings",
    "audit log": "/settings/audit",
    "about": "/about",
}
SAYS = {
    "table": "SN-",
    "table narrowed, few": "SN-0000017",
    "table narrowed, one of two": "SN-0000018",
    "table narrowed, none": "No results",
    "table, text found": "SN-000001",
    "table, text not found": "No results",
    "object": "SN-0000017",
    "search, one": "SN-0000017",
    "search, not found": "No results for",
}
"""Text that a page must contain for its time to count."""


class Browser:
    """Calls the application without a network."""

    def __init__(self, app: Any, cookie: str) -> None:
        self._app = app
        self._cookie = cookie

    async def get(self, address: str, cookie: str | None = None) -> tuple[float, str]:
        """Return the milliseconds of a page, and the page; raise LossyRunError for an error."""
        path, _, query = address.partition("?")
        headers = [
            (b"host", b"127.0.0.1"),
            (b"accept", b"text/html"),
            (b"cookie", f"{COOKIE}={self._cookie if cookie is None else cookie}".encode()),
        ]
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "path": path,
        }
        scope |= {
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": headers,
            "scheme": "http",
        }
        scope |= {"client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80), "root_path": ""}
        status, parts = 0, list[bytes]()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))

        began = time.perf_counter()
        await self._app(scope, receive, send)
        took = (time.perf_counter() - began) * 1000
        expect(f"status of {address}", 200, status)
        return took, b"".join(parts).decode()


def measure(scale: Scale) -> list[Figure]:
    """Fill a hub, then request every page in turn with the baseline."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory() as directory, stores(scale.store) as found:
        figures: list[Figure] = []
        for store, new in found.items():
            data = Path(directory) / store
            data.mkdir()
            settings = Settings(data=data, database_url=new(data), public_url="http://127.0.0.1")
            hub = Hub.open(settings)
            freeze_startup_objects()
            figures += asyncio.run(_measured(hub, store, scale))
            hub.close()
        return figures


async def _measured(hub: Hub, store: str, scale: Scale) -> list[Figure]:
    set_up(hub)
    count = scale.amount(OBJECTS, 200)
    counts = fill(hub, count, scale.amount(60, 3))
    while hub.database.write_now(
        search_index.index_versions, hub.catalog, INTEGRATION, INDEXED_AT_ONCE
    ):
        pass
    await hub.field_indexes.index_lists()
    await hub.field_indexes.settled()
    _vacuum(hub.settings.database_url)
    browser = Browser(create_app(hub), hub.database.write_now(open_session))
    limit = AT_ONCE if count <= OBJECTS else USABLE
    figures = [
        await _page(hub, browser, name, address, store, scale, limit)
        for name, address in PAGES.items()
    ]
    _, page = await browser.get("/objects?integration=1")
    for number in counts.values():
        expect("number of objects of a resource on its page", True, f"{number:,}" in page)
    return [*figures, _all(figures, store, count, limit)]


async def _page(
    hub: Hub, browser: Browser, name: str, address: str, store: str, scale: Scale, limit: float
) -> Figure:
    if "{cursor}" in address:
        _, before = await browser.get(PAGES["table"])
        address = address.format(cursor=before.rpartition("cursor=")[2].partition('"')[0])
    first, page = await browser.get(address)
    await hub.field_indexes.settled()
    expect(f"“{SAYS.get(name, '<h1')}” on {name}", True, SAYS.get(name, "<h1") in page)
    took, bare = list[float](), list[float]()
    for _ in range(max(3, round(REQUESTS * min(1.0, scale.repeats / 5, scale.size)))):
        took.append((await browser.get(address))[0])
        bare.append((await browser.get(BARE, cookie=""))[0])
    slowest = sorted(took)[max(0, round(len(took) * 0.99) - 1)]
    budget = Budget("at most", limit, of="figure")
    return figure(
        f"pages: {name}",
        store,
        "ms",
        took,
        baseline=bare,
        budget=budget,
        note=f"p99 {slowest:.0f}, first request {first:.0f}",
    )


def _all(figures: list[Figure], store: str, count: int, limit: float) -> Figure:
    slowest = max(figures, key=lambda one: one.figure.median)
    return Figure(
        name=f"pages: slowest of {len(figures)} at {count:,} objects",
        store=store,
        unit="ms",
        figure=Spread(slowest.figure.least, slowest.figure.median, slowest.figure.most),
        baseline=slowest.baseline,
        ratio=slowest.ratio,
        budget=f"≤ {limit:g} (figure)",
        met=slowest.figure.median <= limit,
        note=slowest.name,
    )


def open_session(connection: Any) -> str:
    """Create a session of an administrator and return its cookie."""
    user = users.create_user(connection, "bench", "ada", "admin")
    return sessions.create_session(connection, user.id)


def _vacuum(address: str) -> None:
    """Update statistics and visibility on PostgreSQL, which does so itself after a minute."""
    if not address.startswith("sqlite"):
        with connect_directly(address) as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")
