"""Ingest on either database: each event is stored once, and applied in any order of commits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update
from structlog.testing import capture_logs
from tests.idle_hub import Door, body, run

from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.mirror import objects
from ultraviolet.db.tables.sync import stale
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.sync.replay import Range, Replayed


@pytest.fixture
def door(tmp_path: Path, store_url: str) -> Iterator[Door]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield Door(hub)
    hub.close()


def test_repeated_event_is_stored_once_and_counted(door: Door) -> None:
    assert run(door.deliver(*[body(1)] * 5, body(2))) == [200] * 6

    assert sorted(row.deliveries for row in door.rows(event_keys)) == [1, 5]


@pytest.mark.parametrize(
    "strange",
    [
        b"",
        b"\x00\xff",
        b'{"eventId": "\\u0000", "resource": "SUPPLIERS\\u0000", "action": "UPDATE", "id": "\\u0000"}',
        b'{"eventId": "\\ud800", "resource": "SUPPLIERS", "action": "UPDATE", "id": 7}',
        body(1, description="a \x00 within"),
    ],
)
def test_any_body_is_stored_as_received_and_blocks_nothing(door: Door, strange: bytes) -> None:
    assert run(door.deliver(strange, body(2))) == [200, 200]

    assert strange in [bytes(row.body) for row in door.rows(events)]
    assert door.take() == 2
    assert all(row.outcome for row in door.rows(events))


def test_event_that_commits_after_a_later_one_was_applied_is_not_skipped(
    postgresql: Any, tmp_path: Path
) -> None:
    hub = Hub.open(
        Settings(
            data=tmp_path, database_url=postgresql.new_database(), public_url="http://hub.test"
        )
    )
    door = Door(hub)
    run(door.deliver(body(1), body(2)))
    first, second = door.rows(events)
    with hub.database.engine.begin() as other:  # like a slow process that already has its numbers
        hub.database.write_now(lambda c: c.execute(update(events).values(outcome=None)) and None)
        row = {**first._mapping, "seq": first.seq - 1000, "dedupe_key": b"slow", "body": body(3)}
        other.execute(insert(events).values(row))
        assert door.take() == 2

    assert door.take() == 1
    assert [row.outcome is not None for row in door.rows(events)] == [True] * 3
    assert {row.id for row in door.rows(objects)} == {"7"}
    assert second.seq > first.seq
    hub.close()


def test_secret_headers_are_not_stored(door: Door) -> None:
    headers = {
        "x-api-key": "s3cret",
        "x-forwarded-uri": f"/hooks/{door.token}",
        "user-agent": "ION",
    }

    async def submit() -> None:
        await door.hub.ingest.refresh()
        assert (await door.hub.ingest.submit(door.token, headers, body(1))).status == 200

    run(submit())
    [event] = door.rows(events)
    assert event.headers == {"x-api-key": "…", "x-forwarded-uri": "…", "user-agent": "ION"}


def test_event_that_the_database_rejects_is_answered_503_and_not_logged(
    door: Door,
) -> None:
    door.refuse("events", "new.object_id = '13'")
    told = b'{"eventId": 5, "resource": "SUPPLIERS", "action": "UPDATE", "id": 13, "new": {"name": "export controlled"}}'
    with capture_logs() as logs:
        assert run(door.deliver(body(1), told, body(2))) == [200, 503, 200]
    assert "delivery.not_kept" in {line["event"] for line in logs}
    assert "export controlled" not in str(logs)


def test_event_repeated_with_another_body_is_stored_and_its_object_read(
    door: Door,
) -> None:
    """In any order and number, in one transaction or several, each body is one event."""
    first, other = body(1), body(1, name="Another")
    assert run(door.deliver(first, other, first)) == [200] * 3
    assert run(door.deliver(other, first, other)) == [200] * 3

    kept = door.rows(events)
    assert [(bytes(row.body), row.conflicting) for row in kept] == [(first, False), (other, True)]
    assert sorted(row.deliveries for row in door.rows(event_keys)) == [3, 3]

    assert door.take() == 2
    (supplier,) = door.rows(objects)
    assert supplier.doc["name"] == "Supplier 1", "the other body is kept, but not used"
    assert [(row.resource, row.id) for row in door.rows(stale)] == [("suppliers", "7")]
    assert "another body" in door.rows(events)[1].detail

    async def replay() -> Replayed:
        done = await door.hub.requests.replay(
            "kim", Range(door.integration_id, resource="suppliers")
        )
        await door.hub._http().close()  # pyright: ignore[reportPrivateUsage]
        return done

    again = run(replay())
    assert (again.events, again.objects) == (2, 1)
    assert door.rows(objects)[0].doc["name"] == "Supplier 1"


def test_conflicting_events_survive_export_and_import_once(door: Door) -> None:
    run(door.deliver(body(1), body(1, name="Another")))
    lines = door.hub.database.read_now(event_files.export_chunk, door.integration_id, 0)
    other = Door(door.hub, "another plant")

    def bring(lines: list[event_files.Line]) -> int:
        return run(door.hub.requests.import_events(other.integration_id, "kim", lines)).added

    assert [bring(lines), bring(lines[::-1])] == [2, 0]
    mine = [row for row in door.rows(events) if row.integration_id == other.integration_id]
    assert [row.conflicting for row in mine] == [False, True]
