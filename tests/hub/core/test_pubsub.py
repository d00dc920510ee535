"""Publish and subscribe: all subscribers get messages, and a slow one blocks nobody."""

import asyncio
from typing import Any

from ultraviolet.hub.core.pubsub import PubSub


async def read(subscription: Any) -> list[Any]:
    return [message async for message in subscription]


def test_all_subscribers_get_messages_until_close() -> None:
    async def run() -> list[list[Any]]:
        pubsub = PubSub()
        pubsub.publish("event", 1)
        subscriptions = [pubsub.subscribe(), pubsub.subscribe()]
        pubsub.publish("event", 1, count=2)
        pubsub.publish_locally("object", 2)
        pubsub.close()
        return list(await asyncio.gather(*map(read, subscriptions)))

    messages = [
        {"kind": "event", "integration_id": 1, "count": 2},
        {"kind": "object", "integration_id": 2},
    ]
    assert asyncio.run(run()) == [messages, messages]


def test_only_published_messages_are_forwarded_to_other_processes() -> None:
    pubsub, forwarded = PubSub(), list[tuple[str, int]]()

    def forward(kind: str, integration_id: int) -> None:
        forwarded.append((kind, integration_id))

    pubsub.forward = forward
    pubsub.publish("event", 1, count=2)
    pubsub.publish_locally("object", 2)

    assert forwarded == [("event", 1)]


def test_slow_subscriber_misses_messages_and_others_get_all() -> None:
    async def run() -> tuple[int, int]:
        pubsub = PubSub()
        slow, fast = pubsub.subscribe(), pubsub.subscribe()
        received = 0
        for number in range(3000):
            pubsub.publish("event", number)
            assert (await anext(fast))["integration_id"] == number
            received += 1
        pubsub.close()
        return len(await read(slow)), received

    missed, received = asyncio.run(run())
    assert received == 3000
    assert 0 < missed < 3000


def test_ended_subscription_gets_no_more_messages() -> None:
    async def run() -> list[Any]:
        pubsub = PubSub()
        ended: Any = pubsub.subscribe()
        pubsub.publish("event", 1)
        await anext(ended)
        await ended.aclose()
        other = pubsub.subscribe()
        pubsub.publish("event", 2)
        pubsub.close()
        return [*await read(ended), *await read(other)]

    assert asyncio.run(run()) == [{"kind": "event", "integration_id": 2}]
