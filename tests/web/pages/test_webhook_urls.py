"""The webhooks pages: deliveries of each URL per hour and outcome, from all processes."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.service import MAX_BODY_BYTES

EVENT = b'{"resource": "parts", "action": "UPDATE", "id": %d}'


@pytest.fixture
def tokens(signed_in: Any, integration: dict[str, Any]) -> tuple[str, str]:
    """Two webhook URLs: one with a shared secret, and one without."""
    hub = signed_in.hub

    def mint(connection: Any) -> tuple[str, str]:
        url, token = webhook_urls.create_url(connection, "test", integration["id"], "Violet")
        given = {"receiver_id": "1", "shared_secret": "the secret"}
        webhook_urls.set_receiver(connection, hub.secrets, "test", url.id, **given)
        return token, webhook_urls.create_url(connection, "test", integration["id"], "By hand")[1]

    made: tuple[str, str] = hub.database.write_now(mint)
    signed_in.runner.run(hub.ingest.refresh())
    return made


def deliver(edge: Any, token: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
    return edge.runner.run(edge.hub.ingest.submit(token, headers or {}, body))


def kept(edge: Any) -> None:
    """Save the counts, as a stopping hub does."""
    edge.runner.run(edge.hub.ingest.close())


def figures(page: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]+)</dt>\s*<dd>([\d,]+)</dd>", page))


def test_failures_are_counted_per_url_and_reason(signed_in: Any, tokens: tuple[str, str]) -> None:
    token, _ = tokens
    assert deliver(signed_in, token, EVENT % 1, {"signature": "wrong"}) == 401
    assert deliver(signed_in, token, EVENT % 2) == 401
    assert deliver(signed_in, token, b" " * (MAX_BODY_BYTES + 1)) == 413
    kept(signed_in)

    page = signed_in.send("GET", "/webhooks/1").text
    assert figures(page) == {
        "Received": "0",
        "Wrong signature": "2",
        "Too large": "1",
        "Deferred": "0",
    }
    assert "the body is larger than the limit" in page
    assert "Deliveries per hour over the last 48 hours: 0 received, 3 rejected." in page
    listed = signed_in.send("GET", "/webhooks").text
    assert re.search(r"✕?3</span>", listed)
    assert "too large" in listed
    assert figures(signed_in.send("GET", "/webhooks/2").text)["Wrong signature"] == "0"
    assert signed_in.send("GET", "/webhooks/99").status_code == 404


def test_accepted_deliveries_are_counted_and_their_events_shown(
    signed_in: Any, tokens: tuple[str, str]
) -> None:
    assert [deliver(signed_in, tokens[1], EVENT % n) for n in (1, 1, 2)] == [200] * 3
    kept(signed_in)

    page = signed_in.send("GET", "/webhooks/2").text
    assert figures(page)["Received"] == "3"
    assert "delivered 2 times" in page
    assert "3 received, 0 rejected." in page
    assert "Last failure" not in page


def test_deferred_deliveries_are_counted_after_an_outage(
    signed_in: Any, tokens: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = signed_in.hub
    write = hub.database.write

    async def away(*_: Any) -> None:
        raise StoreUnavailableError("the disk is full")

    monkeypatch.setattr(hub.database, "write_delivery", away)
    monkeypatch.setattr(hub.database, "write", away)
    assert [deliver(signed_in, tokens[1], EVENT % n) for n in (1, 2)] == [503, 503]
    kept(signed_in)
    monkeypatch.setattr(hub.database, "write", write)
    kept(signed_in)
    page = signed_in.send("GET", "/webhooks/2").text
    assert figures(page)["Deferred"] == "2"
    assert "ION sends the event again" in page


def test_url_of_a_deleted_receiver_is_not_shown_as_live(
    signed_in: Any, integration: dict[str, Any], tokens: tuple[str, str]
) -> None:
    def cells(page: str) -> str:
        return " ".join(re.sub("<[^>]+>", " ", page[page.index("<main") :]).split())

    problem = "Receiver 1 was deleted in ION; revoke this URL if nothing else posts to it"
    hub = signed_in.hub
    hub.database.write_now(webhook_urls.set_receiver_problems, integration["id"], {1: problem})
    row, page = (cells(signed_in.send("GET", path).text) for path in ("/webhooks", "/webhooks/1"))
    for shown in (row, page):
        assert "no deliveries" in shown
        assert f"{problem}." in shown
    assert "State no deliveries" in page
    assert row.count(" active ") == 1, "the other URL"
    [one] = [
        url for url in signed_in.get("/integrations/plant/webhook-urls")["items"] if url["id"] == 1
    ]
    assert one["receiver_problem"] == problem

    signed_in.hub.database.write_now(
        webhook_urls.set_receiver_problems, integration["id"], {1: None}
    )
    assert "no deliveries" not in cells(signed_in.send("GET", "/webhooks").text)
