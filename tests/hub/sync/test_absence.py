"""Absence: a list that misses more objects than plausible deletes nothing."""

from typing import Any

import pytest
from sqlalchemy import insert, text, update
from tests.hub.sync.plant import PARTS, SUPPLIERS, full, hold
from tests.hub.table_ion import CATALOG, mark
from tests.mirror.observations import at

from ultraviolet.db.database import Database
from ultraviolet.db.tables.sync import fetch_steps, fetches
from ultraviolet.hub.sync.absence import (
    IncompleteError,
    check_pass,
    check_resource,
    list_unlisted,
)
from ultraviolet.mirror.observation import Observation, Origin

STARTED = at(100)


def begin_pass(
    database: Database, *resources: str, state: str = "proving", accept: bool = False
) -> int:
    """Insert a full fetch whose resources have all been listed since second 100."""

    def work(connection: Any) -> int:
        values = {
            "integration_id": 1,
            "mode": "full",
            "state": "running",
            "requested_by": "test",
            "started_at": STARTED,
            "accept_absence": accept,
        }
        fetch_id = connection.execute(
            insert(fetches).values(values).returning(fetches.c.id)
        ).scalar_one()
        counts = {"read": 0, "changed": 0, "deleted": 0}
        for resource in resources:
            step = {"fetch_id": fetch_id, "resource": resource, "started_at": STARTED}
            connection.execute(insert(fetch_steps).values(step | counts | {"state": state}))
        return fetch_id

    return database.write_now(work)


def hold_some(database: Database, resource: str, listed: int, unlisted: int) -> None:
    """Mirror objects of which a pass that started at second 100 listed the first."""
    hold(
        database,
        [full(resource, n, 100 if n <= listed else 1) for n in range(1, listed + unlisted + 1)],
    )


def resource_error(database: Database, fetch_id: int, resource: str = PARTS) -> str | None:
    try:
        database.read_now(check_resource, 1, fetch_id, CATALOG.resources[resource], STARTED)
    except IncompleteError as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("listed", "unlisted", "refused"),
    [
        (0, 0, False),
        (0, 1, False),
        (0, 2, True),
        (1, 20, False),
        (1, 21, True),
        (180, 20, False),
        (179, 21, True),
        (189, 21, False),
        (270, 30, False),
        (269, 31, True),
    ],
)
def test_list_may_miss_twenty_objects_or_a_tenth_but_not_all(
    database: Database, listed: int, unlisted: int, refused: bool
) -> None:
    hold_some(database, PARTS, listed, unlisted)
    fetch_id = begin_pass(database, PARTS)

    assert refused == bool(resource_error(database, fetch_id))
    # The whole pass has the same limits, but may miss the only objects of one resource.
    implausible = unlisted > max(20, (listed + unlisted) / 10)
    assert implausible == bool(database.read_now(check_pass, 1, fetch_id))


def test_error_states_the_counts_and_the_next_step(database: Database) -> None:
    hold_some(database, PARTS, 10, 40)
    fetch_id = begin_pass(database, PARTS)

    error = resource_error(database, fetch_id)

    assert error is not None
    assert error.startswith("ION shows 10 of 50 parts in the mirror and reported no deletions.")
    assert "Nothing was deleted" in error
    assert "--accept-absence" in error
    found = database.read_now(check_pass, 1, fetch_id)
    assert "10 of 50 objects" in str(found)


def test_few_missing_objects_of_each_resource_are_implausible_together(
    database: Database,
) -> None:
    """A restricted key may hide a few objects of each resource."""
    names = [PARTS, SUPPLIERS, "locations"]
    for name in names:
        hold_some(database, name, 5, 10)
    fetch_id = begin_pass(database, *names)

    assert [None, None, None] == [resource_error(database, fetch_id, name) for name in names]
    error = database.read_now(check_pass, 1, fetch_id)
    assert "15 of 45 objects" in str(error)


def test_resources_still_being_read_do_not_count_as_missing(database: Database) -> None:
    hold_some(database, PARTS, 0, 50)
    fetch_id = begin_pass(database, PARTS, state="reading")

    assert database.read_now(check_pass, 1, fetch_id) is None


def test_reported_deletions_are_plausible(database: Database) -> None:
    hold_some(database, PARTS, 10, 40)
    fetch_id = begin_pass(database, PARTS)
    mark(database, PARTS, range(11, 41), "deletion")
    mark(database, PARTS, range(41, 51), "event")

    assert resource_error(database, fetch_id) is None
    assert database.read_now(check_pass, 1, fetch_id) is None
    database.write_now(lambda c: c.execute(text("UPDATE stale SET reason = 'event'")) and None)
    assert resource_error(database, fetch_id)


def test_accepted_absence_is_not_an_error(database: Database) -> None:
    hold_some(database, PARTS, 0, 50)
    fetch_id = begin_pass(database, PARTS)
    assert resource_error(database, fetch_id)

    accepted = update(fetches).values(accept_absence=True)
    database.write_now(lambda c: c.execute(accepted) and None)

    assert resource_error(database, fetch_id) is None
    assert database.read_now(check_pass, 1, fetch_id) is None


def test_objects_known_from_events_only_do_not_count(database: Database) -> None:
    """A list cannot miss an object that was never read."""
    partial = [
        Observation(PARTS, str(n), "partial", {"description": "a"}, at(1), Origin("event", str(n)))
        for n in range(1, 60)
    ]
    hold(database, partial)
    fetch_id = begin_pass(database, PARTS)

    assert resource_error(database, fetch_id) is None
    assert 59 == len(database.read_now(list_unlisted, 1, PARTS, STARTED, "", 100))


def test_unlisted_objects_are_listed_in_pages(database: Database) -> None:
    hold_some(database, PARTS, 3, 7)
    gone = Observation(PARTS, "5", "absent", {}, at(2), Origin("fetch", "1"), read_started_at=at(2))
    hold(database, [gone])

    pages: list[list[str]] = []
    after = ""
    while page := database.read_now(list_unlisted, 1, PARTS, STARTED, after, 4):
        pages.append(page)
        after = page[-1]

    assert [["10", "4", "6", "7"], ["8", "9"]] == pages
    assert [] == database.read_now(list_unlisted, 1, PARTS, at(0), "", 4)
    assert [] == database.read_now(list_unlisted, 1, SUPPLIERS, STARTED, "", 4)
