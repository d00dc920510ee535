"""The fetch of one resource: resumed at any page, and complete only if everything was read."""

from typing import Any

import pytest
from tests.hub.sync.plant import PARTS, Plant, documents
from tests.hub.table_ion import answer, mark, row, select_all
from tests.mirror.observations import at

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.sync.watermarks import watermark
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import IonUnreachableError


def fail_at(page: int) -> Any:
    """Return an override that breaks the connection at one request, and at no other."""
    requests = iter(range(1000))

    def override(ids: list[int]) -> None:
        if next(requests) == page:
            raise IonUnreachableError("the network is gone")

    return override


@pytest.mark.parametrize("page", range(3))
def test_full_fetch_resumes_at_every_page(database: Database, page: int) -> None:
    plant = Plant(database, 450)  # pages of 100, 200 and 150 objects
    plant.ion.override = fail_at(page)
    with pytest.raises(IonUnreachableError):
        plant.fetch()
    held = [0, 100, 300][page]
    assert list(range(1, held + 1)) == plant.held()
    [step] = select_all(database, "SELECT * FROM fetch_steps WHERE resource = 'parts'")
    assert (str(held) if held else None) == step.cursor
    assert held == step.read

    step = plant.fetch()

    assert ("done", 450, 450) == (step.state, step.read, step.changed)
    assert list(range(1, 451)) == plant.held()
    assert 450 == len(select_all(database, "SELECT * FROM versions")), "nothing was stored twice"


@pytest.mark.parametrize("page", range(3))
def test_incremental_fetch_resumes_at_every_page(database: Database, page: int) -> None:
    plant = Plant(database, 250)
    plant.fetch()
    before = database.read_now(watermark, 1, PARTS).updated
    for n in range(1, 251):
        plant.parts[n] |= {"description": "new", "_updated": at(1000 + n)}
    plant.ion.override = fail_at(page)
    with pytest.raises(IonUnreachableError):
        plant.fetch("incremental")
    new = {id_ for id_, doc in documents(database).items() if doc.get("description") == "new"}
    assert [0, 100, 200][page] == len(new)
    last = at(1000 + len(new)) if new else before
    assert last == database.read_now(watermark, 1, PARTS).updated, "saved with the page"

    step = plant.fetch("incremental")

    assert "done" == step.state
    assert {"new"} == {doc["description"] for doc in documents(database).values()}
    assert at(1250) == database.read_now(watermark, 1, PARTS).updated


def test_object_that_moves_to_a_later_page_is_read_again(database: Database) -> None:
    """ION changes a listed object while its later pages are read."""
    plant = Plant(database, 150)
    plant.fetch()
    for n in range(1, 151):
        plant.parts[n] |= {"_updated": at(1000 + n)}
    requests = iter(range(1000))

    def override(ids: list[int]) -> None:
        if next(requests) == 1:
            plant.parts[1] |= {"_updated": at(2000), "description": "moved"}
            plant.parts[149] |= {"_updated": at(2001), "description": "moved too"}

    plant.ion.override = override
    step = plant.fetch("incremental")

    assert ("done", 151) == (step.state, step.read)
    held = documents(database)
    assert ("moved", "moved too") == (held["1"]["description"], held["149"]["description"])


def test_page_with_repeated_rows_is_read_by_id(database: Database) -> None:
    plant = Plant(database, 3)
    page = answer([row(1), row(1, description="another"), row(2), row(3)])
    plant.ion.override = lambda ids: None if ids else Result({"page": page})

    step = plant.fetch()

    assert ("done", 3) == (step.state, step.read)
    assert plant.parts[1] == documents(database)["1"], "the content of the read by id"


def test_page_that_repeats_an_earlier_page_ends_the_fetch(database: Database) -> None:
    plant = Plant(database, 3)
    plant.fetch()
    page = answer([row(1), row(2)], more=True)
    plant.ion.override = lambda ids: None if ids else Result({"page": page})

    step = plant.fetch()

    assert "failed" == step.state
    assert "in a different order than requested" in step.error
    assert [1, 2, 3] == plant.held()


def test_incremental_pages_that_repeat_end_the_fetch(database: Database) -> None:
    plant = Plant(database, 3)
    plant.fetch()
    page = answer([row(2)], more=True)
    plant.ion.override = lambda ids: None if ids else Result({"page": page})

    step = plant.fetch("incremental")

    assert "failed" == step.state
    assert "ION repeats the same page of parts" in step.error


def test_empty_resource_is_complete_and_proven(database: Database) -> None:
    plant = Plant(database, 0)

    step = plant.fetch()

    assert ("done", 0, 0, None) == (step.state, step.read, step.total, step.error)
    mark_ = database.read_now(watermark, 1, PARTS)
    assert (None, step.started_at) == (mark_.updated, mark_.proven_at)
    assert ("done", 0) == ((again := plant.fetch("incremental")).state, again.read)
    plant.parts[1] = row(1)
    plant.fetch("incremental")
    assert [1] == plant.held()


def test_first_incremental_fetch_reads_everything(database: Database) -> None:
    plant = Plant(database, 150)

    step = plant.fetch("incremental")

    assert ("done", 150, 150) == (step.state, step.read, step.total)
    assert [("incremental fetch",)] == [
        (r.proven_by,)
        for r in select_all(database, "SELECT proven_by FROM watermarks WHERE skipped IS NULL")
    ]


def test_unreadable_object_fails_the_step_and_keeps_its_content(database: Database) -> None:
    plant = Plant(database, 5)
    plant.fetch()
    for part in plant.parts.values():
        part["description"] = "new"
    plant.parts[3]["attributes"] = "none"

    step = plant.fetch()

    assert "failed" == step.state
    assert "parts 3 could not be read and keeps its last content: attributes" in step.error
    held = documents(database)
    assert held["3"].get("description") is None
    assert {"new"} == {doc["description"] for id_, doc in held.items() if id_ != "3"}
    assert [("3", "not readable")] == [
        (r.id, r.reason) for r in select_all(database, "SELECT * FROM stale")
    ]


def test_many_unreadable_objects_have_one_cause_and_end_the_fetch(database: Database) -> None:
    plant = Plant(database, 1000)
    for part in plant.parts.values():
        part["attributes"] = "none"

    step = plant.fetch()

    assert "failed" == step.state
    assert "more could not be read either" in step.error
    assert len(select_all(database, "SELECT * FROM stale")) < 1000, "it stopped early"


@pytest.mark.parametrize("mode", ["full", "incremental"])
def test_row_without_id_proves_nothing(database: Database, mode: str) -> None:
    plant = Plant(database, 3)
    plant.fetch()
    before = database.read_now(watermark, 1, PARTS)
    for n in (1, 2, 3):
        plant.parts[n] |= {"_updated": at(500 + n)}
    page = answer([plant.parts[1], None, plant.parts[3]])
    plant.ion.override = lambda ids: None if ids else Result({"page": page})

    step = plant.fetch(mode)

    assert "failed" == step.state
    assert "ION answered null instead of 1 parts; nothing was deleted for it" in step.error
    assert [1, 2, 3] == plant.held()
    assert before == database.read_now(watermark, 1, PARTS), "the next fetch reads from here again"


def test_watermark_of_a_long_first_pass_is_the_newest_change(database: Database) -> None:
    plant = Plant(database, 250)
    plant.parts[7]["_updated"] = at(700)

    plant.fetch()

    found = database.read_now(watermark, 1, PARTS).updated
    assert found is not None
    # The newest change is read after the first page, and the time between them is subtracted.
    assert at(670) <= found <= at(700)


def test_object_that_cannot_be_read_by_id_is_not_deleted(database: Database) -> None:
    plant = Plant(database, 5)
    plant.fetch()
    del plant.parts[4]

    def override(ids: list[int]) -> Result | None:
        return Result(None, ("could not read part 4",)) if ids else None

    plant.ion.override = override
    step = plant.fetch()

    assert "failed" == step.state
    assert "parts 4 could not be read" in step.error
    assert [1, 2, 3, 4, 5] == plant.held()
    assert [("4", "not readable")] == [
        (r.id, r.reason) for r in select_all(database, "SELECT id, reason FROM stale")
    ]
    plant.ion.override = lambda ids: None
    assert ("done", 1) == ((step := plant.fetch()).state, step.deleted)


def test_interrupted_proof_continues(database: Database) -> None:
    """All pages are read, and the connection breaks before the unlisted objects are read by id."""
    plant = Plant(database, 5)
    plant.fetch()
    del plant.parts[4]

    def override(ids: list[int]) -> None:
        if ids:
            raise IonUnreachableError("the network is gone")

    plant.ion.override = override
    broken(plant)
    with pytest.raises(IonUnreachableError):
        plant.fetch()
    assert [1, 2, 3, 4, 5] == plant.held()
    mend(plant)

    step = plant.fetch()

    assert ("done", 1) == (step.state, step.deleted)
    assert [1, 2, 3, 5] == plant.held()


def broken(plant: Plant) -> None:
    """Make ION answer lists only."""
    execute = type(plant.ion).execute

    async def lists_only(document: str, *arguments: Any, **more: Any) -> Result:
        if "__typename" in document:
            raise IonUnreachableError("the network is gone")
        return await execute(plant.ion, document, *arguments, **more)

    plant.ion.execute = lists_only  # type: ignore[method-assign]


def mend(plant: Plant) -> None:
    del plant.ion.execute
    plant.ion.override = lambda ids: None


@pytest.mark.parametrize("changed", [True, False])
def test_deleted_object_that_ion_lists_again_is_restored_or_read_again(
    database: Database, changed: bool
) -> None:
    """Soon after a deletion, an unchanged row may come from a replica that lags."""
    plant = Plant(database, 5)
    plant.fetch()
    gone = plant.parts.pop(4)
    plant.fetch()
    assert [1, 2, 3, 5] == plant.held()
    plant.parts[4] = gone | ({"_updated": now_rfc3339()} if changed else {})

    plant.fetch()

    assert changed == (4 in plant.held())
    assert ([] if changed else [("4", "shown again")]) == [
        (r.id, r.reason) for r in select_all(database, "SELECT * FROM stale")
    ]


def test_stale_object_is_fresh_after_a_fetch(database: Database) -> None:
    plant = Plant(database, 3)
    plant.fetch()
    mark(database, PARTS, [2])

    plant.fetch()

    assert [] == select_all(database, "SELECT * FROM stale")
