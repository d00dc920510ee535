"""A receiver that stores its requests, and a sender to it, for tests of deliveries."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web

from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store.store import Store
from ultraviolet.local_ion.webhooks.outbox import Outbox
from ultraviolet.local_ion.webhooks.sender import RetryPolicy, Sender

QUICK = RetryPolicy(max_retries=3, first_pause_seconds=0.01, max_pause_seconds=0.02)


class Inbox:
    """A receiver with configurable responses that stores its requests."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.times: list[float] = []
        self.answers: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.got.append((headers, await request.read()))
        self.times.append(time.perf_counter())
        return web.Response(status=self.answers.pop(0) if self.answers else 200, text="thanks")

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


@contextlib.asynccontextmanager
async def receiver() -> AsyncIterator[Inbox]:
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/hook", inbox.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    inbox.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield inbox
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def sending(ledger: Outbox, retries: RetryPolicy = QUICK) -> AsyncIterator[Sender]:
    sender = Sender(ledger, retry_policy=retries, timeout_seconds=2)
    task = asyncio.create_task(sender.run())
    try:
        yield sender
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)


def subscribe(store: Store, url: str, *pairs: tuple[str, str], **receiver: Any) -> int:
    with store.write(None) as transaction:
        values = {"name": "Violet", "webhook_uri": url, "shared_secret": "s3cret", "active": 1}
        receiver_id = transaction.insert(
            "webhook_receivers", values | {"expected_response_code": 200} | receiver
        )
        for resource, action in pairs:
            transaction.insert(
                "webhook_subscriptions",
                {"resource": resource, "action": action, "receiver_id": receiver_id, "active": 1},
            )
    return receiver_id


def insert(store: Store, table: str, **values: Any) -> int:
    with store.write(None) as transaction:
        return transaction.insert(table, values)


def update(store: Store, table: str, key: int, **values: Any) -> None:
    with store.write(None) as transaction:
        transaction.update(table, key, values)


def events(store: Store) -> list[dict[str, Any]]:
    with store.write(None) as transaction:
        return transaction.find("webhook_events")


def new_bodies(
    store: Store, quirks: Quirks, *pairs: tuple[str, str]
) -> Callable[[], list[dict[str, Any]]]:
    """Subscribe, and return a function that returns the new bodies since its last call."""
    subscribe(store, "http://localhost/hook", *pairs)
    ledger = Outbox(store, quirks)
    ledger.publish()
    return lambda: [json.loads(d.body) for d in ledger.publish()]


ORDERS = (
    ("purchase_orders", "create"),
    ("purchase_orders", "update"),
    ("purchase_orders", "delete"),
)


LINES = (("purchase_order_lines", "create"), ("purchase_order_lines", "update"))


ATTRIBUTES = ("purchase_orders_attributes", "create")


def create_in_two_steps(store: Store) -> None:
    with store.write(None) as transaction:
        order = transaction.insert("purchase_orders", {"status": "draft"})
        transaction.insert(
            "purchase_orders_attributes",
            {
                "id": f"{order}-k",
                "purchase_order_id": order,
                "key": "k",
                "type": "string",
                "value": '"v"',
            },
        )
        transaction.update("purchase_orders", order, {"description": "filled later"})


async def deliver_one(store: Store, answers: list[int], **receiver_values: Any) -> Inbox:
    async with receiver() as inbox:
        inbox.answers = answers
        receiver_id = subscribe(store, inbox.url, *ORDERS, **receiver_values)
        with store.write(None) as transaction:
            header = transaction.insert("webhook_headers", {"key": "x-plant", "value": "north"})
            transaction.insert(
                "webhook_receiver_headers",
                {"webhook_receiver_id": receiver_id, "webhook_header_id": header},
            )
        ledger = Outbox(store, Quirks())
        ledger.publish()
        async with sending(ledger) as sender:
            insert(store, "purchase_orders", status="draft")
            sender.wake()
            await until(lambda: any(e["status"] in {"succeeded", "failed"} for e in events(store)))
    return inbox
