"""A restored state equals the saved one in every table, whether changes are undone or copied."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import wait_for

from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.plant.simulator import PlantSimulator, SetupMarker

RECEIVER = """mutation { createWebhookReceiver(input: {name: "r", webhookUri: "https://example.test/"})
  { webhookReceiver { id _etag } } }"""
LABEL = "mutation ($value: String!) { createLabel(input: {value: $value}) { label { id } } }"


class Plant:
    """A local ION whose plant changes on demand."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.ion = LocalIon(data)
        self.marker = SetupMarker(data)
        self.change(0)

    def change(self, number: int) -> None:
        """Make some changes as the simulator."""
        stop = threading.Event()
        simulator = PlantSimulator(
            self.ion, self.marker, stop, size="420", seed=1, changes_per_second=1000.0
        )
        simulator.set_up()
        if number:
            thread = threading.Thread(target=simulator.run)
            thread.start()
            wait_for(lambda: simulator.changes >= number, 60, "changes")
            stop.set()
            thread.join()

    def execute(self, document: str, **variables: Any) -> Any:
        answer = self.ion.execute(document, variables, None, Viewer(1))
        assert "errors" not in answer, answer
        return answer["data"]

    def save(self, name: str) -> Path:
        path = self.data / f"{name}.db"
        path.unlink(missing_ok=True)
        self.ion.store.save(path)
        return path

    def restore(self, path: Path) -> bool:
        """Restore a state; return whether changes were undone, so that the schema is the same."""
        before = self._schema_version()
        self.ion.store.load(path)
        assert content(self.data / "ion.db") == content(path)
        return self._schema_version() == before

    def _schema_version(self) -> int:
        return self.ion.store.connection.execute("PRAGMA schema_version").fetchone()[0]


def content(path: Path) -> dict[str, list[Any]]:
    """Return the rows of every table."""
    with closing(sqlite3.connect(path)) as database:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = [name for (name,) in database.execute(sql)]
        return {
            name: sorted(database.execute(f'SELECT * FROM "{name}"'), key=repr) for name in names
        }


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    plant = Plant(tmp_path_factory.mktemp("plant"))
    yield plant
    plant.ion.close()


def test_changes_of_every_kind_are_undone(plant: Plant) -> None:
    state = plant.save("state")
    for _ in range(3):
        plant.change(40)
        plant.execute(RECEIVER)
        key = plant.execute("mutation { createApiKey { apikey { id } } }")
        assert key["createApiKey"]["apikey"]["id"]
        assert content(plant.data / "ion.db") != content(state)
        assert plant.restore(state)


def test_keys_that_change_are_restored(plant: Plant) -> None:
    """The audit log names a changed row by its new key."""
    state = plant.save("keys")
    with plant.ion.store.write(1) as tx:
        tx.connection.execute("UPDATE part_attributes SET key = key || ':changed'")
    assert content(plant.data / "ion.db") != content(state)
    assert plant.restore(state)


def test_states_of_several_times_are_restored_in_any_order(plant: Plant) -> None:
    first = plant.save("first")
    plant.execute(LABEL, value="between")
    second = plant.save("second")
    plant.execute(LABEL, value="later")
    assert plant.restore(second)
    assert plant.restore(first)
    plant.execute(LABEL, value="instead of the second state")
    assert not plant.restore(second)  # it is not in the past any more
    assert plant.restore(first)
    first.unlink()
    plant.execute(LABEL, value="replaces the file")
    assert plant.restore(plant.save("first"))


def test_many_or_unlogged_changes_are_copied(plant: Plant) -> None:
    state = plant.save("many")
    for number in range(1001):
        with plant.ion.store.write(1) as tx:
            tx.insert("labels", {"value": f"many {number}"})
    assert not plant.restore(state)
    with plant.ion.store.write(1) as tx:
        tx.insert("labels", {"value": "unlogged"})
        tx.connection.execute("DELETE FROM logged_actions WHERE table_name = 'labels'")
        tx.insert("labels", {"value": "logged"})
    assert not plant.restore(state)


def test_restore_without_a_lineage_is_a_copy(plant: Plant, tmp_path: Path) -> None:
    other = LocalIon(tmp_path)
    other.store.save(tmp_path / "other.db")
    other.close()
    state = plant.save("own")
    assert not plant.restore(tmp_path / "other.db")
    assert not plant.restore(state)
    assert plant.restore(state)
