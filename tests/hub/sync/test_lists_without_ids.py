"""Lists that ION does not order by id: all objects are read, whatever their ids and order."""

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest
from tests.local_ion.in_process_ion import Ion

from ultraviolet.hub.sync.ion_reader import IonReader, Page
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.client import Result
from ultraviolet.ion.queries import OfferedSchema
from ultraviolet.mirror.observation import Observation, Origin

CATALOG = load_catalog()
VALUES = CATALOG.resources["datagrid_values"]
FETCH = Origin("fetch", "1")


class Client:
    """Executes the documents of a reader in a local ION."""

    def __init__(self, ion: Ion) -> None:
        self._ion = ion

    async def execute(self, document: str, variables: Any = None, **_: Any) -> Result:
        answer = self._ion.execute(document, **(variables or {}))
        return Result(answer.get("data"), [e["message"] for e in answer.get("errors", ())])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IonReader]:
    """A reader of an ION with 231 datagrid values, which were set in a random order of rows."""
    ion = Ion(tmp_path_factory.mktemp("ion"))
    procedure = ion.mutate("createProcedure", "procedure { id }", title="Torque")["procedure"]
    step = ion.create("Step", title="Torque", procedureId=procedure["id"])["id"]
    columns = [
        ion.create("DatagridColumn", stepId=step, type="NUMBER", header=f"c{n}")["id"]
        for n in range(11)
    ]
    rows = [ion.create("DatagridRow", stepId=step)["id"] for _ in range(21)]
    with ion.ion.store.write(1) as tx:  # one transaction, so all changed at the same moment
        for row in reversed(rows):
            for column in columns:
                place = {"row_id": row, "column_id": column, "not_applicable": 0}
                tx.insert("datagrid_values", {"id": f"{row}-{column}", "value": "1", **place})
    yield IonReader(Client(ion), CATALOG, OfferedSchema.whole(CATALOG))
    ion.ion.close()


async def _all_pages(reader: IonReader) -> list[Page]:
    async with aclosing(reader.pages(VALUES, None, FETCH)) as pages:
        return [page async for page in pages]


async def _all_changes(reader: IonReader) -> list[Observation]:
    found: list[Observation] = []
    filters: dict[str, Any] | None = None
    after: str | None = None
    last: Observation | None = None
    while True:
        page = await reader.changes(VALUES, filters, FETCH, last, after)
        found += page.observations
        last = page.last
        if last is None or not page.more:
            return found
        filters, after = reader.rest(VALUES, filters, last, page)


def test_all_values_are_read_once(reader: IonReader) -> None:
    pages = asyncio.run(_all_pages(reader))
    ids = [each.id for page in pages for each in page.observations]
    assert (len(pages), len(ids), len(set(ids))) == (2, 231, 231)
    assert pages[0].total == 231


def test_all_changes_are_read_though_all_have_one_time(reader: IonReader) -> None:
    assert len({each.id for each in asyncio.run(_all_changes(reader))}) == 231


def test_resources_without_order_of_change_are_read_in_full(reader: IonReader) -> None:
    undated = {r.name for r in CATALOG.mirrored if not reader.dates(r)}
    assert {"permissions", "permission_groups", "validation_functions"} <= undated
    assert "datagrid_values" not in undated
