"""Access to ION: which resources it offers, and its schema, read again when it rejects a document."""

import asyncio
from typing import Any

import pytest
from tests.hub.table_ion import CATALOG, TableIon

from ultraviolet.hub.sync.ion_access import IonAccess
from ultraviolet.ion.client import Result
from ultraviolet.ion.errors import IonUnreachableError
from ultraviolet.ion.queries import OfferedSchema

WHOLE = OfferedSchema.whole(CATALOG)
REJECTED = Result(None, ("Cannot query field 'description' on type 'Part'.",))
ANSWER = Result({"page": {}})


def smaller(**types: frozenset[str]) -> OfferedSchema:
    return OfferedSchema(dict(WHOLE.types) | types)


class ScriptedIon(TableIon):
    """Answers with results in order, then with ANSWER; `schema` is its current schema."""

    def __init__(self, *results: Result, schema: OfferedSchema | None = None) -> None:
        super().__init__({})
        self.results = list(results)
        self.documents: list[str] = []
        self.schema = schema
        self.schema_reads = 0
        self.access = IonAccess(self, CATALOG, WHOLE, self.read_schema)

    async def execute(self, document: str, variables: Any = None, **more: Any) -> Result:
        self.documents.append(document)
        await asyncio.sleep(0)
        return self.results.pop(0) if self.results else ANSWER

    async def read_schema(self) -> OfferedSchema | None:
        self.schema_reads += 1
        await asyncio.sleep(0)
        return self.schema

    async def ask(self) -> Result:
        def write() -> tuple[str, dict[str, Any]]:
            return " ".join(sorted(self.access.offered.types["Part"])), {}

        return await self.access.ask(write)


def test_rejected_document_is_written_again_for_the_current_schema() -> None:
    ion = ScriptedIon(REJECTED, schema=smaller(Part=frozenset({"id", "_updated"})))

    assert ANSWER == asyncio.run(ion.ask())

    assert "description" in ion.documents[0]
    assert "_updated id" == ion.documents[1]
    assert 1 == ion.schema_reads


def test_document_is_not_repeated_if_the_schema_is_the_same() -> None:
    ion = ScriptedIon(REJECTED, schema=smaller())
    assert REJECTED == asyncio.run(ion.ask())
    assert (1, 1) == (len(ion.documents), ion.schema_reads)


def test_unreadable_schema_changes_nothing() -> None:
    ion = ScriptedIon(REJECTED, schema=None)
    assert REJECTED == asyncio.run(ion.ask())
    assert ion.access.offered is WHOLE


def test_schema_is_not_read_again_soon() -> None:
    ion = ScriptedIon(REJECTED, REJECTED, REJECTED, schema=smaller())

    async def story() -> list[Result]:
        return [await ion.ask() for _ in range(3)]

    assert [REJECTED] * 3 == asyncio.run(story())
    assert 1 == ion.schema_reads


def test_concurrent_rejections_read_the_schema_once() -> None:
    ion = ScriptedIon(*[REJECTED] * 5, schema=smaller(Part=frozenset({"id"})))

    async def story() -> list[Result]:
        return await asyncio.gather(*(ion.ask() for _ in range(5)))

    assert [ANSWER] * 5 == asyncio.run(story())
    assert (10, 1) == (len(ion.documents), ion.schema_reads)


def test_other_errors_do_not_read_the_schema() -> None:
    refused = Result(None, ("timed out",))
    ion = ScriptedIon(refused)
    assert refused == asyncio.run(ion.ask())
    assert 0 == ion.schema_reads


def test_access_without_a_schema_reader_returns_the_rejection() -> None:
    ion = ScriptedIon(REJECTED)
    ion.access = IonAccess(ion, CATALOG, WHOLE)
    assert REJECTED == asyncio.run(ion.ask())


@pytest.mark.parametrize("resource", ["parts", "purchase_order_lines"])
def test_resource_is_read_only_if_ion_offers_it(resource: str) -> None:
    found = CATALOG.resources[resource]
    ion = TableIon({})
    assert IonAccess(ion, CATALOG, WHOLE).reads(found)
    without = smaller(Query=WHOLE.types["Query"] - {found.list or ""})
    assert not IonAccess(ion, CATALOG, without).reads(found)
    assert not IonAccess(ion, CATALOG, without).answers_for(found)


def test_unselected_resource_is_read_only_for_its_dependents() -> None:
    chosen = CATALOG.following(["purchase_orders"])
    access = IonAccess(TableIon({}), chosen, WHOLE)
    lines, suppliers = CATALOG.resources["purchase_order_lines"], CATALOG.resources["suppliers"]
    assert (False, True) == (access.reads(lines), access.answers_for(lines))
    assert (False, False) == (access.reads(suppliers), access.answers_for(suppliers))


def test_order_of_change_requires_the_sort_and_the_time() -> None:
    parts = CATALOG.resources["parts"]
    ion = TableIon({})
    assert IonAccess(ion, CATALOG, WHOLE).dates(parts)
    for name, value in ((parts.sort or "", "_UPDATED_ASC"), (parts.type, "_updated")):
        without = smaller(**{name: WHOLE.types[name] - {value}})
        assert not IonAccess(ion, CATALOG, without).dates(parts)


def test_ion_that_does_not_answer_raises() -> None:
    class Down(TableIon):
        async def execute(self, *arguments: Any, **more: Any) -> Result:
            raise IonUnreachableError("ION is down")

    with pytest.raises(IonUnreachableError):
        asyncio.run(IonAccess(Down({}), CATALOG, WHOLE).answers())
    asyncio.run(IonAccess(TableIon({}), CATALOG, WHOLE).answers())
