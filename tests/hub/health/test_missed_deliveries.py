"""Findings stay open until resolved; lost deliveries are inferred only from comparable numbers."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection
from tests.hub.table_ion import CATALOG, open_database, select_all

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.database import Database
from ultraviolet.db.event_store import insert_events
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.hub.health import heartbeat, missed_deliveries
from ultraviolet.hub.health.missed_deliveries import MissedDeliveries, SentDelivery
from ultraviolet.hub.health.watchdog import max_silence
from ultraviolet.hub.ingest.event_row import event_row
from ultraviolet.hub.sync import fetch
from ultraviolet.ion.deliveries import decode_envelope


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def keep(database: Database, kinds: tuple[str, ...], *found: Finding) -> list[Finding]:
    return database.write_now(finding_store.save_findings, 1, kinds, found)


def listed(database: Database) -> list[tuple[str, bool, bool]]:
    found = database.read_now(finding_store.list_findings, 1, 10)
    return [
        (one.subject, one.repaired_at is not None, one.resolved_at is not None) for one in found
    ]


def test_finding_is_new_once_and_resolved_when_no_longer_found(database: Database) -> None:
    first = Finding("receiver", "error", "It was deleted", "Nothing", subject="deleted")
    assert [first] == keep(database, ("receiver",), first)
    assert [] == keep(database, ("receiver",), first)
    assert [("deleted", False, False)] == listed(database)

    keep(database, ("gap",))
    assert [("deleted", False, False)] == listed(database), "that look was at something else"
    keep(database, ("receiver",))
    assert [("deleted", False, True)] == listed(database)


def test_open_findings_precede_resolved_ones(database: Database) -> None:
    keep(database, ("gap",), Finding("gap", "warning", "", "", subject="old", repaired=True))
    keep(database, ("gap",))
    keep(database, ("silent",), Finding("silent", "error", "", "", subject="standing"))
    keep(database, ("schema",), Finding("schema", "error", "", "", subject="newer"))
    keep(database, ("schema",))

    assert ["standing", "newer", "old"] == [subject for subject, _, _ in listed(database)]


def close(database: Database, *sent: SentDelivery) -> MissedDeliveries:
    return database.write_now(missed_deliveries.insert_missed, CATALOG, 1, 1, sent, {"5"})


def sent(number: int, status: str, subscription: str = "5", *, minutes: int = 0) -> SentDelivery:
    """Return a delivery that ION recorded this many minutes ago."""
    body = f'{{"event_id": {number}, "subscription_id": {subscription}, "resource": "parts", "id": {number}}}'
    return SentDelivery(
        number, status, subscription, body, as_text(utc_now() - timedelta(minutes=minutes))
    )


def test_abandoned_or_lost_delivery_becomes_one_event(database: Database) -> None:
    page = [
        sent(1, "FAILED"),
        sent(2, "SUCCEEDED"),
        sent(3, "FAILED", "77"),
        sent(4, "RETRYING"),
        sent(5, "FAILED"),
    ]

    assert MissedDeliveries(given_up=1, lost=1, recovered=2) == close(database, *page)

    assert ["1", "2"] == [
        row.event_id for row in select_all(database, "SELECT * FROM events ORDER BY seq")
    ]
    assert 3 == database.read_now(missed_deliveries.cursor, 1), "what ION still tries is waited for"
    assert MissedDeliveries() == close(database, sent(2, "SUCCEEDED"))


def test_retries_to_other_receivers_are_not_awaited(database: Database) -> None:
    found = close(database, sent(1, "RETRYING", "77"), sent(2, "FAILED"), sent(3, "SENDING", "77"))

    assert MissedDeliveries(given_up=1, recovered=1) == found
    assert 3 == database.read_now(missed_deliveries.cursor, 1)


def test_delivery_retried_for_an_hour_is_recovered_from_ions_record(database: Database) -> None:
    page = [
        sent(1, "SENDING", minutes=61),
        sent(2, "FAILED", minutes=60),
        sent(3, "RETRYING", minutes=59),
    ]

    assert MissedDeliveries(given_up=2, recovered=2) == close(database, *page)
    assert 2 == database.read_now(missed_deliveries.cursor, 1)


def test_events_are_looked_up_by_number_with_an_index(database: Database) -> None:
    """Deliveries wait during the look-up, so its time must not depend on the number of events."""
    said = (
        str(missed_deliveries._KNOWN)
        .replace(":integration", "1")
        .replace("(__[POSTCOMPILE_ids])", "('1', '2')")
    )
    plan = database.read_now(lambda c: str(c.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}").all()))
    assert "events_by_number (integration_id=? AND event_id=?)" in plan


def deliver(database: Database, *bodies: bytes) -> None:
    def write(connection: Connection) -> None:
        rows = [
            event_row(
                1,
                1,
                body,
                decode_envelope(CATALOG, body),
                received_at=now_rfc3339(),
                signature="verified",
            )
            for body in bodies
        ]
        insert_events(connection, rows)

    database.write_now(write)


def test_record_without_any_received_event_proves_no_loss(
    database: Database,
) -> None:
    page = [sent(number, "SUCCEEDED", minutes=1) for number in range(1, 30)]
    deliver(database, b'{"resource": "parts", "id": 1}')
    page.append(sent(30, "SUCCEEDED", minutes=-1))

    assert MissedDeliveries(comparable=False) == close(database, *page)
    assert 1 == len(select_all(database, "SELECT * FROM events"))


def test_empty_database_counts_all_deliveries_as_lost(database: Database) -> None:
    found = close(database, *(sent(number, "SUCCEEDED", minutes=1) for number in range(1, 31)))

    assert MissedDeliveries(lost=30, recovered=30) == found


def test_events_without_numbers_are_matched_by_content(database: Database) -> None:
    told = [
        b'{"resource": "parts", "id": %d, "new": {"id": %d}}' % (number, number)
        for number in range(1, 31)
    ]
    deliver(database, *told)
    page = [
        SentDelivery(
            1000 + number, "SUCCEEDED", "5", body.decode().replace(", ", ","), as_text(utc_now())
        )
        for number, body in enumerate(told)
    ]

    assert MissedDeliveries() == close(database, *page)
    assert 30 == len(select_all(database, "SELECT * FROM events"))


def test_deliveries_acknowledged_without_a_running_hub_show_a_restored_database(
    database: Database,
) -> None:
    database.write_now(
        lambda c: heartbeat.record_heartbeat(c, as_text(utc_now() - timedelta(minutes=9))) and None
    )
    database.write_now(
        lambda c: (
            heartbeat.record_heartbeat(c, as_text(utc_now() - timedelta(minutes=5)), starts=True)
            and None
        )
    )

    assert close(database, sent(1, "SUCCEEDED", minutes=10)).restored is False
    assert close(database, sent(2, "FAILED", minutes=7)).restored is False
    assert close(database, sent(3, "SUCCEEDED", minutes=7)).restored is True
    database.write_now(lambda c: fetch.request_fetch(c, 1, "full", "restored database") and None)
    assert close(database, sent(4, "SUCCEEDED", minutes=7)).restored is False, "all is read since"


def test_longest_silence_is_known_only_after_enough_events() -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    hourly = [begin + timedelta(hours=n) for n in range(20)]

    assert max_silence(hourly[:5]) is None
    assert timedelta(hours=3) == max_silence(hourly)
    assert timedelta(hours=36) == max_silence([*hourly, hourly[-1] + timedelta(hours=12)])
