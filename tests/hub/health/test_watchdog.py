"""The watchdog's looks into the tables: what could not be read, and who fell silent. Its looks at ION are in tests/e2e."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from tests.hub.sync.test_fetch import PARTS, Plant
from tests.hub.table_ion import make_site, open_store, select_all

from ultraviolet.clock import format_rfc3339 as as_text
from ultraviolet.clock import now_rfc3339, utc_now
from ultraviolet.db.database import Database
from ultraviolet.db.tables.events import events
from ultraviolet.db.tables.stats import arrivals
from ultraviolet.hub.health.watchdog import Watchdog


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = open_store(tmp_path)
    yield database
    database.close()


def watchdog(plant: Plant) -> Watchdog:
    unused: Any = None
    return Watchdog(
        unused, unused, make_site(plant.database, plant.ion, only={PARTS}), lambda _: None
    )


def test_what_a_full_fetch_could_not_read_is_said_until_a_full_fetch_can(
    database: Database,
) -> None:
    plant = Plant(database, 300)

    def unreadable() -> list[str]:
        return [each.subject for each in database.read_now(watchdog(plant)._in_tables)]

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


def tell(database: Database, hours: int) -> None:
    """Have an event of the parts come so many hours ago."""
    event = {"integration_id": 1, "webhook_url_id": 1, "dedupe_key": b"key", "resource": PARTS}
    event |= {"received_at": hours_ago(hours), "body": b"", "headers": {}, "signature": "verified"}
    database.write_now(lambda c: c.execute(insert(events), event) and None)


@pytest.fixture(params=["event", "heal"])
def lively(database: Database, request: pytest.FixtureRequest) -> Plant:
    """A plant whose parts changed every hour until six hours ago, and once now."""
    plant = Plant(database, 3)
    plant.fetch()
    plant.parts[2]["_updated"] = now_rfc3339()
    hour = {"integration_id": 1, "resource": PARTS, "cause": "", "healed_by": request.param}
    rows = [
        hour | {"hour": hours_ago(hours)[:13], "bucket": 0, "count": 1} for hours in range(6, 30)
    ]
    database.write_now(lambda c: c.execute(insert(arrivals), rows) and None)
    return plant


def test_a_resource_that_changes_and_tells_nothing_is_silent(
    database: Database, lively: Plant
) -> None:
    tell(database, 6)

    (found,) = asyncio.run(watchdog(lively)._silent())

    assert "Parts changed in ION" in found.sentence
    assert ["a resource fell silent"] == [
        r.requested_by
        for r in select_all(database, "SELECT * FROM fetches WHERE state = 'running'")
    ]


def test_a_resource_whose_events_come_is_not_silent_whatever_puts_its_changes_right(
    database: Database, lively: Plant
) -> None:
    tell(database, 6)
    dog = watchdog(lively)
    assert asyncio.run(dog._silent())

    tell(database, 2)

    assert [] == asyncio.run(dog._silent())


def test_a_resource_that_never_told_anything_is_not_silent(
    database: Database, lively: Plant
) -> None:
    assert [] == asyncio.run(watchdog(lively)._silent())
