"""Retention deletes old rows and keeps current, waiting and needed ones, on either database."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.idle_hub import IdleHub, body, run

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import utc_now
from ultraviolet.db import partitions
from ultraviolet.db.integrity import check_integrity
from ultraviolet.db.tables.events import event_keys, events
from ultraviolet.db.tables.mirror import versions
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.runtime import retention
from ultraviolet.hub.runtime.retention import Purger, RetentionChanges, RetentionPeriods
from ultraviolet.mirror import purge


def ago(days: float) -> str:
    return as_text(utc_now() - timedelta(days=days))


def confirm(connection: Any) -> None:
    """Mark everything as read."""
    connection.execute(text("DELETE FROM stale"))
    connection.execute(text("UPDATE objects SET completeness = 'full'"))


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Iterator[IdleHub]:
    """A hub with an event every ten days since 100 days ago."""
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    made = IdleHub(hub)
    for number in range(10):
        assert run(made.deliver(body(number))) == [200]
        assert made.apply_events() == 1
    with hub.database.engine.begin() as connection:
        for number in range(10):
            for table, at, key in (
                ("events", "received_at", "seq"),
                ("versions", "observed_at", "version"),
            ):
                move = f"UPDATE {table} SET {at} = :at WHERE {key} = :number AND {at} > :recent"
                given = {"at": ago(100 - 10 * number), "number": number + 1, "recent": ago(1)}
                connection.execute(text(move), given)
        confirm(connection)
    yield made
    hub.close()


def keep(idle_hub: IdleHub, **days: Any) -> retention.Retention:
    changes = RetentionChanges(**days)
    idle_hub.hub.database.write_now(
        retention.update_retention, "kim", idle_hub.integration_id, "plant", changes
    )
    return idle_hub.hub.database.read_now(retention.get_retention, idle_hub.integration_id)


def look(idle_hub: IdleHub) -> dict[str, int]:
    return dict(run(Purger(idle_hub.hub.database, idle_hub.hub.changes, pause=0).purge_if_due()))


def numbers(idle_hub: IdleHub, table: Any, column: str) -> list[int]:
    return sorted(getattr(row, column) for row in idle_hub.rows(table))


def well(idle_hub: IdleHub) -> bool:
    return all(finding.well for finding in idle_hub.hub.database.read_now(check_integrity))


def test_old_events_are_deleted_once_and_counted(idle_hub: IdleHub) -> None:
    would = keep(idle_hub, events=45).would_remove["events"]
    assert (would.count, would.more) == (6, False)
    assert would.oldest == min(row.received_at for row in idle_hub.rows(events))

    assert look(idle_hub) == {"events": 6}

    assert numbers(idle_hub, events, "seq") == [7, 8, 9, 10]
    assert len(idle_hub.rows(event_keys)) == 4
    assert numbers(idle_hub, versions, "version") == list(range(1, 11))
    shown = idle_hub.hub.database.read_now(retention.get_retention, idle_hub.integration_id)
    assert (shown.removed, shown.would_remove["events"].count) == ({"events": 6}, 0)
    assert shown.next_run_at is not None
    assert look(idle_hub) == {}
    assert well(idle_hub)


def test_waiting_events_and_those_of_stale_objects_are_kept(idle_hub: IdleHub) -> None:
    with idle_hub.hub.database.engine.begin() as connection:
        connection.execute(text("UPDATE events SET outcome = NULL WHERE seq = 2"))
    keep(idle_hub, events=45)
    assert look(idle_hub) == {"events": 5}

    run(idle_hub.deliver(body(50)))
    assert idle_hub.apply_events() == 2
    keep(idle_hub, events=46)
    assert look(idle_hub) == {}
    assert numbers(idle_hub, events, "seq") == [2, 7, 8, 9, 10, 11]


def test_history_since_the_cutoff_and_current_content_are_kept(
    idle_hub: IdleHub,
) -> None:
    keep(idle_hub, versions=45, events=None)
    assert look(idle_hub) == {"versions": 5}

    # Version 6 was the present one 45 days ago.
    assert numbers(idle_hub, versions, "version") == [6, 7, 8, 9, 10]
    keep(idle_hub, versions=7)
    assert look(idle_hub) == {"versions": 4}
    assert numbers(idle_hub, versions, "version") == [10]
    shown = idle_hub.hub.database.read_now(retention.get_retention, idle_hub.integration_id)
    assert shown.history_since
    assert abs(
        utc_now().fromisoformat(shown.history_since) - (utc_now() - timedelta(days=7))
    ) < timedelta(hours=1)
    assert well(idle_hub)


def meanwhile(monkeypatch: pytest.MonkeyPatch, idle_hub: IdleHub, **days: Any) -> None:
    """Change the retention when the next removal has just begun."""
    drop = Purger._drop_partitions

    async def change_and_drop(self: Purger) -> purge.Tally:
        monkeypatch.undo()
        keep(idle_hub, **days)
        return await drop(self)

    monkeypatch.setattr(Purger, "_drop_partitions", change_and_drop)


def test_longer_period_applies_to_a_running_removal(
    idle_hub: IdleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(idle_hub, versions=45, events=45)
    meanwhile(monkeypatch, idle_hub, versions=None, events=65)
    assert look(idle_hub) == {"events": 4}
    assert numbers(idle_hub, versions, "version") == list(range(1, 11))
    assert numbers(idle_hub, events, "seq") == list(range(5, 11))


def test_shorter_period_starts_the_next_removal_immediately(
    idle_hub: IdleHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(idle_hub, events=95)
    meanwhile(monkeypatch, idle_hub, events=45)
    assert look(idle_hub) == {"events": 1}
    assert look(idle_hub) == {"events": 5}
    assert look(idle_hub) == {}


def test_dry_run_changes_nothing_and_an_invalid_period_is_refused(
    idle_hub: IdleHub,
) -> None:
    would = idle_hub.hub.database.read_now(
        retention.get_retention, idle_hub.integration_id, RetentionChanges(events=45, drift=None)
    )
    assert would.would_remove["events"].count == 6
    assert (
        idle_hub.hub.database.read_now(retention.get_retention, idle_hub.integration_id).keep
        == RetentionPeriods()
    )
    with pytest.raises(InvalidError, match="at least 7 days"):
        keep(idle_hub, events=1)

    keep(idle_hub, events=None)
    keep(idle_hub, events=None)
    entries = idle_hub.hub.database.read_now(audit.list_recent, None, 10)
    assert [entry.action for entry in entries].count("retention.update") == 1
    assert keep(idle_hub).would_remove["events"].count == 0


def test_version_is_deleted_despite_a_missing_successor(idle_hub: IdleHub) -> None:
    with idle_hub.hub.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM versions WHERE version = 3"))
    keep(idle_hub, versions=45, events=None)
    assert look(idle_hub) == {"versions": 4}
    assert numbers(idle_hub, versions, "version") == [6, 7, 8, 9, 10]


def test_unneeded_month_is_dropped(tmp_path: Path, postgresql: Any) -> None:
    url = postgresql.new_database()
    hub = Hub.open(Settings(data=tmp_path, database_url=url, public_url="http://hub.test"))
    idle_hub = IdleHub(hub)
    for number in range(6):
        run(idle_hub.deliver(body(number)))
        idle_hub.apply_events()
    with hub.database.engine.begin() as connection:
        for table in partitions.PARTITIONED_TABLES:
            partitions.ensure_partitions(connection, table, ["2019-07"])
        for table, at in (("events", "received_at"), ("versions", "observed_at")):
            move = f"UPDATE {table} SET {at} = '2019-07-0' || seq || 'T00:00:00.000000+00:00' WHERE seq < 6"
            connection.execute(text(move))
        confirm(connection)
        connection.execute(text("UPDATE events SET outcome = NULL WHERE seq = 3"))
    keep(idle_hub, versions=30)

    assert look(idle_hub) == {"events": 4, "versions": 4}

    with hub.database.engine.connect() as connection:
        assert "2019-07" not in [
            part.month for part in partitions.list_partitions(connection, events)
        ]
        assert "2019-07" not in [
            part.month for part in partitions.list_partitions(connection, versions)
        ]
    assert numbers(idle_hub, events, "seq") == [3, 6]
    assert numbers(idle_hub, versions, "version") == [5, 6]
    assert well(idle_hub)
    assert run(idle_hub.deliver(body(2))) == [200]
    assert numbers(idle_hub, events, "seq") == [3, 6]
    hub.close()


def with_an_old_july(tmp_path: Path, url: str) -> IdleHub:
    """Return a hub with three events of July 2019 and one of today."""
    idle_hub = IdleHub(
        Hub.open(Settings(data=tmp_path, database_url=url, public_url="http://hub.test"))
    )
    for number in range(4):
        run(idle_hub.deliver(body(number)))
        idle_hub.apply_events()
    old = "UPDATE events SET received_at = '2019-07-0' || seq || 'T00:00:00.000000+00:00' WHERE seq < 4"
    with idle_hub.hub.database.engine.begin() as connection:
        partitions.ensure_partitions(connection, events, ["2019-07"])
        connection.execute(text(old))
        confirm(connection)
    return idle_hub


def test_month_needed_again_before_its_drop_is_kept(
    tmp_path: Path, postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    idle_hub = with_an_old_july(tmp_path, postgresql.new_database())

    def regret(point: str) -> None:
        if point == "retention.keys_forgotten":
            keep(idle_hub, events=None)

    monkeypatch.setattr(retention, "failpoint", regret)
    assert look(idle_hub) == {}
    assert numbers(idle_hub, events, "seq") == [1, 2, 3, 4]
    with idle_hub.hub.database.engine.connect() as connection:
        assert "2019-07" in [part.month for part in partitions.list_partitions(connection, events)]
    assert run(idle_hub.deliver(body(2))) == [200]
    assert numbers(idle_hub, events, "seq") == [1, 2, 3, 4], "it is known again"
    assert well(idle_hub)
    idle_hub.hub.close()


def test_event_added_while_keys_of_its_month_are_deleted_is_kept(
    tmp_path: Path, postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This includes an event of another integration, without a cutoff."""
    hub = Hub.open(
        Settings(
            data=tmp_path, database_url=postgresql.new_database(), public_url="http://hub.test"
        )
    )
    idle_hub = IdleHub(hub)
    for number in range(4):
        run(idle_hub.deliver(body(number)))
        idle_hub.apply_events()
    july = (
        "UPDATE events SET received_at = '2019-07-0' || seq || 'T00:00:00.000000+00:00' WHERE seq "
    )
    with hub.database.engine.begin() as connection:
        partitions.ensure_partitions(connection, events, ["2019-07"])
        connection.execute(text(f"{july} < 3"))
        confirm(connection)
    keep(idle_hub)

    def come(point: str) -> None:
        if point == "retention.keys_forgotten":
            with hub.database.engine.begin() as connection:
                connection.execute(text(f"{july} IN (3, 4)"))
                connection.execute(text("UPDATE events SET outcome = NULL WHERE seq IN (2, 3)"))

    monkeypatch.setattr(retention, "failpoint", come)
    assert look(idle_hub) == {"events": 2}
    assert numbers(idle_hub, events, "seq") == [2, 3]
    assert len(idle_hub.rows(event_keys)) == 2
    assert well(idle_hub)
    hub.close()


def test_integration_without_a_cutoff_keeps_everything(tmp_path: Path, postgresql: Any) -> None:
    hub = Hub.open(
        Settings(
            data=tmp_path, database_url=postgresql.new_database(), public_url="http://hub.test"
        )
    )
    idle_hub = IdleHub(hub)
    run(idle_hub.deliver(body(1)))
    idle_hub.apply_events()
    with hub.database.engine.begin() as connection:
        partitions.ensure_partitions(connection, events, ["2019-07"])
        connection.execute(
            text("UPDATE events SET received_at = '2019-07-01T00:00:00.000000+00:00'")
        )
        connection.execute(text("DELETE FROM retention"))
        confirm(connection)
        part = partitions.list_partitions(connection, events)[0]
        assert purge.rows_to_keep(connection, part) == [1]
        assert not purge.drop_partition(connection, part)
    assert numbers(idle_hub, events, "seq") == [1]
    hub.close()


@pytest.mark.parametrize("point", ["retention.removed", "retention.keys_forgotten"])
def test_killed_removal_is_completed_by_the_next(
    tmp_path: Path, postgresql: Any, point: str
) -> None:
    """On SQLite, between two batches; on PostgreSQL, after the keys of a month were deleted."""
    monthed = point == "retention.keys_forgotten"
    url = postgresql.new_database() if monthed else f"sqlite:///{tmp_path / 'hub.db'}"
    settings = Settings(data=tmp_path, database_url=url, public_url="http://hub.test")
    idle_hub = IdleHub(Hub.open(settings))
    for number in range(4):
        run(idle_hub.deliver(body(number)))
        idle_hub.apply_events()
    with idle_hub.hub.database.engine.begin() as connection:
        if monthed:
            partitions.ensure_partitions(connection, events, ["2019-07"])
        old = "UPDATE events SET received_at = '2019-07-0' || seq || 'T00:00:00.000000+00:00' WHERE seq < 4"
        connection.execute(text(old))
        confirm(connection)
    idle_hub.hub.close()
    serve = [sys.executable, "-m", "ultraviolet", "serve", "--port", "0", "--data", str(tmp_path)]
    environment = os.environ | {"ULTRAVIOLET_CRASH_AT": point, "ULTRAVIOLET_DATABASE_URL": url}
    killed = subprocess.run(serve, env=environment, capture_output=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr

    idle_hub.hub = Hub.open(settings)
    with (
        idle_hub.hub.database.engine.begin() as connection
    ):  # as if the five minutes had passed that were its own
        connection.execute(text("UPDATE settings SET value = '' WHERE name = 'retention_until'"))
    assert look(idle_hub) == ({"events": 3} if monthed else {})

    assert numbers(idle_hub, events, "seq") == [4]
    assert numbers(idle_hub, versions, "version") == [1, 2, 3, 4]
    assert run(idle_hub.deliver(body(3))) == [200]
    assert (len(idle_hub.rows(events)), len(idle_hub.rows(event_keys))) == (1, 1)
    assert well(idle_hub)
    idle_hub.hub.close()
