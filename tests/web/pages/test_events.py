"""The events pages: filters in the URL, outcomes, and replay with confirmation."""

import hashlib
import hmac
import html
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from tests.web.conftest import ADMIN_KEY

from ultraviolet.ion import deliveries
from ultraviolet.web.pages.events import listing
from ultraviolet.web.queries import events

IMPORT = "/api/v1/integrations/1/events/import"
SECRET = "shared-secret-of-the-receiver"


@pytest.fixture
def deliver(signed_in: Any, integration: dict[str, Any]) -> Any:
    """Post a delivery as ION does, to a URL of the integration."""
    page = signed_in.create("/webhooks", integration="1", name="Violet")
    path = page.partition("http://hub.test")[2].partition("<")[0]

    def deliver(resource: str, action: str, id_: int, **fields: Any) -> None:
        body = {"resource": resource, "action": action, "id": id_, "new": {"id": id_, **fields}}
        raw = json.dumps(body).encode()
        signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
        answer = signed_in.send("POST", path, content=raw, headers={"x-signature": signature})
        assert answer.status_code == 200, answer.text

    return deliver


def rows(page: str) -> int:
    return page.count('<tr id="event-')


def test_filters_narrow_the_list(signed_in: Any, deliver: Any) -> None:
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
    [form] = re.findall(
        r'<form class="row filters".*?</form>', signed_in.send("GET", "/events").text, re.DOTALL
    )
    assert form.count("<button") == 1
    for mistake in ("since=yesterday", "url=Violet"):
        assert signed_in.send("GET", f"/events?{mistake}").status_code == 422


@pytest.fixture
def mixed(signed_in: Any, deliver: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Delivered events 1 to 10 and 131 to 140, and between them imported events of two years."""
    monkeypatch.setattr(events, "_PROBE_SIZE", 3)
    monkeypatch.setattr(events, "_MAX_SCANNED_EVENTS", 15)

    def put(year: int, numbers: range) -> None:
        lines = [
            {
                "seq": n,
                "received_at": f"{year}-01-01T00:00:00.{n:06}+00:00",
                "dedupe_key": f"{n:064x}",
                "headers": {},
                "signature": "unverified",
                "body": "{}",
            }
            for n in numbers
        ]
        content = "\n".join(json.dumps(line) for line in lines)
        headers = {"authorization": f"Bearer {ADMIN_KEY}", "accept": "application/json"}
        sent = signed_in.send("POST", IMPORT, content=content, headers=headers)
        assert sent.json()["added"] == len(numbers), sent.text

    for number in range(10):
        deliver("PARTS", "UPDATE", number)
    put(2021, range(60))
    put(2020, range(60, 120))
    for number in range(10, 20):
        deliver("PARTS", "UPDATE", number)
    return signed_in


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("since=2021-06-01T00:00", [*range(1, 11), *range(131, 141)]),
        ("until=2021-06-01T00:00", range(11, 131)),
        ("until=2020-06-01T00:00", range(71, 131)),
        ("since=2021-01-01T00:00&until=2021-06-01T00:00", range(11, 71)),
        ("since=2021-01-01T00:00", [*range(1, 71), *range(131, 141)]),
        ("since=2019-01-01T00:00&until=2020-01-01T00:00", []),
    ],
)
def test_time_filters_use_the_time_of_receipt(
    mixed: Any, asked: str, expected: Sequence[int]
) -> None:
    seen, address = list[int](), f"/events?{asked}"
    while address:
        page = mixed.send("GET", address).text
        seen += [int(n) for n in re.findall(r'id="event-(\d+)"', page)]
        more = re.search(r'href="/events\?([^"]*cursor=[^"]+)"', page)
        address = f"/events?{html.unescape(more.group(1))}" if more else ""
    assert list(expected) == seen[::-1]


def test_event_page_shows_body_headers_and_outcome(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5, partNumber="BRK-5")
    page = signed_in.send("GET", "/events/1").text
    assert "BRK-5" in page
    assert "x-signature" in page
    assert "The shared secret was unknown" in page
    assert "the object has not been re-read" in page

    deliver("ATTRIBUTES_UNKNOWN", "UPDATE", 6)
    assert "the mirror stores no objects of this type" in signed_in.send("GET", "/events/2").text


@pytest.mark.usefixtures("at_once")
def test_replay_of_selected_events_requires_confirmation(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    deliver("PARTS", "UPDATE", 6)
    preview = signed_in.submit("/events/replay", seq=["1", "2"])
    assert preview.status_code == 200
    assert "Replay 2 events?" in preview.text
    assert "Re-processes 2 events and re-reads 2 objects from ION." in preview.text
    assert rows(signed_in.send("GET", "/events?outcome=replayed").text) == 0

    done = signed_in.submit("/events/replay", seq=["1", "2"], sure="yes")
    assert (done.status_code, done.headers["location"]) == (303, "/events?outcome=replayed")
    assert rows(signed_in.send("GET", "/events?outcome=replayed").text) == 2


def test_replay_without_a_selection_explains_the_next_step(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    refused = signed_in.submit("/events/replay", page="/events")
    assert refused.status_code == 422
    assert "Select the events to replay with their checkboxes." in refused.text
    assert rows(refused.text) == 1


@pytest.mark.usefixtures("at_once")
def test_replay_from_an_event_page_requires_confirmation(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    page = signed_in.send("GET", "/events/1").text
    assert 'action="/events/replay"' in page
    assert '<input type="hidden" name="seq" value="1">' in page
    assert "Replay 1 event?" in signed_in.submit("/events/replay", seq="1").text


@pytest.fixture
def deliver_to(signed_in: Any, integration: dict[str, Any]) -> Any:
    """Post a change of a part to the webhook URLs with these numbers, as ION does for its receivers."""
    paths: list[str] = []
    for name in ("First", "Second"):
        page = signed_in.create("/webhooks", integration="1", name=name)
        paths.append(page.partition("http://hub.test")[2].partition("<")[0])
    numbers = iter(range(1000, 2000))

    def deliver_to(*receivers: int, second: int, number: str, action: str = "UPDATE") -> None:
        for receiver in receivers:
            raw = deliveries.encode(
                event_id=next(numbers),
                subscription_id=70 + receiver,
                resource="parts",
                action=action,
                object_id=7,
                transaction_id=5,
                timestamp=f"2026-01-01T00:00:{second:02}.000000+00:00",
                actor_id=1,
                changes={"part_number": {"old": "A", "new": number}},
            )
            assert signed_in.send("POST", paths[receiver - 1], content=raw).status_code == 200

    return deliver_to


def numbers_of(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'<tr id="event-(\d+)"', page)]


def test_change_is_one_row_for_all_receivers(signed_in: Any, deliver_to: Any) -> None:
    deliver_to(1, 2, second=1, number="B")
    deliver_to(1, second=2, number="C")
    deliver_to(1, second=3, number="D")
    deliver_to(1, second=3, number="E")  # another change of the same transaction
    deliver_to(2, second=3, number="E")
    deliver_to(2, second=3, number="D")
    deliver_to(2, second=2, number="F", action="DELETE")

    assert numbers_of(signed_in.send("GET", "/events").text) == [8, 5, 4, 3, 1]
    assert numbers_of(signed_in.send("GET", "/events?url=1").text) == [5, 4, 3, 1]
    assert numbers_of(signed_in.send("GET", "/events?url=2").text) == [8, 7, 6, 2]
    assert numbers_of(signed_in.send("GET", "/events?url=2&q=%22B%22").text) == [2]
    assert signed_in.send("GET", "/events").text.count("2 receivers") == 3
    both = signed_in.send("GET", "/events/1").text
    assert "<h2>2 receivers</h2>" in both
    assert "First" in both
    assert "Second" in both
    assert 'href="/events/2"' in both
    assert "receivers</h2>" not in signed_in.send("GET", "/events/3").text


def test_pages_neither_repeat_nor_skip_changes(
    signed_in: Any, deliver_to: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_PAGE_SIZE", 2)
    for second in range(5):
        deliver_to(1, 2, second=second, number="B")
    deliver_to(2, second=30, number="B")
    seen, address = list[int](), "/events"
    while address:
        page = signed_in.send("GET", address).text
        seen += numbers_of(page)
        more = re.search(r'href="(/events\?[^"]*cursor=[^"]+)"', page)
        address = html.unescape(more.group(1)) if more else ""
    assert seen == [11, 9, 7, 5, 3, 1]


def test_rows_and_the_api_name_the_object_and_its_changes(
    signed_in: Any, deliver_to: Any, keep: Any
) -> None:
    keep("parts", {"id": 7, "partNumber": "BRK-7", "_updated": "2026-01-01T00:00:00+00:00"})
    deliver_to(1, 2, second=1, number="BRK-8")
    listed = signed_in.get("/events")["items"]
    assert [(each["seq"], each["receivers"]) for each in listed] == [(2, 2), (1, 2)]
    assert {each["object_title"] for each in listed} <= {"BRK-7", "BRK-8"}
    assert listed[0]["changed"] == ["partNumber"]
    assert signed_in.get("/events/1")["receivers"] == 2

    page = signed_in.send("GET", "/events").text
    assert re.search(r'<a href="/objects/parts/7\?integration=1">BRK-[78]</a>', page)
    assert '<span title="Part number">Part number</span>' in page
    assert '<span class="json-key">&#34;part_number&#34;</span>' in (
        signed_in.send("GET", "/events/1").text
    )


def test_filters_are_chips_that_can_be_removed(signed_in: Any, deliver: Any) -> None:
    deliver("PARTS", "UPDATE", 5)
    page = signed_in.send("GET", "/events?resource=parts&action=UPDATE&url=1").text
    assert 'aria-label="Remove filter: Webhook URL: Violet"' in page
    chip = re.search(r'href="([^"]+)"\s+aria-label="Remove filter: Resource: Parts"', page)
    assert chip
    without = signed_in.send("GET", f"/events{html.unescape(chip.group(1))}")
    assert rows(without.text) == 1
    assert "Remove filter: Resource" not in without.text
