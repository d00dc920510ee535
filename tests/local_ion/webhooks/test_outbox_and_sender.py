"""Deliveries of the local ION: outbox, sender and webhook events."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ultraviolet import times
from ultraviolet.ion import catalog
from ultraviolet.ion.signatures import sign
from ultraviolet.local_ion.store.store import Store
from ultraviolet.local_ion.webhooks.outbox import Outbox
from ultraviolet.local_ion.webhooks.quirks import Quirks
from ultraviolet.local_ion.webhooks.sender import RetryPolicy, Sender, is_success

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


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ion.db", catalog.load(), times.now)
    yield store
    store.close()


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


def told(
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


def test_body_has_the_assumed_format(store: Store) -> None:
    bodies = told(store, Quirks(), *ORDERS)
    order = insert(store, "purchase_orders", status="draft", description="Valves")
    assert [b["action"] for b in bodies()] == ["CREATE"]
    update(store, "purchase_orders", order, status="ordered")
    (body,) = bodies()
    assert set(body) == {
        "event_id", "subscription_id", "resource", "action", "id", "transaction_id", "timestamp", "actor_id", "changes",
    }  # fmt: skip
    assert (body["resource"], body["action"], body["id"]) == ("purchase_orders", "UPDATE", order)
    assert body["changes"]["status"] == {"old": "draft", "new": "ordered"}


def test_delete_carries_the_whole_row(store: Store) -> None:
    bodies = told(store, Quirks(), *ORDERS)
    order = insert(store, "purchase_orders", status="draft", description="Valves")
    with store.write(None) as transaction:
        transaction.delete("purchase_orders", order)
    created, deleted = bodies()
    assert created["id"] == deleted["id"] == order
    assert deleted["changes"]["description"] == {"old": "Valves"}


def test_new_order_lines_have_no_event_with_the_quirk(store: Store) -> None:
    order = insert(store, "purchase_orders", status="draft")
    quiet = told(store, Quirks(), *LINES)
    line = insert(
        store, "purchase_order_lines", purchase_order_id=order, status="draft", quantity=1.0
    )
    assert quiet() == []
    update(store, "purchase_order_lines", line, quantity=2.0)
    assert [b["action"] for b in quiet()] == ["UPDATE"]


def test_new_order_lines_have_an_event_without_the_quirk(store: Store) -> None:
    order = insert(store, "purchase_orders", status="draft")
    loud = told(store, Quirks.without(["no_event_for_new_po_lines"]), *LINES)
    insert(store, "purchase_order_lines", purchase_order_id=order, status="draft", quantity=1.0)
    assert [b["action"] for b in loud()] == ["CREATE"]


@pytest.mark.parametrize(
    ("off", "change"),
    [([], {"new": "hose"}), (["empty_to_populated_without_old"], {"old": None, "new": "hose"})],
)
def test_change_from_empty_omits_the_old_value(
    store: Store, off: list[str], change: dict[str, Any]
) -> None:
    bodies = told(store, Quirks.without(off), *ORDERS)
    order = insert(store, "purchase_orders", status="draft")
    update(store, "purchase_orders", order, description="hose")
    assert bodies()[-1]["changes"]["description"] == change


def test_links_are_keys_with_the_quirk(store: Store) -> None:
    dock = insert(store, "locations", name="Dock 4", type="warehouse", available=1, archived=0)
    order = insert(store, "purchase_orders", status="draft")
    keys = told(store, Quirks(), *ORDERS)
    update(store, "purchase_orders", order, ship_to_location_id=dock)
    changes = keys()[0]["changes"]
    assert changes["ship_to_location_id"]["new"] == dock
    assert "ship_to_location" not in changes


def test_links_are_objects_without_the_quirk(store: Store) -> None:
    dock = insert(store, "locations", name="Dock 4", type="warehouse", available=1, archived=0)
    order = insert(store, "purchase_orders", status="draft")
    objects = told(store, Quirks.without(["links_as_foreign_keys"]), *ORDERS)
    update(store, "purchase_orders", order, ship_to_location_id=dock)
    assert objects()[0]["changes"]["ship_to_location"]["new"]["name"] == "Dock 4"


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


def test_later_values_of_a_creation_have_no_event_with_the_quirk(store: Store) -> None:
    bodies = told(store, Quirks(), *ORDERS, ATTRIBUTES)
    create_in_two_steps(store)
    (created,) = bodies()
    assert "description" not in created["changes"]


def test_later_values_of_a_creation_have_an_event_without_the_quirk(store: Store) -> None:
    bodies = told(store, Quirks.without(["creates_are_partial"]), *ORDERS, ATTRIBUTES)
    create_in_two_steps(store)
    assert [(b["resource"], b["action"]) for b in bodies()] == [
        ("purchase_orders", "CREATE"),
        ("purchase_orders_attributes", "CREATE"),
        ("purchase_orders", "UPDATE"),
    ]


def test_only_active_subscriptions_of_active_receivers_get_deliveries(store: Store) -> None:
    subscribe(store, "http://localhost/hook", *ORDERS, active=0)
    bodies = told(store, Quirks(), ("suppliers", "create"))
    insert(store, "purchase_orders", status="draft")
    assert bodies() == []


def test_one_delivery_for_each_matching_subscription(store: Store) -> None:
    subscribe(store, "http://localhost/other", *ORDERS)
    bodies = told(store, Quirks(), *ORDERS)
    insert(store, "purchase_orders", status="draft")
    assert len({b["subscription_id"] for b in bodies()}) == 2


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


def test_delivery_is_signed_and_recorded(store: Store) -> None:
    inbox = asyncio.run(deliver_one(store, [204]))
    ((headers, body),) = inbox.got
    assert headers["x-ion-signature"] == sign("s3cret", body)
    assert (headers["content-type"], headers["x-plant"]) == ("application/json", "north")
    (event,) = events(store)
    assert event["id"] == json.loads(body)["event_id"]
    assert (event["status"], event["response_status_code"], event["number_of_retries"]) == (
        "succeeded",
        204,
        0,
    )
    assert (event["request_data"], event["response_data"]) == (body.decode(), "")


def test_failed_attempts_are_retried(store: Store) -> None:
    inbox = asyncio.run(deliver_one(store, [500, 503]))
    assert len({body for _, body in inbox.got}) == 1
    (event,) = events(store)
    assert (len(inbox.got), event["status"], event["number_of_retries"]) == (3, "succeeded", 2)


def test_delivery_fails_after_the_last_retry(store: Store) -> None:
    inbox = asyncio.run(deliver_one(store, [500] * 10))
    (event,) = events(store)
    assert (len(inbox.got), event["status"], event["response_status_code"]) == (4, "failed", 500)


def test_other_expected_status_must_match_exactly(store: Store) -> None:
    inbox = asyncio.run(deliver_one(store, [200, 202], expected_response_code=202))
    (event,) = events(store)
    assert (len(inbox.got), event["status"], event["response_status_code"]) == (2, "succeeded", 202)


@pytest.mark.parametrize(
    ("code", "expected", "good"),
    [(200, 200, True), (204, 200, True), (301, 200, False), (200, 202, False)],
)
def test_is_success_accepts_expected_statuses(code: int, expected: int, *, good: bool) -> None:
    assert is_success(code, expected) is good


def test_unfinished_deliveries_are_resumed_without_duplicates(store: Store) -> None:
    async def story() -> Inbox:
        async with receiver() as inbox:
            subscribe(store, inbox.url, *ORDERS)
            insert(store, "purchase_orders", status="draft")
            assert len(Outbox(store, Quirks()).publish()) == 1
            async with sending(Outbox(store, Quirks())):
                await until(lambda: events(store)[0]["status"] == "succeeded")
        return inbox

    assert len(asyncio.run(story()).got) == 1
    assert len(events(store)) == 1


def test_commit_is_delivered_quickly(store: Store) -> None:
    async def story() -> float:
        async with receiver() as inbox:
            subscribe(store, inbox.url, *ORDERS)
            async with sending(Outbox(store, Quirks())) as sender:
                delays: list[float] = []
                for number in range(1, 31):
                    await asyncio.to_thread(insert, store, "purchase_orders", status="draft")
                    committed = time.perf_counter()
                    sender.wake()
                    await until(lambda expected=number: len(inbox.got) == expected)
                    delays.append(inbox.times[-1] - committed)
        return sorted(delays)[len(delays) // 2]

    assert asyncio.run(story()) < 0.05


def test_burst_is_delivered_completely(store: Store) -> None:
    async def story() -> Inbox:
        async with receiver() as inbox:
            subscribe(store, inbox.url, *ORDERS)
            async with sending(Outbox(store, Quirks())) as sender:
                for _ in range(600):
                    await asyncio.to_thread(insert, store, "purchase_orders", status="draft")
                sender.wake()
                await until(lambda: len(inbox.got) == 600, 20)
        return inbox

    inbox = asyncio.run(story())
    assert len({b["event_id"] for b in inbox.bodies}) == 600
    assert {e["status"] for e in events(store)} <= {"succeeded", "sending"}
