"""The sender: signed requests, retries and recorded attempts."""

import asyncio
import json
import time

import pytest
from tests.local_ion.webhooks.inbox import (
    ORDERS,
    Inbox,
    deliver_one,
    events,
    insert,
    receiver,
    sending,
    subscribe,
    until,
)

from ultraviolet.ion.signatures import sign
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.store.store import Store
from ultraviolet.local_ion.webhooks.outbox import Outbox
from ultraviolet.local_ion.webhooks.sender import is_success


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
