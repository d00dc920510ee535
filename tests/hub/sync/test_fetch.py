"""Fetch: complete or failed, resumed after a crash, with deletions only after proven absence."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from tests.hub.sync.plant import PARTS, Plant, run
from tests.hub.table_ion import (
    CATALOG,
    TableIon,
    answer,
    make_site,
    mark,
    open_database,
    row,
    select_all,
)

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.sync.fetch import Fetcher
from ultraviolet.hub.sync.fetch_progress import PageCommit, PageResult
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import IonUnreachableError
from ultraviolet.mirror.observation import Observation, Origin


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    yield database
    database.close()


def test_fetch_resumes_at_the_page_of_a_crash(database: Database) -> None:
    plant = Plant(database, 450)
    pages = iter([None, None, IonUnreachableError("the network is gone")])

    def override(ids: list[int]) -> None:
        error = next(pages, None)
        if error:
            raise error

    plant.ion.override = override
    with pytest.raises(IonUnreachableError):
        plant.fetch()
    assert 300 == len(plant.held()), "pages grow where ION is quick"
    before = len(plant.ion.requests)

    step = plant.fetch()

    assert ("done", 450) == (step.state, step.read)
    assert 2 == len(plant.ion.requests) - before
    assert list(range(1, 451)) == plant.held()


def test_object_that_cannot_be_stored_blocks_no_other(database: Database) -> None:
    plant = Plant(database, 2500)
    plant.parts[1000]["description"] = "\ud800"  # an unpaired surrogate, which no database stores
    step = plant.fetch()
    assert ("failed", 2499, 2499) == (step.state, step.read, step.changed)
    assert "parts 1000 could not be read" in step.error
    assert [n for n in range(1, 2501) if n != 1000] == plant.held()
    assert ["1000"] == [row.id for row in select_all(database, "SELECT id FROM stale")]

    plant.parts[1000]["description"] = "whole"
    step = plant.fetch()

    assert ("done", 2500, 1) == (step.state, step.read, step.changed)
    assert list(range(1, 2501)) == plant.held()


def test_object_that_cannot_be_stored_blocks_no_other_page(database: Database) -> None:
    def page(resource: str, id_: int, **fields: Any) -> PageCommit:
        moment = now_rfc3339()
        full = Observation(
            resource,
            str(id_),
            "full",
            {"id": id_, **fields},
            moment,
            Origin("fetch"),
            read_started_at=moment,
        )
        return PageCommit(1, resource, [full])

    async def write_pages() -> list[PageResult]:
        writer = PageWriter(make_site(database, TableIon({}), only={PARTS}))
        pages = (
            page(PARTS, 1),
            page(PARTS, 2, description="\ud800"),
            page("suppliers", 1),
            page(PARTS, 3),
        )
        written = [await writer.add(each) for each in pages]
        return await asyncio.gather(*written)

    results = asyncio.run(write_pages())
    assert 4 == len(results)
    assert [1, 3] == [
        row.n
        for row in select_all(
            database,
            "SELECT CAST(id AS INTEGER) AS n FROM objects WHERE resource = 'parts' ORDER BY n",
        )
    ]
    assert 3 == sum(result.changed for result in results)
    assert [[], ["2"], [], []] == [list(result.not_kept) for result in results]


def test_refused_fetch_keeps_earlier_pages(database: Database) -> None:
    plant = Plant(database, 450)
    answers = iter([None, None])
    plant.ion.override = lambda ids: next(answers, Result(None, ("that is too much",)))

    step = plant.fetch()

    assert ("failed", 300) == (step.state, step.read)
    assert list(range(1, 301)) == plant.held()


def test_unfinished_fetch_hides_no_change_from_the_next_incremental_fetch(
    database: Database,
) -> None:
    plant = Plant(database, 450)
    plant.fetch()
    plant.parts[440] |= {
        "_updated": "2026-01-01T01:00:00.000000+00:00",
        "description": "unreported",
    }
    plant.parts[1]["_updated"] = "2026-01-01T02:00:00.000000+00:00"
    answers = iter([None])
    plant.ion.override = lambda ids: next(answers, Result(None, ("that is too much",)))
    assert "failed" == plant.fetch().state
    plant.ion.override = lambda ids: None

    assert "done" == plant.fetch("incremental").state

    (found,) = select_all(database, "SELECT doc FROM objects WHERE id = '440'")
    assert "unreported" in found.doc


def test_resumed_first_fetch_saves_its_watermark(
    database: Database,
) -> None:
    plant = Plant(database, 450)
    plant.parts[1]["_updated"] = "2026-01-01T02:00:00.000000+00:00"
    answers = iter([None, IonUnreachableError("the network is gone")])

    def override(ids: list[int]) -> None:
        error = next(answers, None)
        if error:
            raise error

    plant.ion.override = override
    with pytest.raises(IonUnreachableError):
        plant.fetch()
    assert "done" == plant.fetch().state

    assert ("done", 1) == ((step := plant.fetch("incremental")).state, step.read)


def test_refused_large_page_is_read_in_small_pages(database: Database) -> None:
    plant = Plant(database, 450)
    refusals = iter([None, Result(None, ("first must be at most 100",))])
    plant.ion.override = lambda ids: next(refusals, None)

    step = plant.fetch()

    assert ("done", 450) == (step.state, step.read)
    assert 6 == len(plant.ion.requests), "five pages of 100, and the one that was refused"


def test_changes_during_paging_shift_nothing(database: Database) -> None:
    """Pages start after a key; with offsets, each deletion would hide a later row."""
    plant = Plant(database, 300)

    def override(ids: list[int]) -> None:
        plant.parts.pop(len(plant.ion.requests), None)
        plant.parts[1000 + len(plant.ion.requests)] = row(1000 + len(plant.ion.requests))

    plant.ion.override = override
    plant.fetch()
    plant.ion.override = lambda ids: None
    plant.fetch()

    assert sorted(plant.parts) == plant.held()


def test_row_committed_before_the_watermark_is_found(database: Database) -> None:
    """A long transaction in ION: its row becomes visible with an earlier time."""
    plant = Plant(database, 3)
    plant.parts[2] = row(2, _updated="2026-01-01T01:00:00.000000+00:00")
    plant.fetch()
    plant.parts[4] = row(4, _updated="2026-01-01T00:59:01.000000+00:00")

    step = plant.fetch("incremental")

    assert [1, 2, 3, 4] == plant.held()
    assert ("done", 2) == (step.state, step.read), "the overlap is read, not everything"


def test_row_that_polls_missed_is_found_by_the_incremental_fetch(database: Database) -> None:
    """Polls look back ten seconds; a transaction in ION may take a minute."""
    lines = "purchase_order_lines"
    ion = TableIon({lines: {1: row(1, purchaseOrderId=1)}})
    rows = ion.rows[CATALOG.resources[lines].list]
    site = make_site(database, ion, only={lines})

    async def poll(moment: str) -> int:
        rows[1]["_updated"] = f"2026-01-01T{moment}.000000+00:00"
        return await Fetcher(site).poll(CATALOG.resources[lines], timedelta(seconds=10))

    async def story() -> None:
        await run(site, "full")
        assert 1 == await poll("01:00:00")
        assert 1 == await poll("01:00:50")
        rows[3] = row(3, purchaseOrderId=1, _updated="2026-01-01T01:00:01.000000+00:00")
        assert 1 == await poll("01:02:50")
        await run(site, "incremental")

    asyncio.run(story())
    assert ["1", "3"] == [r.id for r in select_all(database, "SELECT id FROM objects ORDER BY id")]


def test_row_committed_before_the_overlap_is_found_by_a_full_fetch(
    database: Database,
) -> None:
    plant = Plant(database, 3)
    plant.parts[2] = row(2, _updated="2026-01-01T01:00:00.000000+00:00")
    plant.fetch()
    plant.parts[4] = row(4, _updated="2026-01-01T00:30:00.000000+00:00")

    plant.fetch("incremental")
    assert [1, 2, 3] == plant.held()
    plant.fetch()
    assert [1, 2, 3, 4] == plant.held()


def test_empty_list_with_a_next_page_is_an_error(database: Database) -> None:
    plant = Plant(database, 5)
    plant.fetch()
    page: dict[str, Any] = {"edges": [], "pageInfo": {"hasNextPage": True, "totalCount": 5}}
    plant.ion.override = lambda ids: Result({"page": page})

    step = plant.fetch()

    assert "failed" == step.state
    assert [1, 2, 3, 4, 5] == plant.held()


def test_short_list_after_a_lost_permission_deletes_nothing(database: Database) -> None:
    plant = Plant(database, 300)
    plant.fetch()
    hidden = {n: plant.parts.pop(n) for n in range(101, 301)}

    step = plant.fetch()

    assert "failed" == step.state
    assert "ION shows 100 of 300 parts" in step.error
    assert 300 == len(plant.held())
    plant.parts.update(hidden)
    assert "done" == plant.fetch().state


def test_last_objects_of_a_resource_are_not_deleted_silently(database: Database) -> None:
    plant = Plant(database, 3)
    plant.fetch()
    plant.parts.clear()

    assert "failed" == plant.fetch().state
    assert [1, 2, 3] == plant.held()


def test_full_fetch_finds_unreported_deletions(database: Database) -> None:
    plant = Plant(database, 300)
    plant.fetch()
    del plant.parts[7], plant.parts[300]

    step = plant.fetch()

    assert ("done", 2) == (step.state, step.deleted)
    assert 298 == len(plant.held())


def test_many_reported_deletions_need_no_confirmation(database: Database) -> None:
    plant = Plant(database, 100)
    plant.fetch()
    plant.parts.clear()
    mark(database, PARTS, range(1, 101), "deletion")

    assert ("done", 100) == ((step := plant.fetch()).state, step.deleted)


def test_many_unreported_deletions_need_confirmation(database: Database) -> None:
    plant = Plant(database, 100)
    plant.fetch()
    plant.parts.clear()

    step = plant.fetch(accept_absence=True)

    assert ("done", 100) == (step.state, step.deleted)


def test_unlisted_row_is_read_by_id_before_it_is_deleted(database: Database) -> None:
    plant = Plant(database, 10)
    plant.fetch()

    def override(ids: list[int]) -> Result | None:
        if ids:
            return None
        shown = [{"node": node} for n, node in plant.parts.items() if n != 4]
        return Result(
            {"page": {"edges": shown, "pageInfo": {"hasNextPage": False, "totalCount": 10}}}
        )

    plant.ion.override = override

    assert ("done", 0) == ((step := plant.fetch()).state, step.deleted)
    assert 10 == len(plant.held())


def test_error_about_an_object_does_not_prove_its_absence(database: Database) -> None:
    plant = Plant(database, 10)
    plant.fetch()

    def override(ids: list[int]) -> Result:
        if ids:
            return Result({"a0": answer([None])}, ("Part 4: timed out",))
        return Result({"page": answer(node for n, node in plant.parts.items() if n != 4)})

    plant.ion.override = override

    step = plant.fetch()

    assert "failed" == step.state
    assert "parts 4 could not be read" in step.error
    assert "Part 4: timed out" in step.error
    assert 10 == len(plant.held())


def test_time_at_the_end_of_the_calendar_is_unchanged(database: Database) -> None:
    plant = Plant(database, 3)
    plant.parts[2]["_created"] = "9999-12-31T23:59:59-08:00"

    assert "done" == plant.fetch().state
    assert [1, 2, 3] == plant.held()


def test_resource_that_ion_does_not_offer_is_skipped(database: Database) -> None:
    Plant(database, 1).fetch()

    skipped = select_all(database, "SELECT * FROM fetch_steps WHERE state = 'skipped'")

    assert len(CATALOG.mirrored) - 1 == len(skipped)
    assert {"This ION does not offer it"} == {step.error for step in skipped}
    assert {None} == {
        r.proven_at
        for r in select_all(database, "SELECT * FROM watermarks WHERE skipped IS NOT NULL")
    }


def test_resource_without_permission_is_skipped_or_failed_if_it_was_readable(
    database: Database,
) -> None:
    plant = Plant(database, 3)
    refusal = Result(None, ("User does not have permission to read this resource.",))
    plant.ion.override = lambda ids: refusal
    assert "skipped" == plant.fetch().state
    plant.ion.override = lambda ids: None
    assert "done" == plant.fetch().state
    plant.ion.override = lambda ids: refusal

    assert "failed" == plant.fetch().state
    assert [1, 2, 3] == plant.held()
