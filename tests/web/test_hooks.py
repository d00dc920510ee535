"""The door for deliveries: what it takes, and that it tells strangers nothing."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn

from ultraviolet.local_ion.server import listening
from ultraviolet.web.app import create_app
from ultraviolet.web.delivery_protocol import DeliveryProtocol
from ultraviolet.web.hooks import Hooks

BODY = {
    "event_id": 7,
    "subscription_id": 1,
    "resource": "purchase_orders",
    "action": "UPDATE",
    "id": 17,
    "timestamp": "2026-11-23T23:40:50.123456+00:00",
    "changes": {"status": {"old": "draft", "new": "ordered"}},
}


@pytest.fixture
def url(edge: Any, integration: dict[str, Any]) -> dict[str, Any]:
    return edge.api("POST", f"/integrations/{integration['id']}/webhook-urls").json()


def test_a_delivery_becomes_an_event_once(edge: Any, url: dict[str, Any]) -> None:
    for _ in range(2):
        answer = edge.send("POST", url["url"], content=json.dumps(BODY))
        assert (answer.status_code, answer.json()) == (200, {"received": True})
    (event,) = edge.get("/events")["items"]
    assert (event["resource"], event["object_id"], event["deliveries"]) == ("purchase_orders", "17", 2)
    assert json.loads(edge.get(f"/events/{event['seq']}")["body"]) == BODY


def test_unknown_malformed_and_revoked_addresses_answer_alike(edge: Any, url: dict[str, Any]) -> None:
    edge.api("DELETE", f"/webhook-urls/{url['id']}")
    paths = [url["url"], "/hooks/uvh_unknown", "/hooks/", "/hooks/a/b?c=d", "/hooks/%00%ff"]
    answers = [edge.send("POST", path, content=b"{}") for path in paths]
    assert {answer.status_code for answer in answers} == {404}
    assert len({(answer.content, tuple(answer.headers.items())) for answer in answers}) == 1


def test_only_post(edge: Any, url: dict[str, Any]) -> None:
    answer = edge.send("GET", url["url"])
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_a_body_that_is_too_large(edge: Any, url: dict[str, Any]) -> None:
    assert edge.send("POST", url["url"], content=b"x" * (1024 * 1024 + 1)).status_code == 413
    assert edge.get("/events")["items"] == []


def test_what_cannot_be_understood_is_kept(edge: Any, url: dict[str, Any]) -> None:
    assert edge.send("POST", url["url"], content=b"\xff not json").status_code == 200
    assert len(edge.get("/events")["items"]) == 1


class Watched(Hooks):
    """Counts what goes the long way."""

    def __init__(self, hub: Any) -> None:
        super().__init__(hub.ingest, create_app(hub))
        self.long = 0
        self.came = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.long += 1
        self.came.set()
        await super().__call__(scope, receive, send)


def test_only_what_arrives_whole_goes_the_short_way(edge: Any, url: dict[str, Any]) -> None:
    content = json.dumps(BODY).encode()
    request = (
        f"POST {urlsplit(url['url']).path} HTTP/1.1\r\nhost: hub\r\ncontent-length: {len(content)}\r\n\r\n"
    )
    watched = Watched(edge.hub)

    async def deliver(*pieces: bytes) -> int:
        reading, writing = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces[:-1]:
            writing.write(piece)
            await watched.came.wait()  # until it is taken for what it is
        writing.write(pieces[-1])
        head = await reading.readuntil(b"\r\n\r\n")
        writing.close()
        assert head.startswith(b"HTTP/1.1 200 ")
        return watched.long

    async def both() -> list[int]:
        await edge.hub.ingest.refresh()
        return [await deliver(request.encode() + content), await deliver(request.encode(), content)]

    with listening("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        config = uvicorn.Config(watched, http=DeliveryProtocol, lifespan="off", log_level="warning")
        server = uvicorn.Server(config)

        async def served() -> list[int]:
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            try:
                return await both()
            finally:
                server.should_exit = True
                await serving

        assert edge.runner.run(served()) == [0, 1]
