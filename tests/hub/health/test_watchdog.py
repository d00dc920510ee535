"""The watchdog's checks of the tables: unreadable and silent resources; tests/e2e covers ION."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from tests.hub.sync.plant import PARTS, Plant
from tests.hub.table_ion import make_site, open_database, select_all

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.database import Database
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.stats import arrivals
from ultraviolet.hub.health.watchdog import Watchdog


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def watchdog(plant: Plant) -> Watchdog:
    unused: Any = None
    site = make_site(plant.database, plant.ion, only={PARTS})
    return Watchdog(unused, lambda _id, _name: None, site)


def test_resource_stays_unreadable_until_a_full_fetch_reads_it(
    database: Database,
) -> None:
    plant = Plant(database, 300)

    def unreadable() -> list[str]:
        return [each.subject for each in database.read_now(watchdog(plant)._database_findings)]

    plant.fetch()
    hidden = {n: plant.parts.pop(n) for n in range(101, 301)}
    assert "failed" == plant.fetch().state
    assert [PARTS] == unreadable()
    assert "done" == plant.fetch("incremental").state
    assert [PARTS] == unreadable()

    plant.parts.update(hidden)
    assert "done" == plant.fetch().state
    assert [] == unreadable()


def hours_ago(hours: int) -> str:
    return as_text(utc_now() - timedelta(hours=hours))


def add_event(database: Database, hours: int) -> None:
    """Add an event of a part that arrived this many hours ago."""
    event = {"integration_id": 1, "webhook_url_id": 1, "dedupe_key": b"key", "resource": PARTS}
    event |= {"received_at": hours_ago(hours), "body": b"", "headers": {}, "signature": "verified"}
    database.write_now(lambda c: c.execute(insert(events), event) and None)


@pytest.fixture(params=["event", "heal"])
def active_plant(database: Database, request: pytest.FixtureRequest) -> Plant:
    """Return a plant whose parts changed every hour until six hours ago, and once now."""
    plant = Plant(database, 3)
    plant.fetch()
    plant.parts[2]["_updated"] = now_rfc3339()
    hour = {"integration_id": 1, "resource": PARTS, "cause": "", "healed_by": request.param}
    rows = [
        hour | {"hour": hours_ago(hours)[:13], "bucket": 0, "count": 1} for hours in range(6, 30)
    ]
    database.write_now(lambda c: c.execute(insert(arrivals), rows) and None)
    return plant


def test_changed_resource_without_events_is_silent(database: Database, active_plant: Plant) -> None:
    add_event(database, 6)

    (found,) = asyncio.run(watchdog(active_plant)._silent_resources())

    assert "Parts changed in ION" in found.message
    assert ["a resource sent no events"] == [
        r.requested_by
        for r in select_all(database, "SELECT * FROM fetches WHERE state = 'running'")
    ]


def test_resource_with_recent_events_is_not_silent(database: Database, active_plant: Plant) -> None:
    add_event(database, 6)
    dog = watchdog(active_plant)
    assert asyncio.run(dog._silent_resources())

    add_event(database, 2)

    assert [] == asyncio.run(dog._silent_resources())


def test_resource_without_any_events_is_not_silent(database: Database, active_plant: Plant) -> None:
    assert [] == asyncio.run(watchdog(active_plant)._silent_resources())
