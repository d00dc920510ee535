"""The page writer: pages of several resources in one transaction, in order, and none half-written."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError
from tests.hub.sync.plant import PARTS, SUPPLIERS, Progress, clear, documents, refusing

from ultraviolet.db.database import Database
from ultraviolet.hub.sync.fetch_progress import PageCommit, PageResult
from ultraviolet.hub.sync.page_writer import PageWriter
from ultraviolet.hub.sync.watermarks import watermark


@pytest.fixture
def progress(database: Database) -> Progress:
    return Progress(database)


def write(progress: Progress, *pages: PageCommit) -> list[PageResult | BaseException]:
    """Queue all pages at once; return their results or errors."""

    async def story() -> list[PageResult | BaseException]:
        writer = PageWriter(progress.site)
        futures = [await writer.add(page) for page in pages]
        results = await asyncio.gather(*futures, return_exceptions=True)
        await writer.close()
        return results

    return asyncio.run(story())


def errors(results: list[PageResult | BaseException]) -> list[str | None]:
    return [type(each).__name__ if isinstance(each, BaseException) else None for each in results]


def test_pages_of_several_resources_are_written_in_order(progress: Progress) -> None:
    results = write(
        progress,
        progress.page(PARTS, 1, 2, cursor="2"),
        progress.page(SUPPLIERS, 5, cursor="5"),
        progress.page(PARTS, 3, cursor="3"),
    )

    assert [None, None, None] == errors(results)
    assert {"1", "2", "3"} == documents(progress.database).keys()
    assert {"5"} == documents(progress.database, SUPPLIERS).keys()
    assert ("3", 3) == ((step := progress.step()).cursor, step.read)
    assert ("5", 1) == ((step := progress.step(SUPPLIERS)).cursor, step.read)


def test_more_objects_than_the_queue_holds_are_all_written(progress: Progress) -> None:
    """Readers wait while the queue is full, and each transaction has a limited size."""
    pages = [
        progress.page(PARTS, *range(n * 700, n * 700 + 700), cursor=str(n)) for n in range(1, 6)
    ]

    results = write(progress, *pages)

    assert [None] * 5 == errors(results)
    assert (3500, "5") == ((step := progress.step()).read, step.cursor)
    assert 3500 == len(documents(progress.database))


def test_page_that_fails_leaves_nothing_and_stops_only_its_resource(progress: Progress) -> None:
    with refusing(progress.database, "watermarks", "new.resource = 'parts'"):
        results = write(
            progress,
            progress.page(SUPPLIERS, 1, cursor="1"),
            progress.page(PARTS, 1, cursor="1", watermark="2026-01-01T00:00:01.000000+00:00"),
            progress.page(PARTS, 2, cursor="2"),
            progress.page(SUPPLIERS, 2, cursor="2"),
        )

    assert errors(results)[0] is None is errors(results)[3]
    assert None not in errors(results)[1:3]
    assert {} == documents(progress.database), "a later page would move the cursor over this one"
    assert ("waiting", None, 0) == ((step := progress.step()).state, step.cursor, step.read)
    assert progress.database.read_now(watermark, 1, PARTS).updated is None
    assert {"1", "2"} == documents(progress.database, SUPPLIERS).keys()
    assert "2" == progress.step(SUPPLIERS).cursor


def test_resource_with_a_failed_page_accepts_no_more_pages(progress: Progress) -> None:
    async def story() -> None:
        writer = PageWriter(progress.site)
        bad = progress.page(PARTS, 1, watermark="2026-01-01T00:00:01.000000+00:00")
        with pytest.raises(Exception, match="the test refuses this row"):
            await (await writer.add(bad))
        with pytest.raises(Exception, match="the test refuses this row"):
            await writer.add(progress.page(PARTS, 2))
        await (await writer.add(progress.page(SUPPLIERS, 1)))
        await writer.close()

    with refusing(progress.database, "watermarks", "new.resource = 'parts'"):
        asyncio.run(story())

    assert {} == documents(progress.database)
    assert {"1"} == documents(progress.database, SUPPLIERS).keys()


def test_failed_page_is_written_by_the_next_run(progress: Progress) -> None:
    page = progress.page(PARTS, 1, cursor="1", watermark="2026-01-01T00:00:01.000000+00:00")
    with refusing(progress.database, "watermarks", "new.resource = 'parts'"):
        assert [None] != errors(write(progress, page))

    assert [None] == errors(write(progress, page))
    assert ("1", 1) == ((step := progress.step()).cursor, step.read)


def test_closed_writer_drops_queued_pages_and_finishes_the_current_one(progress: Progress) -> None:
    """The next run reads the dropped pages again, because the cursor stands before them."""

    async def story() -> list[bool]:
        writer = PageWriter(progress.site)
        pages = [progress.page(PARTS, n, cursor=str(n)) for n in range(1, 4)]
        first = await writer.add(pages[0])
        await first
        rest = [await writer.add(page) for page in pages[1:]]
        await writer.close()
        return [future.done() for future in rest]

    assert [False, False] == asyncio.run(story())
    assert {"1"} == documents(progress.database).keys()
    assert "1" == progress.step().cursor


def test_closing_an_unused_writer_does_nothing(progress: Progress) -> None:
    assert [] == write(progress)


def test_subscribers_are_notified_of_written_pages(progress: Progress) -> None:
    async def story() -> list[str]:
        messages = progress.site.changes.subscribe()
        writer = PageWriter(progress.site)
        await asyncio.gather(*[await writer.add(progress.page(PARTS, n)) for n in (1, 2, 3)])
        await writer.close()
        progress.site.changes.close()
        return [message["kind"] async for message in messages]

    assert ["object", "fetch"] == asyncio.run(story()), "one transaction, one message of each kind"


DRAWN = st.lists(
    st.tuples(st.sampled_from([PARTS, SUPPLIERS]), st.booleans(), st.integers(1, 9)), max_size=6
)


@given(drawn=DRAWN)
@settings(max_examples=10, deadline=None)
def test_cursor_never_passes_a_page_that_is_not_written(
    module_database: Database, drawn: list[tuple[str, bool, int]]
) -> None:
    """Pages marked as bad fail. All pages before the first bad one of a resource are written."""
    clear(module_database)
    progress = Progress(module_database)
    bad_time = "2026-01-01T00:00:13.000000+00:00"
    pages = [
        progress.page(name, 10 * n + id_, cursor=str(n), watermark=bad_time if bad else None)
        for n, (name, bad, id_) in enumerate(drawn, start=1)
    ]

    with refusing(module_database, "watermarks", f"new.updated = '{bad_time}'"):
        write_carefully(progress, pages)

    for name in (PARTS, SUPPLIERS):
        good: list[PageCommit] = []
        for page in (each for each in pages if each.resource == name):
            if page.watermark:
                break
            good.append(page)
        assert (good[-1].cursor if good else None) == progress.step(name).cursor
        assert {o.id for page in good for o in page.observations} == (
            documents(module_database, name).keys()
        )


def write_carefully(progress: Progress, pages: list[PageCommit]) -> None:
    """Add each page as a fetch does, which stops reading a resource after its first error."""

    async def story() -> None:
        writer = PageWriter(progress.site)
        futures: list[Any] = []
        for page in pages:
            with suppress(DBAPIError):  # the error of an earlier page
                futures.append(await writer.add(page))
        await asyncio.gather(*futures, return_exceptions=True)
        await writer.close()

    asyncio.run(story())
