"""The simulated plant changes objects under its own name, and leaves the tutorial's orders alone."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker

ORDERS = """{ purchaseOrders(sort: [ID_ASC], first: 100) {
  edges { node { id _etag createdById updatedById } } } }"""
PLANT = """{ users(filters: {email: {eq: "plant.simulator@ultraviolet.example"}}) {
  edges { node { id name } } } }"""


@pytest.fixture
def ion(ion_folder: Path) -> Iterator[LocalIon]:
    made = LocalIon(ion_folder)
    yield made
    made.close()


def nodes(ion: LocalIon, query: str) -> list[dict[str, Any]]:
    answer = ion.execute(query, {}, None, Viewer(1))
    assert "errors" not in answer, answer
    [found] = answer["data"].values()
    return [edge["node"] for edge in found["edges"]]


def test_plant_changes_other_orders_under_its_own_name(
    ion: LocalIon, tmp_path: Path, wait: Any
) -> None:
    stop = threading.Event()
    marker = SetupMarker(tmp_path)
    plant = PlantSimulator(ion, marker, stop, size="420", seed=1, changes_per_second=1000.0)
    plant.set_up()
    before = nodes(ion, ORDERS)
    assert len(before) > 5

    thread = threading.Thread(target=plant.run)
    thread.start()
    wait(lambda: nodes(ion, ORDERS)[5:] != before[5:], 60, "a change of a later order")
    wait(lambda: plant.changes > 300, 60, "changes")
    stop.set()
    thread.join()

    [user] = nodes(ion, PLANT)
    assert user["name"] == "Plant Simulator"
    after = nodes(ion, ORDERS)
    assert before[:5] == after[:5]
    old = {order["id"]: order["_etag"] for order in before}
    changed = [order for order in after if old.get(order["id"]) != order["_etag"]]
    authors = {order["updatedById"] or order["createdById"] for order in changed}
    assert authors == {user["id"]}
