"""The events pages: filters as an address, what came of an event, and replaying with a second look."""

import hashlib
import hmac
import json
from typing import Any

import pytest

SECRET = "shared-secret-of-the-receiver"


@pytest.fixture
def deliver(signed_in: Any, integration: dict[str, Any]) -> Any:
    """Post a delivery as ION does, to a URL of the integration."""
    page = signed_in.submit("/webhooks", integration="1", name="Violet").text
    path = page.partition("http://hub.test")[2].partition("<")[0]

    def deliver(resource: str, action: str, id_: int, **fields: Any) -> None:
        body = {"resource": resource, "action": action, "id": id_, "new": {"id": id_, **fields}}
        raw = json.dumps(body).encode()
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        answer = signed_in.send("POST", path, content=raw, headers={"x-signature": signature})
        assert answer.status_code == 200, answer.text

    return deliver


def rows(page: str) -> int:
    return page.count('id="event-')


def test_the_filters_narrow_what_is_shown(signed_in: Any, deliver: Any) -> None:
    for number in range(1, 4):
        deliver("PARTS", "UPDATE", number, partNumber=f"BRK-{number}")
    deliver("RUNS", "CREATE", 9)

    assert rows(signed_in.send("GET", "/events").text) == 4
    assert rows(signed_in.send("GET", "/events?resource=parts").text) == 3
    assert rows(signed_in.send("GET", "/events?resource=parts&object=2").text) == 1
    assert rows(signed_in.send("GET", "/events?q=BRK-3").text) == 1
    assert rows(signed_in.send("GET", "/events?action=CREATE").text) == 1
    assert rows(signed_in.send("GET", "/events?since=2020-01-01T00:00").text) == 4
    assert rows(signed_in.send("GET", "/events?until=2020-01-01T00:00").text) == 0
    assert "No event matches" in signed_in.send("GET", "/events?q=nobody says this").text
    assert signed_in.send("GET", "/events?since=yesterday").status_code == 422


def test_an_event_shows_its_body_headers_and_what_came_of_it(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5, partNumber="BRK-5")
    page = signed_in.send("GET", "/events/1").text
    assert "BRK-5" in page
    assert "x-signature" in page
    assert "the shared secret was not known" in page
    assert "the object has not been read since" in page


@pytest.mark.usefixtures("at_once")
def test_replaying_many_asks_first(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    deliver("PARTS", "UPDATE", 6)
    preview = signed_in.submit("/events/replay", seq=["1", "2"])
    assert preview.status_code == 200
    assert "Replay 2 events?" in preview.text
    assert "2 objects are read from ION afresh" in preview.text
    assert rows(signed_in.send("GET", "/events?outcome=replayed").text) == 0

    done = signed_in.submit("/events/replay", seq=["1", "2"], sure="yes")
    assert (done.status_code, done.headers["location"]) == (303, "/events?outcome=replayed")
    assert rows(signed_in.send("GET", "/events?outcome=replayed").text) == 2
    assert signed_in.submit("/events/replay").status_code == 422


@pytest.mark.usefixtures("at_once")
def test_replaying_one_from_its_page_asks_first_too(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    page = signed_in.send("GET", "/events/1").text
    assert 'action="/events/replay"' in page
    assert '<input type="hidden" name="seq" value="1">' in page
    assert "Replay 1 event?" in signed_in.submit("/events/replay", seq="1").text
