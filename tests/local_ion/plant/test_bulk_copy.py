"""Bulk copies of a plant are complete and in the audit log."""

import threading
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.bulk_copy import SHARED_TABLES, BulkCopy
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker
from ultraviolet.local_ion.store import audit_log

ORDER = """query($id: ID!) { purchaseOrder(id: $id) { status estimatedCost supplier { address } attributes { key value }
  purchaseOrderLines { status quantity cost receivedQuantity part { description } } } }"""
RUN = """query($id: ID!) { run(id: $id) { status steps { title status fields { name } } } }"""


@pytest.fixture
def ion(ion_folder: Path) -> LocalIon:
    made = LocalIon(ion_folder)
    PlantSimulator(
        made, SetupMarker(ion_folder), threading.Event(), size="300", seed=5, changes_per_second=0
    ).set_up()
    return made


def grow(ion: LocalIon, copies: int) -> BulkCopy:
    growth: BulkCopy | None = None
    for number in range(1, copies + 1):
        with ion.store.write(1) as transaction:
            growth = growth or BulkCopy(transaction)
            growth.copy(transaction, number)
    assert growth is not None
    return growth


def counts(ion: LocalIon) -> dict[str, int]:
    read = ion.store.connection.execute
    return {
        t: read(f'SELECT count(*) FROM "{t}"').fetchone()[0]
        for t in ion.store.schema.tables
        if t not in SHARED_TABLES
    }


def see(ion: LocalIon, document: str, id_: int) -> Any:
    answer = ion.execute(document, {"id": id_}, None, Viewer(1))
    assert "errors" not in answer, answer["errors"]
    return next(iter(answer["data"].values()))


def test_each_copy_has_the_same_counts_and_its_own_links(ion: LocalIon) -> None:
    before = counts(ion)
    shared = ion.store.connection.execute(
        "SELECT count(*) FROM entities WHERE type IN ('users', 'locations')"
    ).fetchone()[0]
    grow(ion, 2)
    expected = {table: number * 3 for table, number in before.items()}
    expected["entities"] -= 2 * shared
    assert counts(ion) == expected
    assert ion.store.connection.execute("PRAGMA foreign_key_check").fetchall() == []


def test_copy_has_the_values_of_its_original(ion: LocalIon) -> None:
    before = counts(ion)
    grow(ion, 2)
    for document, table in ((ORDER, "purchase_orders"), (RUN, "runs")):
        number = before[table]
        for id_ in {1, max(1, number // 2), number}:
            original = see(ion, document, id_)
            assert see(ion, document, id_ + number) == original
            assert see(ion, document, id_ + 2 * number) == original


def test_every_row_of_a_copy_is_in_the_audit_log(ion: LocalIon) -> None:
    before, begun = counts(ion), audit_log.last_action_id(ion.store.connection)
    grow(ion, 1)
    written = sum(counts(ion).values()) - sum(before.values())
    assert audit_log.last_action_id(ion.store.connection) - begun == written


def test_copies_have_their_own_etags(ion: LocalIon) -> None:
    grow(ion, 1)
    rows, etags = ion.store.connection.execute(
        "SELECT count(*), count(DISTINCT _etag) FROM parts"
    ).fetchone()
    assert etags == rows
