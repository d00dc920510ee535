"""Progress of a fetch: objects, cursor and watermark of a page are saved together or not at all."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection
from tests.hub.sync.plant import PARTS, SUPPLIERS, Progress, clear, documents, refusing
from tests.hub.table_ion import CATALOG, select_all
from tests.mirror.observations import at

from ultraviolet.db.database import Database
from ultraviolet.hub.sync.fetch_progress import (
    Completion,
    PageResult,
    add_deleted,
    describe_unreadable,
    insert_steps,
    save_pages,
    set_step,
)
from ultraviolet.hub.sync.watermarks import raise_watermark, watermark
from ultraviolet.mirror.observation import Applied, Ref


@pytest.fixture
def progress(database: Database) -> Progress:
    return Progress(database)


def test_each_mirrored_resource_has_one_step(progress: Progress) -> None:
    set_parts = {"state": "reading", "cursor": "7"}
    progress.database.write_now(set_step, progress.fetch_id, PARTS, **set_parts)

    progress.database.write_now(insert_steps, CATALOG, progress.fetch_id)

    steps = select_all(progress.database, "SELECT resource, state FROM fetch_steps")
    assert sorted(r.name for r in CATALOG.mirrored) == sorted(step.resource for step in steps)
    assert ("reading", "7") == ((step := progress.step()).state, step.cursor)
    assert "waiting" == progress.step(SUPPLIERS).state


def test_counts_of_pages_are_added_and_the_cursor_moves(progress: Progress) -> None:
    progress.save(progress.page(PARTS, 1, 2, cursor="2", total=5, begins=at(9)))
    progress.save(progress.page(PARTS, 2, 3, cursor="3"))

    step = progress.step()
    assert ("reading", "3", 5) == (step.state, step.cursor, step.total)
    assert (4, 3, 0) == (step.read, step.changed, step.deleted)
    assert at(9) == step.started_at
    assert {"1", "2", "3"} == documents(progress.database).keys()


def test_first_page_of_a_resource_counts_the_changes_of_a_batch(progress: Progress) -> None:
    results = progress.save(
        progress.page(PARTS, 1, 2), progress.page(SUPPLIERS, 1), progress.page(PARTS, 3)
    )

    assert [3, 1, 0] == [result.changed for result in results]
    assert (3, 3) == ((step := progress.step()).read, step.changed)
    assert (1, 1) == ((step := progress.step(SUPPLIERS)).read, step.changed)


def test_watermark_is_saved_with_the_page_and_never_goes_back(progress: Progress) -> None:
    progress.save(progress.page(PARTS, 1, watermark=at(50)))
    assert at(50) == progress.database.read_now(watermark, 1, PARTS).updated
    progress.save(progress.page(PARTS, 2, watermark=at(40)))
    progress.save(progress.page(PARTS, 3, watermark=None))
    assert at(50) == progress.database.read_now(watermark, 1, PARTS).updated


def test_last_page_completes_and_proves_a_resource_without_unlisted_objects(
    progress: Progress,
) -> None:
    end = Completion(at(100), at(90), "full fetch")
    [result] = progress.save(progress.page(PARTS, 1, second=100, completion=end))

    assert result.completed
    assert ("done", None) == ((step := progress.step()).state, step.error)
    proof = select_all(progress.database, "SELECT * FROM watermarks WHERE resource = 'parts'")
    assert [(at(90), at(100), "full fetch")] == [
        (row.updated, row.proven_at, row.proven_by) for row in proof
    ]


@pytest.mark.parametrize("why", ["unlisted", "unreadable"])
def test_last_page_proves_nothing_if_objects_are_unlisted_or_unreadable(
    progress: Progress, why: str
) -> None:
    progress.save(progress.page(PARTS, 1, second=1))
    problem = "parts 9 could not be read" if why == "unreadable" else None
    listed = (2,) if why == "unlisted" else (1, 2)
    end = Completion(at(100), at(90), "full fetch")

    [result] = progress.save(
        progress.page(PARTS, *listed, second=100, problem=problem, completion=end)
    )

    assert not result.completed
    assert "reading" == progress.step().state
    assert progress.database.read_now(watermark, 1, PARTS).proven_at is None


def test_problem_of_an_earlier_page_is_kept(progress: Progress) -> None:
    progress.save(progress.page(PARTS, 1, problem="parts 9 could not be read"))
    end = Completion(at(100), None, "full fetch")
    [result] = progress.save(progress.page(PARTS, 2, second=100, completion=end))

    assert "parts 9 could not be read" == progress.step().error
    assert not result.completed


def test_unreadable_objects_of_a_page_become_stale(progress: Progress) -> None:
    progress.save(progress.page(PARTS, 1, unreadable={"2": "attributes is not a list"}))

    assert [("2", "not readable")] == [
        (row.id, row.reason) for row in select_all(progress.database, "SELECT * FROM stale")
    ]
    assert {"1"} == documents(progress.database).keys()


def test_object_that_the_database_refuses_is_reported_and_not_counted(progress: Progress) -> None:
    with refusing(progress.database, "objects", "new.id = '13'"):
        [first, second] = progress.save(
            progress.page(PARTS, 12, 13, cursor="13"), progress.page(PARTS, 14, cursor="14")
        )

    assert ["13"] == list(first.not_kept)
    assert {} == second.not_kept
    step = progress.step()
    assert (2, 2, "14") == (step.read, step.changed, step.cursor)
    assert step.error.startswith("parts 13 could not be read and keeps its last content: ")
    assert {"12", "14"} == documents(progress.database).keys()
    assert ["13"] == [row.id for row in select_all(progress.database, "SELECT id FROM stale")]


@pytest.mark.parametrize("table", ["watermarks", "fetch_steps"])
def test_page_whose_progress_cannot_be_saved_leaves_nothing(progress: Progress, table: str) -> None:
    when = "UPDATE" if table == "fetch_steps" else "INSERT"
    with (
        refusing(progress.database, table, "new.resource = 'parts'", when),
        pytest.raises(Exception, match="the test refuses this row"),
    ):
        progress.save(progress.page(PARTS, 1, 2, cursor="2", watermark=at(50), begins=at(1)))

    assert {} == documents(progress.database)
    assert [] == select_all(progress.database, "SELECT * FROM versions")
    assert ("waiting", None, 0) == ((step := progress.step()).state, step.cursor, step.read)
    assert progress.database.read_now(watermark, 1, PARTS).updated is None


def test_error_after_a_page_rolls_the_page_back(progress: Progress) -> None:
    """Whatever fails in the transaction of a page, its objects and its cursor go together."""

    def fail(connection: Connection, applied: Applied, not_kept: Mapping[Ref, str]) -> None:
        save_pages(1, [page], connection, applied, not_kept)
        raise KeyError("after the page")

    page = progress.page(PARTS, 1, cursor="1", watermark=at(50))
    with pytest.raises(KeyError):
        asyncio.run(progress.site.apply_each(page.observations, fail))

    assert {} == documents(progress.database)
    assert progress.step().cursor is None


def test_deletions_are_added(progress: Progress) -> None:
    for count in (2, 0, 3):
        progress.database.write_now(add_deleted, progress.fetch_id, PARTS, count)
    assert 5 == progress.step().deleted
    assert 0 == progress.step(SUPPLIERS).deleted


def test_message_about_unreadable_objects_names_the_first_and_counts_the_others() -> None:
    assert describe_unreadable(PARTS, {}) is None
    assert describe_unreadable(PARTS, {"3": "no key"}) == (
        "parts 3 could not be read and keeps its last content: no key"
    )
    assert describe_unreadable(PARTS, {"3": "no key", "4": "x", "5": "y"}) == (
        "parts 3 could not be read and keeps its last content"
        " (2 more could not be read either): no key"
    )


PAGES = st.lists(
    st.tuples(
        st.sampled_from([PARTS, SUPPLIERS]),
        st.lists(st.integers(1, 20), unique=True, max_size=4),
        st.integers(0, 99),
    ),
    max_size=6,
)


@given(drawn=PAGES, together=st.booleans())
@settings(max_examples=12, deadline=None)
def test_progress_is_the_same_whether_pages_share_a_transaction(
    module_database: Database, drawn: list[tuple[str, list[int], int]], together: bool
) -> None:
    clear(module_database)
    progress = Progress(module_database)
    pages = [
        progress.page(name, *ids, second=second, cursor=str(number), watermark=at(second))
        for number, (name, ids, second) in enumerate(drawn)
    ]

    for batch in [pages] if together else [[page] for page in pages]:
        progress.save(*batch)

    for name in (PARTS, SUPPLIERS):
        mine = [page for page in pages if page.resource == name]
        step = progress.step(name)
        assert sum(len(page.observations) for page in mine) == step.read
        assert (mine[-1].cursor if mine else None) == step.cursor
        newest = max((page.watermark for page in mine if page.watermark), default=None)
        assert newest == module_database.read_now(watermark, 1, name).updated
        assert {o.id for page in mine for o in page.observations} == (
            documents(module_database, name).keys()
        )


def test_saving_an_equal_page_again_changes_nothing(progress: Progress) -> None:
    """A page can be stored, compared and sent again."""
    page = progress.page(PARTS, 1, cursor="1")
    assert page == msgspec.structs.replace(page)
    assert progress.save(page) == [PageResult(1, {})]
    assert progress.save(page) == [PageResult(0, {})]


def test_watermark_of_another_resource_is_unchanged(progress: Progress) -> None:
    progress.database.write_now(raise_watermark, 1, SUPPLIERS, at(5))
    progress.save(progress.page(PARTS, 1, watermark=at(50)))
    assert at(5) == progress.database.read_now(watermark, 1, SUPPLIERS).updated
