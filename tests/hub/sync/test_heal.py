"""Heal: many objects per request, viewed ones first, and no object that blocks another."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text
from tests.hub.table_ion import TableIon, answer, make_site, mark, open_database, row, select_all

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.sync.context import SyncContext
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import (
    IonError,
    IonRateLimitedError,
    IonUnauthorizedError,
    IonUnreachableError,
)

PARTS = "parts"


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def stale(database: Database) -> dict[str, Any]:
    return {row.id: row for row in select_all(database, "SELECT * FROM stale")}


async def heal(site: SyncContext, rounds: int = 1) -> None:
    healer = Healer(site)
    for _ in range(rounds):
        await healer.heal_batch()
        while healer.running:  # noqa: ASYNC110  a batch waits at most a second
            await asyncio.sleep(0.01)
    await healer.stop()


def test_many_objects_of_several_resources_are_one_request(database: Database) -> None:
    ion = TableIon(
        {PARTS: {n: row(n) for n in range(1, 61)}, "suppliers": {n: row(n) for n in range(1, 61)}}
    )
    mark(database, PARTS, range(1, 61))
    mark(database, "suppliers", range(1, 61))

    asyncio.run(heal(make_site(database, ion)))

    assert [120] == [len(ids) for ids in ion.requests]
    assert {} == stale(database)


def test_object_marked_fifty_times_is_read_once(database: Database) -> None:
    ion = TableIon({PARTS: {1: row(1)}})
    for _ in range(50):
        mark(database, PARTS, [1])

    asyncio.run(heal(make_site(database, ion)))

    assert [[1]] == ion.requests


def test_viewed_object_is_read_first_then_the_oldest(database: Database) -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 2001)}})
    mark(database, PARTS, range(1, 1001))
    mark(database, PARTS, range(1001, 2001))
    site = make_site(database, ion)
    site.recently_viewed.add(PARTS, "1999")

    asyncio.run(heal(site))

    assert [1999] == ion.requests[0]
    left = set(stale(database))
    assert left < {str(n) for n in range(1001, 2001)} - {"1999"}, "the oldest were read"
    assert 799 == len(left), "1,200 a round, and the viewed one"


def test_bad_object_is_isolated_and_its_error_recorded(database: Database, wait: Any) -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 301)}})
    ion.override = _fail_with(13)
    mark(database, PARTS, range(1, 301))

    async def until_alone() -> None:
        healer = Healer(make_site(database, ion))
        while len(stale(database)) > 1 or [13] not in ion.requests:
            await healer.heal_batch()
        await healer.stop()

    asyncio.run(asyncio.wait_for(until_alone(), 30))

    assert {"13": "ION answered 500"} == {id_: row.error for id_, row in stale(database).items()}
    assert len(ion.requests) < 60


def test_bad_object_does_not_block_others(database: Database) -> None:
    """An unanswered request continues during the next batches."""
    ion = TableIon({PARTS: {1: row(1), 2: row(2)}})
    never = asyncio.Event

    async def story() -> None:
        site = make_site(database, ion)
        asked = site.reader.client.execute

        async def execute(document: str, variables: Any = None, **more: Any) -> Result:
            if "__typename" not in document and variables["a0"]["id"]["in"] == ["1"]:
                await never().wait()
            return await asked(document, variables, **more)

        site.reader.client.execute = execute  # type: ignore[method-assign]
        healer = Healer(site)
        mark(database, PARTS, [1])
        await healer.heal_batch()
        mark(database, PARTS, [2])
        await healer.heal_batch()
        assert ["1"] == list(stale(database))
        await healer.stop()

    asyncio.run(asyncio.wait_for(story(), 30))


def test_object_that_cannot_be_stored_does_not_block_others(database: Database) -> None:
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 11)}})
    ion.rows["parts"][3]["description"] = "\ud800"  # an unpaired surrogate, which is invalid JSON
    mark(database, PARTS, range(1, 11))

    asyncio.run(heal(make_site(database, ion), rounds=5))

    assert ["3"] == list(stale(database))
    assert "cannot store it: UnicodeEncodeError" in stale(database)["3"].error


def test_mark_of_an_invalid_id_is_deleted(database: Database) -> None:
    ion = TableIon({PARTS: {1: row(1)}})
    mark(database, PARTS, ["1", "abc", "9" * 30])

    asyncio.run(heal(make_site(database, ion)))

    assert ([[1]], {}) == (ion.requests, stale(database))


def test_slow_ion_limits_objects_in_memory_but_not_viewed_objects(
    database: Database,
) -> None:
    mark(database, PARTS, range(1, 6001))
    asked: list[list[str]] = []

    async def story() -> list[int]:
        site = make_site(database, TableIon({}))

        async def execute(document: str, variables: Any = None, **more: Any) -> Result:
            asked.append(variables["a0"]["id"]["in"])
            await asyncio.Event().wait()
            raise AssertionError

        site.reader.client.execute = execute  # type: ignore[method-assign]
        healer, in_memory = Healer(site), list[int]()
        for _ in range(3):
            await healer.heal_batch()
            in_memory.append(sum(map(len, healer.running.values())))
        assert 6 == len(asked)
        site.recently_viewed.add(PARTS, "5000")
        await healer.heal_batch()
        await healer.stop()
        return in_memory

    assert [1200, 1800, 1800] == asyncio.run(asyncio.wait_for(story(), 30))
    assert ["5000"] == asked[-1]


@pytest.mark.parametrize(
    "error",
    [
        IonUnreachableError("ION is down"),
        IonUnauthorizedError("ION does not accept the access token"),
        IonRateLimitedError("ION asks to slow down (429)"),
    ],
    ids=["is down", "rejects the token", "asks to slow down"],
)
def test_failing_ion_is_not_blamed_on_objects(database: Database, error: IonError) -> None:
    """No object is marked as bad, so that all are read together when ION answers again."""
    ion = TableIon({PARTS: {n: row(n) for n in range(1, 101)}})
    site = make_site(database, ion)

    async def nothing(document: str, *_: Any, **__: Any) -> Result:
        if "__typename" in document and isinstance(error, IonRateLimitedError):
            return Result({"__typename": "Query"})
        raise error

    answers, site.reader.client.execute = site.reader.client.execute, nothing  # type: ignore[method-assign]
    mark(database, PARTS, range(1, 101))
    with pytest.raises(type(error)):
        asyncio.run(heal(site, rounds=2))
    assert {0} == {row.attempts for row in stale(database).values()}

    site.reader.client.execute = answers  # type: ignore[method-assign]
    asyncio.run(heal(site))
    assert ({}, [100]) == (stale(database), [len(ids) for ids in ion.requests])


def test_resource_without_permission_blocks_nothing(database: Database) -> None:
    ion = TableIon({"suppliers": {1: row(1)}})
    refused = "User does not have permission to read this resource."

    def override(ids: list[int]) -> Result:
        return Result({"a0": None, "a1": answer([row(1)])}, (refused,))

    ion.override = override
    mark(database, PARTS, [7])
    mark(database, "suppliers", [1])

    asyncio.run(heal(make_site(database, ion)))

    assert {"7": refused} == {id_: row.error for id_, row in stale(database).items()}


@pytest.mark.parametrize(
    ("shown", "error", "more"),
    [
        (None, "Part 1: timed out", False),
        (row(1, latestRevision=None), "Part 1: could not compute latestRevision", False),
        (row(2), None, True),
    ],
    ids=["an object", "a field", "the rest of a list"],
)
def test_object_with_an_incomplete_answer_stays_stale(
    database: Database, shown: dict[str, Any] | None, error: str | None, *, more: bool
) -> None:
    ion = TableIon({PARTS: {1: row(1)}})
    errors = (error,) if error else ()
    ion.override = lambda ids: Result({"a0": answer([shown], more=more)}, errors)
    mark(database, PARTS, [1])

    asyncio.run(heal(make_site(database, ion)))

    assert {"1": error or "ION shows only some of the requested objects"} == {
        id_: row.error for id_, row in stale(database).items()
    }


def test_missing_object_is_kept_until_its_deletion_is_reported(
    database: Database,
) -> None:
    ion = TableIon({PARTS: {1: row(1)}})
    site = make_site(database, ion)
    mark(database, PARTS, [1])
    asyncio.run(heal(site))
    del ion.rows["parts"][1]
    mark(database, PARTS, [1])
    asyncio.run(heal(site))
    assert "no deletion" in stale(database)["1"].error

    mark(database, PARTS, [1], "deletion")
    asyncio.run(heal(site))
    assert {} == stale(database)
    (kept,) = select_all(database, "SELECT deleted_at FROM objects")
    assert kept.deleted_at


def test_lagging_replica_is_an_error_only_if_it_persists(database: Database) -> None:
    ion = TableIon({PARTS: {1: row(1, _updated=now_rfc3339())}})
    site = make_site(database, ion)
    mark(database, PARTS, [1])
    asyncio.run(heal(site))
    ion.rows[PARTS][1] = row(1)
    mark(database, PARTS, [1])
    asyncio.run(heal(site))
    assert [(1, None)] == [(row.attempts, row.error) for row in stale(database).values()]

    database.write_now(
        lambda c: (
            c.execute(text("UPDATE stale SET attempts = 5, next_attempt_at = marked_at")) and None
        )
    )
    asyncio.run(heal(site))
    assert "older content" in stale(database)["1"].error


def _fail_with(id_: int) -> Any:
    def override(ids: list[int]) -> None:
        if id_ in ids:
            raise IonUnreachableError("ION answered 500")

    return override
