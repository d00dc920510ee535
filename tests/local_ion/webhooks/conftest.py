"""Fixtures for tests of deliveries."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ultraviolet import clock
from ultraviolet.ion import catalog
from ultraviolet.local_ion.store.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "ion.db", catalog.load_catalog(), clock.now_rfc3339)
    yield store
    store.close()
