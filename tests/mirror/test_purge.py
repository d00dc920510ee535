"""Deletion of expired history: in batches, by integration, and never current or pending data."""

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert, text
from tests.mirror.observations import ORDER, Mirror, absence, at, event, read

from ultraviolet.db import dialect, partitions
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.integrations import integrations, retention
from ultraviolet.db.tables.mirror import versions
from ultraviolet.db.tables.sync import drift, fetches, stale, verifications
from ultraviolet.ion.catalog import Catalog
from ultraviolet.mirror import purge
from ultraviolet.mirror.purge import Kind

CUTOFF = at(100)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "BATCH_ROWS", 3)
    monkeypatch.setattr(purge, "_POSTGRESQL_BATCH_FACTOR", 1)


def keep(connection: Connection, integration_id: int, **cutoffs: str | None) -> None:
    connection.execute(
        insert(retention).values(
            integration_id=integration_id,
            keep={},
            **{f"{kind}_before": at_ for kind, at_ in cutoffs.items()},
        )
    )


def receive(
    connection: Connection, seconds: list[float], integration_id: int = 1, **fields: Any
) -> None:
    """Save an applied event at each time, about the order with the same number."""
    for second in seconds:
        key, received_at = f"{integration_id} {second}".encode(), at(second)
        connection.execute(
            insert(events).values(
                {
                    "integration_id": integration_id,
                    "webhook_url_id": 1,
                    "dedupe_key": key,
                    "resource": ORDER,
                    "object_id": str(second),
                    "received_at": received_at,
                    "body": b"four",
                    "headers": {},
                    "signature": "verified",
                    "outcome": "applied",
                    **fields,
                }
            )
        )
        connection.execute(
            insert(event_keys).values(
                integration_id=integration_id, dedupe_key=key, deliveries=1, body_digest=b"digest"
            )
        )


def purged(connection: Connection, kind: Kind, newest: str = CUTOFF) -> dict[tuple[int, str], int]:
    """Delete all expired rows of a kind; return their numbers."""
    removed: purge.Tally = purge.Counter()
    after: int | None = 0
    while after is not None:
        batch = purge.delete_expired_batch(connection, kind, after, newest)
        assert batch.removed.total() <= 3
        assert batch.next is None or batch.next > after
        removed += batch.removed
        after = batch.next
    return dict(removed)


def column(connection: Connection, query: str) -> list[Any]:
    return list(connection.execute(text(query)).scalars())


def test_old_events_are_deleted_with_their_keys(connection: Connection) -> None:
    receive(connection, [10, 20, 30, 40, 99, 100, 101])
    keep(connection, 1, events=CUTOFF)

    count = purge.count_expired(connection, "events", 1, CUTOFF)
    assert (count.count, count.bytes, count.oldest, count.more) == (5, 20, at(10), False)
    assert purged(connection, "events") == {(1, "events"): 5}

    assert column(connection, "SELECT received_at FROM events ORDER BY seq") == [at(100), at(101)]
    keys = column(connection, "SELECT dedupe_key FROM event_keys ORDER BY dedupe_key")
    assert [bytes(key) for key in keys] == [b"1 100", b"1 101"]
    assert purged(connection, "events") == {}
    assert purge.count_expired(connection, "events", 1, CUTOFF).count == 0


def test_integration_keeps_events_for_its_own_period(connection: Connection) -> None:
    receive(connection, [10, 50], 1)
    receive(connection, [11, 51], 2)
    keep(connection, 1, events=at(20))

    assert purged(connection, "events") == {(1, "events"): 1}

    keep(connection, 2, events=at(60))
    assert purged(connection, "events") == {(2, "events"): 2}
    assert column(connection, "SELECT received_at FROM events") == [at(50)]


def test_kept_forever_is_never_expired(connection: Connection) -> None:
    receive(connection, [10])
    keep(connection, 1, events=None)

    assert purge.count_expired(connection, "events", 1, None) == purge.ExpiredCounts(0, 0, None)
    assert purged(connection, "events") == {}


def test_waiting_events_and_those_of_stale_objects_are_kept(connection: Connection) -> None:
    receive(connection, [10], outcome=None)
    receive(connection, [20, 30, 40])
    keep(connection, 1, events=CUTOFF)
    mark = {"reason": "event", "since": at(1), "marked_at": at(1), "marks": 1, "attempts": 0}
    for integration_id, id_ in ((1, "20"), (2, "30")):
        row = mark | {"integration_id": integration_id, "resource": ORDER, "id": id_}
        connection.execute(insert(stale).values(row | {"next_attempt_at": at(1)}))

    assert purge.count_expired(connection, "events", 1, CUTOFF).count == 2
    assert purged(connection, "events") == {(1, "events"): 2}
    assert column(connection, "SELECT received_at FROM events ORDER BY seq") == [at(10), at(20)]


def test_batches_end_at_the_newest_cutoff_unless_events_are_out_of_order(
    connection: Connection,
) -> None:
    receive(connection, [10, 50, 60, 20, 30])
    keep(connection, 1, events=at(40))

    assert purged(connection, "events", at(40)) == {(1, "events"): 1}
    assert purged(connection, "events") == {(1, "events"): 2}


def test_more_rows_than_are_counted_are_reported(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "MAX_COUNTED_ROWS", 2)
    receive(connection, [10, 20])
    assert not purge.count_expired(connection, "events", 1, CUTOFF).more

    receive(connection, [30])
    counted = purge.count_expired(connection, "events", 1, CUTOFF)
    assert (counted.count, counted.more) == (2, True)


def test_versions_that_were_current_at_the_cutoff_or_later_are_kept(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    for second in (10, 20, 90, 110):
        mirror(read(second, _updated=at(second), cost=second))
    mirror(read(10, id_="2", _updated=at(10)))
    mirror(read(10, id_="3", _updated=at(10)), read(10, id_="4", _updated=at(10)))
    mirror(absence(50, "fetch", id_="3"))
    keep(connection, 1, versions=CUTOFF)

    assert purge.count_expired(connection, "versions", 1, CUTOFF).count == 3
    assert purged(connection, "versions") == {(1, "versions"): 3}

    left = column(connection, "SELECT id || '.' || version FROM versions ORDER BY id, version")
    assert left == ["1.3", "1.4", "2.1", "3.2", "4.1"]
    assert mirror.doc()["cost"] == 110


def test_history_continues_after_its_old_versions_are_deleted(
    connection: Connection, catalog: Catalog
) -> None:
    mirror = Mirror(connection, catalog)
    mirror(read(10, _updated=at(9), cost=1))
    mirror(read(20, _updated=at(19), cost=2))
    keep(connection, 1, versions=CUTOFF)
    purged(connection, "versions")

    mirror(event(200, _updated=at(199), cost=3))

    assert [(row.version, row.doc["cost"]) for row in mirror.rows("versions")] == [(2, 2), (3, 3)]


@pytest.mark.parametrize("kind", ["fetches", "verifications"])
def test_running_and_last_runs_of_each_state_are_kept(connection: Connection, kind: Kind) -> None:
    table = fetches if kind == "fetches" else verifications
    row: dict[str, Any] = {}
    states = ["done", "failed", "running", "done", "failed", "done"]
    for second, state in enumerate(states, start=10):
        row = {"integration_id": 1, "state": state, "requested_by": "kim"}
        row |= {"started_at": at(second)} | ({"mode": "full"} if kind == "fetches" else {})
        connection.execute(insert(table).values(row))
    if kind == "fetches":
        connection.execute(insert(table).values(row | {"mode": "incremental", "state": "failed"}))
    keep(connection, 1, **{kind: CUTOFF})

    assert purge.count_expired(connection, kind, 1, CUTOFF).count == 3
    removed = purged(connection, kind)

    assert sum(removed.values()) == 3
    by_state = {(1, "fetches.done"): 2, (1, "fetches.failed"): 1}
    assert removed == (by_state if kind == "fetches" else {(1, kind): 3})
    left = column(connection, f"SELECT state FROM {kind} ORDER BY id")
    assert left[:3] == ["running", "failed", "done"]


def test_old_drift_is_deleted(connection: Connection) -> None:
    for second in (10, 99, 100):
        row = {"integration_id": 1, "resource": ORDER, "id": "1", "cause": "late"}
        row |= {"healed_at": at(second), "fields": ["cost"], "healed_by": {"kind": "event"}}
        connection.execute(insert(drift).values(row))
    keep(connection, 1, drift=CUTOFF)

    assert purge.count_expired(connection, "drift", 1, CUTOFF).count == 2
    assert purged(connection, "drift") == {(1, "drift"): 2}


def test_data_of_a_removed_integration_is_deleted_in_batches(
    connection: Connection, catalog: Catalog
) -> None:
    for integration_id in (1, 2):
        mirror = Mirror(connection, catalog, integration_id)
        mirror(*(event(n, id_=str(n), supplierId=n) for n in range(1, 8)))
        receive(connection, [1, 2, 3, 4], integration_id)
    tables = ("objects", "versions", "links", "stale", "events", "event_keys")
    counts = {name: len(mirror.rows(name)) for name in tables}
    assert all(counts.values())

    batches = 0
    while purge.delete_integration_batch(connection, 1):
        batches += 1

    assert batches > 3
    assert {name: len(mirror.rows(name)) for name in tables} == {
        name: count // 2 for name, count in counts.items()
    }
    assert {row.integration_id for name in tables for row in mirror.rows(name)} == {2}
    connection.execute(integrations.delete().where(integrations.c.id == 1))
    assert not purge.delete_integration_batch(connection, 1)


def july(connection: Connection) -> partitions.Partition:
    """Create the partition of events of a past month with four events."""
    [part] = partitions.ensure_partitions(connection, events, ["2019-07"])
    receive(connection, [1, 2, 3, 4])
    move = "UPDATE events SET received_at = '2019-07-0' || seq || 'T00:00:00.000000+00:00'"
    connection.execute(text(f"{move} WHERE seq < 4"))
    return part


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_month_is_dropped_once_no_integration_needs_it(connection: Connection) -> None:
    part = july(connection)
    connection.execute(text("UPDATE events SET outcome = NULL WHERE seq = 2"))
    keep(connection, 1, events="2019-08-15")
    assert part not in purge.droppable_partitions(connection), "plant 2 keeps events forever"
    assert purge.drop_partition(connection, part) == {}

    keep(connection, 2, events="2019-08-01")
    assert purge.droppable_partitions(connection)[0] == part
    kept = purge.rows_to_keep(connection, part)
    assert kept is not None
    assert [*kept] == [2]
    assert purge.forget_keys(connection, part, 0, kept) == 3
    assert purge.forget_keys(connection, part, 3, kept) is None
    assert purge.drop_partition(connection, part) == {(1, "events"): 2}

    assert column(connection, "SELECT seq FROM events ORDER BY seq") == [2, 4]
    keys = column(connection, "SELECT dedupe_key FROM event_keys ORDER BY dedupe_key")
    assert [bytes(key) for key in keys] == [b"1 2", b"1 4"]
    assert part not in partitions.list_partitions(connection, events)


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_month_with_many_rows_to_keep_is_not_dropped(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = july(connection)
    keep(connection, 1, events="2019-07-02")
    keep(connection, 2, events="2019-08-01")

    monkeypatch.setattr(purge, "MAX_MOVED_ROWS", 1)
    assert purge.rows_to_keep(connection, part) is None
    monkeypatch.setattr(purge, "MAX_MOVED_ROWS", 2)
    assert purge.rows_to_keep(connection, part) == [2, 3]


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_event_keys_return_if_a_month_is_needed_again(connection: Connection) -> None:
    part = july(connection)
    keep(connection, 1, events="2019-08-01")
    keep(connection, 2, events="2019-08-01")
    purge.forget_keys(connection, part, 0, [])
    assert len(column(connection, "SELECT dedupe_key FROM event_keys")) == 1

    connection.execute(text("UPDATE retention SET events_before = NULL WHERE integration_id = 1"))

    assert purge.drop_partition(connection, part) == {}
    assert len(column(connection, "SELECT dedupe_key FROM event_keys")) == 4


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_month_of_versions_is_dropped_but_for_current_versions(
    connection: Connection, catalog: Catalog
) -> None:
    [part] = partitions.ensure_partitions(connection, versions, ["2026-01"])
    mirror = Mirror(connection, catalog)
    for second in (10, 20):
        mirror(*(read(second, id_=id_, _updated=at(second), cost=second) for id_ in "12"))
    for integration_id in (1, 2):
        keep(connection, integration_id, versions="2026-02-10")

    assert purge.droppable_partitions(connection) == [part]
    assert purge.drop_partition(connection, part) == {(1, "versions"): 2}
    assert {(row.id, row.version) for row in mirror.rows("versions")} == {("1", 2), ("2", 2)}


def test_sqlite_has_no_partitions_to_drop(two_plants: Engine) -> None:
    with two_plants.connect() as connection:
        dialect.begin_read(connection)
        assert purge.droppable_partitions(connection) == []
