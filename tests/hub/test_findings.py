"""Findings stand until they are not found any more; gaps are concluded only from numbers that can be compared."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.hub.reading import CATALOG, open_store, select_all

from ultraviolet.hub import fetch, findings, gaps, heartbeat
from ultraviolet.hub.findings import Found
from ultraviolet.hub.gaps import Gaps, Sent
from ultraviolet.hub.ingest import event_row
from ultraviolet.hub.watchdog import _longest_rest
from ultraviolet.ion.deliveries import decode_envelope
from ultraviolet.mirror.recording import record
from ultraviolet.mirror.store import Store
from ultraviolet.times import now, present
from ultraviolet.times import text as as_text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def keep(store: Store, kinds: tuple[str, ...], *found: Found) -> list[Found]:
    return store.write_now(lambda c: findings.keep(c, 1, kinds, found))


def listed(store: Store) -> list[tuple[str, bool, bool]]:
    found = store.read_now(lambda c: findings.recent(c, 1, 10))
    return [
        (one.subject, one.repaired_at is not None, one.resolved_at is not None) for one in found
    ]


def test_a_finding_is_new_once_and_resolved_when_it_is_not_found(store: Store) -> None:
    first = Found("receiver", "deleted", "It was deleted", "Nothing")
    assert [first] == keep(store, ("receiver",), first)
    assert [] == keep(store, ("receiver",), first)
    assert [("deleted", False, False)] == listed(store)

    keep(store, ("gap",))
    assert [("deleted", False, False)] == listed(store), "that look was at something else"
    keep(store, ("receiver",))
    assert [("deleted", False, True)] == listed(store)


def test_what_stands_comes_before_what_is_resolved(store: Store) -> None:
    keep(store, ("a",), Found("a", "old", "", "", repaired=True))
    keep(store, ("a",))
    keep(store, ("b",), Found("b", "standing", "", ""))
    keep(store, ("c",), Found("c", "newer", "", ""))
    keep(store, ("c",))

    assert ["standing", "newer", "old"] == [subject for subject, _, _ in listed(store)]


def close(store: Store, *sent: Sent) -> Gaps:
    return store.write_now(lambda c: gaps.close(c, CATALOG, 1, 1, sent, {"5"}))


def sent(number: int, status: str, subscription: str = "5", *, minutes: int = 0) -> Sent:
    """Give an event as ION has recorded it so many minutes ago."""
    body = f'{{"event_id": {number}, "subscription_id": {subscription}, "resource": "parts", "id": {number}}}'
    return Sent(number, status, subscription, body, as_text(present() - timedelta(minutes=minutes)))


def test_what_ion_gave_up_or_lost_is_kept_as_an_event_once(store: Store) -> None:
    page = [
        sent(1, "FAILED"),
        sent(2, "SUCCEEDED"),
        sent(3, "FAILED", "77"),
        sent(4, "RETRYING"),
        sent(5, "FAILED"),
    ]

    assert Gaps(given_up=1, lost=1, recovered=2) == close(store, *page)

    assert ["1", "2"] == [
        row.event_id for row in select_all(store, "SELECT * FROM events ORDER BY seq")
    ]
    assert 3 == store.read_now(lambda c: gaps.cursor(c, 1)), "what ION still tries is waited for"
    assert Gaps() == close(store, sent(2, "SUCCEEDED"))


def test_what_ion_tries_to_deliver_to_others_is_not_waited_for(store: Store) -> None:
    found = close(store, sent(1, "RETRYING", "77"), sent(2, "FAILED"), sent(3, "SENDING", "77"))

    assert Gaps(given_up=1, recovered=1) == found
    assert 3 == store.read_now(lambda c: gaps.cursor(c, 1))


def test_what_ion_tries_to_deliver_for_long_is_taken_from_its_record(store: Store) -> None:
    page = [
        sent(1, "SENDING", minutes=61),
        sent(2, "FAILED", minutes=60),
        sent(3, "RETRYING", minutes=59),
    ]

    assert Gaps(given_up=2, recovered=2) == close(store, *page)
    assert 2 == store.read_now(lambda c: gaps.cursor(c, 1))


def test_what_arrived_is_looked_up_by_its_number(store: Store) -> None:
    """However many events are kept: deliveries may wait meanwhile."""
    said = (
        str(gaps._KNOWN).replace(":integration", "1").replace("(__[POSTCOMPILE_ids])", "('1', '2')")
    )
    plan = store.read_now(lambda c: str(c.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}").all()))
    assert "events_by_number (integration_id=? AND event_id=?)" in plan


def deliver(store: Store, *bodies: bytes) -> None:
    def write(connection: Connection) -> None:
        rows = [
            event_row(
                1, 1, body, decode_envelope(CATALOG, body), received_at=now(), signature="verified"
            )
            for body in bodies
        ]
        record(connection, rows)

    store.write_now(write)


def test_a_record_that_has_nothing_in_common_with_what_came_proves_nothing(store: Store) -> None:
    page = [sent(number, "SUCCEEDED", minutes=1) for number in range(1, 30)]
    deliver(store, b'{"resource": "parts", "id": 1}')
    page.append(sent(30, "SUCCEEDED", minutes=-1))

    assert Gaps(comparable=False) == close(store, *page)
    assert 1 == len(select_all(store, "SELECT * FROM events"))


def test_an_older_database_is_not_taken_for_one_with_other_numbers(store: Store) -> None:
    found = close(store, *(sent(number, "SUCCEEDED", minutes=1) for number in range(1, 31)))

    assert Gaps(lost=30, recovered=30) == found


def test_events_are_known_by_what_they_say_where_their_numbers_are_not(store: Store) -> None:
    told = [
        b'{"resource": "parts", "id": %d, "new": {"id": %d}}' % (number, number)
        for number in range(1, 31)
    ]
    deliver(store, *told)
    page = [
        Sent(1000 + number, "SUCCEEDED", "5", body.decode().replace(", ", ","), as_text(present()))
        for number, body in enumerate(told)
    ]

    assert Gaps() == close(store, *page)
    assert 30 == len(select_all(store, "SELECT * FROM events"))


def test_deliveries_that_were_acknowledged_when_no_hub_ran_show_a_restored_database(
    store: Store,
) -> None:
    store.write_now(lambda c: heartbeat.beat(c, as_text(present() - timedelta(minutes=9))) and None)
    store.write_now(
        lambda c: heartbeat.beat(c, as_text(present() - timedelta(minutes=5)), starts=True) and None
    )

    assert close(store, sent(1, "SUCCEEDED", minutes=10)).restored is False
    assert close(store, sent(2, "FAILED", minutes=7)).restored is False
    assert close(store, sent(3, "SUCCEEDED", minutes=7)).restored is True
    store.write_now(lambda c: fetch.request(c, 1, "full", "restored database") and None)
    assert close(store, sent(4, "SUCCEEDED", minutes=7)).restored is False, "all is read since"


def test_a_resource_has_a_habit_only_after_a_while() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hourly = [begin + timedelta(hours=n) for n in range(20)]

    assert _longest_rest(hourly[:5]) is None
    assert timedelta(hours=3) == _longest_rest(hourly)
    assert timedelta(hours=36) == _longest_rest([*hourly, hourly[-1] + timedelta(hours=12)])
