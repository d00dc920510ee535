"""Verify: every difference is found and healed, a change in transit is not reported."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from tests.hub.sync.plant import PARTS, Plant, documents, full, hold
from tests.hub.table_ion import CATALOG, answer, make_site, row, select_all
from tests.mirror.observations import at

from ultraviolet.db import view_creation
from ultraviolet.db.attributes import AttributeCatalog
from ultraviolet.db.database import Database
from ultraviolet.hub.sync import verification_store, verify
from ultraviolet.hub.sync.heal import Healer
from ultraviolet.hub.sync.verify import Verifier
from ultraviolet.hub.sync.watermarks import watermark
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import IonUnreachableError


@pytest.fixture(autouse=True)
def _no_delays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(verify, "_RECHECK_DELAYS_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(verify, "_EXTRA_DELAYS_SECONDS", (0.0,))
    return


class Verified(Plant):
    """A mirror that is equal to its ION after a full fetch."""

    def __init__(self, database: Database, count: int) -> None:
        super().__init__(database, count)
        self.fetch()

    def verify(self, sample: int | None = None, number: int | None = None) -> Any:
        """Run or continue a verification; return its row."""
        site = make_site(self.database, self.ion, only={PARTS})

        async def story() -> int:
            found = number or await site.database.write(
                verification_store.request, 1, "test", sample
            )
            await Verifier(site).run(found)
            return found

        found = asyncio.run(story())
        return select_all(self.database, f"SELECT * FROM verifications WHERE id = {found}")[0]

    def differences(self) -> list[tuple[str, str, str]]:
        rows = select_all(self.database, "SELECT * FROM differences ORDER BY length(id), id")
        return [(row.id, row.kind, row.state) for row in rows]

    def step(self) -> Any:
        return select_all(self.database, "SELECT * FROM verification_steps")[-1]

    def execute(self, statement: str) -> None:
        self.database.write_now(lambda c: c.exec_driver_sql(statement) and None)

    def heal(self) -> None:
        async def story() -> None:
            healer = Healer(make_site(self.database, self.ion, only={PARTS}))
            await healer.heal_batch()
            await healer.stop()

        asyncio.run(story())


def test_equal_mirror_is_proven(database: Database) -> None:
    plant = Verified(database, 250)

    found = plant.verify()

    assert ("done", None, 250) == (found.state, found.error, found.mirrored)
    assert ("done", 250, 250) == ((step := plant.step()).state, step.compared, step.total)
    assert [] == plant.differences()
    assert step.started_at == database.read_now(watermark, 1, PARTS).proven_at
    assert [] == select_all(database, "SELECT * FROM stale")


def test_empty_mirror_of_an_empty_ion_is_proven(database: Database) -> None:
    plant = Verified(database, 0)
    assert "done" == plant.verify().state
    assert ("done", 0) == ((step := plant.step()).state, step.compared)


def test_missing_extra_and_different_objects_are_found_and_healed(database: Database) -> None:
    plant = Verified(database, 250)
    proven_at = database.read_now(watermark, 1, PARTS).proven_at
    plant.parts[7]["description"] = "changed without a new time"
    plant.parts[251] = row(251)
    del plant.parts[120]

    assert "done" == plant.verify().state

    expected = [("7", "different"), ("120", "extra"), ("251", "missing")]
    assert [(*each, "confirmed") for each in expected] == plant.differences()
    [changed] = select_all(database, "SELECT * FROM differences WHERE id = '7'")
    assert "changed without a new time" in str(changed.fields)
    assert proven_at == database.read_now(watermark, 1, PARTS).proven_at, "nothing is proven"
    assert {"7", "120", "251"} == {r.id for r in select_all(database, "SELECT id FROM stale")}
    assert 120 in plant.held(), "verification deletes nothing"

    plant.heal()
    [requested] = select_all(database, "SELECT * FROM fetches WHERE state = 'running'")
    assert ("full", True) == (requested.mode, "verification" in requested.requested_by)
    plant.fetch()

    assert sorted(plant.parts) == plant.held()
    assert "changed without a new time" == documents(database)["7"]["description"]
    assert "done" == plant.verify().state
    [latest] = select_all(database, "SELECT max(id) AS id FROM verifications")
    query = f"SELECT * FROM differences WHERE verification_id = {latest.id}"
    assert [] == select_all(database, query)


def test_extra_objects_are_found_before_between_and_after_pages(database: Database) -> None:
    plant = Verified(database, 250)
    for n in (1, 100, 101, 250):
        del plant.parts[n]

    plant.verify()

    assert ["1", "100", "101", "250"] == [id_ for id_, _, _ in plant.differences()]


def test_change_in_transit_is_not_reported(database: Database) -> None:
    """ION shows a change before its event arrives; the mirror has it at the next read."""
    plant = Verified(database, 10)
    plant.parts[3] = row(3, description="new", _updated=at(500))

    def override(ids: list[int]) -> None:
        if ids == [3]:
            plant.ion.override = lambda ids: None
            # The event arrives while the object is read again.
            hold(database, [full(PARTS, 3, 500, description="new")])

    plant.ion.override = override
    assert "done" == plant.verify().state
    assert [] == plant.differences()
    assert [] == select_all(database, "SELECT * FROM stale")


def test_object_that_keeps_changing_is_unsettled(database: Database) -> None:
    plant = Verified(database, 10)
    plant.parts[3]["description"] = "0"

    def override(ids: list[int]) -> None:
        if ids:
            plant.parts[3]["description"] += "0"

    plant.ion.override = override
    assert "done" == plant.verify().state

    assert [("3", "different", "unsettled")] == plant.differences()
    [found] = select_all(database, "SELECT detail FROM differences")
    assert "It kept changing during the comparison" == found.detail
    assert [] == select_all(database, "SELECT * FROM stale")


def test_unreadable_suspect_is_unsettled_with_the_reason(database: Database) -> None:
    plant = Verified(database, 10)
    plant.parts[3]["description"] = "new"
    plant.ion.override = lambda ids: Result(None, ("could not read",)) if ids else None

    plant.verify()

    assert [("3", "different", "unsettled")] == plant.differences()
    [found] = select_all(database, "SELECT detail FROM differences")
    assert "could not read" == found.detail


def test_interrupted_verification_continues_at_its_page(database: Database) -> None:
    plant = Verified(database, 450)
    plant.parts[5]["description"] = "new"
    requests = iter(range(100))

    def override(ids: list[int]) -> None:
        if next(requests) == 1:
            raise IonUnreachableError("the network is gone")

    plant.ion.override = override
    first = plant.verify()
    assert ("failed", True) == (first.state, "network is gone" in first.error)
    assert ("100", 100) == ((step := plant.step()).cursor, step.compared)
    assert [("5", "different", "suspected")] == plant.differences()
    plant.ion.override = lambda ids: None
    assert 1 == database.write_now(verification_store.resume, first.id)

    second = plant.verify(number=first.id)

    assert ("done", None) == (second.state, second.error)
    assert ("done", 450) == ((step := plant.step()).state, step.compared)
    assert [("5", "different", "confirmed")] == plant.differences()


def test_refused_resource_fails_and_proves_nothing(database: Database) -> None:
    plant = Verified(database, 5)
    plant.ion.override = lambda ids: Result(None, ("no permission",))
    before = database.read_now(watermark, 1, PARTS)

    found = plant.verify()

    assert ("failed", "parts could not be read: no permission") == (found.state, found.error)
    assert before == database.read_now(watermark, 1, PARTS)


def test_null_instead_of_an_object_proves_nothing(database: Database) -> None:
    plant = Verified(database, 3)
    page = answer([row(1), None, row(3)])
    plant.ion.override = lambda ids: None if ids else Result({"page": page})

    found = plant.verify()

    assert "failed" == found.state
    assert "ION answered null instead of 1 objects" in found.error
    assert [] == plant.differences(), "the object is shown by id"


def test_sample_compares_about_as_many_objects(database: Database) -> None:
    plant = Verified(database, 300)
    before = database.read_now(watermark, 1, PARTS).proven_at

    found = plant.verify(sample=50)

    assert ("done", 50) == (found.state, found.sample)
    step = plant.step()
    assert (0, 50) == (step.ranges, step.total)
    assert 0 < step.compared <= 50
    assert before == database.read_now(watermark, 1, PARTS).proven_at, "a sample proves nothing"


def test_sample_finds_frequent_differences(database: Database) -> None:
    plant = Verified(database, 300)
    for part in plant.parts.values():
        part["description"] = "new"

    plant.verify(sample=30)

    found = plant.differences()
    assert {("different", "confirmed")} == {each[1:] for each in found}
    assert len(found) == len(select_all(database, "SELECT * FROM stale")) >= 10


def test_sample_of_few_objects_compares_all(database: Database) -> None:
    plant = Verified(database, 8)
    plant.verify(sample=50)
    assert (None, 8) == ((step := plant.step()).ranges, step.compared)


def test_invalid_value_is_listed_and_proves_equality(database: Database) -> None:
    plant = Verified(database, 5)
    plant.parts[2] |= {"quantity": "many", "_updated": at(900)}
    plant.fetch()

    plant.verify()

    assert [("2", "invalid", "confirmed")] == plant.differences()
    [found] = select_all(database, "SELECT fields FROM differences")
    assert "many" in str(found.fields)
    assert plant.step().started_at == database.read_now(watermark, 1, PARTS).proven_at


def test_wrong_saved_invalid_values_are_found(database: Database) -> None:
    """Views would show null although the value is valid."""
    plant = Verified(database, 5)
    plant.execute("""UPDATE objects SET invalid_values = '{"quantity": 7}' WHERE id = '4'""")

    plant.verify()

    assert [("4", "displayed", "confirmed")] == plant.differences()
    [found] = select_all(database, "SELECT fields FROM differences")
    assert "mirror_invalid_values" in str(found.fields)


def test_wrong_column_of_an_attribute_is_found(database: Database) -> None:
    plant = Verified(database, 0)
    colors = [{"id": "1-Color", "key": "Color", "type": "STRING", "value": "red"}]
    plant.parts[1] = row(1, attributes=colors)
    plant.fetch()
    catalog = database.read_now(AttributeCatalog(CATALOG).get)
    parts = catalog.resources[PARTS]
    database.write_now(view_creation.extend_view, catalog, parts)
    plant.verify()
    assert [] == plant.differences()

    plant.execute("CREATE TABLE copy AS SELECT * FROM ion_parts")
    plant.execute("DROP VIEW ion_parts")
    plant.execute("ALTER TABLE copy RENAME TO ion_parts")
    plant.execute("UPDATE ion_parts SET attribute_color = 'blue'")
    plant.verify()
    plant.execute("DROP TABLE ion_parts")
    database.write_now(view_creation.extend_view, catalog, parts)

    assert [("1", "displayed", "confirmed")] == plant.differences()
    [found] = select_all(database, "SELECT fields FROM differences")
    assert "attributes.Color" in str(found.fields)
