"""The watchdog's looks into the tables: what could not be read, and who fell silent. Its looks at ION are in tests/e2e."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.hub.reading import make_site, open_store
from tests.hub.test_fetch import PARTS, Plant

from ultraviolet.hub.watchdog import Watchdog
from ultraviolet.mirror.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def watchdog(plant: Plant) -> Watchdog:
    unused: Any = None
    return Watchdog(unused, unused, make_site(plant.store, plant.ion, only={PARTS}), lambda _: None)


def test_what_a_full_fetch_could_not_read_is_said_until_a_full_fetch_can(store: Store) -> None:
    plant = Plant(store, 300)

    def unreadable() -> list[str]:
        return [each.subject for each in store.read_now(watchdog(plant)._in_tables)]

    plant.fetch()
    hidden = {n: plant.parts.pop(n) for n in range(101, 301)}
    assert "failed" == plant.fetch().state
    assert [PARTS] == unreadable()
    assert "done" == plant.fetch("incremental").state
    assert [PARTS] == unreadable()

    plant.parts.update(hidden)
    assert "done" == plant.fetch().state
    assert [] == unreadable()
