"""An empty mirror of one integration."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, insert

from ultraviolet.ion.catalog import Catalog, load
from ultraviolet.mirror.migrations import upgrade
from ultraviolet.mirror.store import sqlite_engine
from ultraviolet.mirror.tables import integrations
from ultraviolet.times import now


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = sqlite_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(insert(integrations), [_row(1), _row(2)])
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


def _row(number: int) -> dict[str, object]:
    return {
        "id": number,
        "name": f"plant {number}",
        "api_url": "http://ion",
        "auth_url": "http://ion",
        "client_id": "id",
        "client_secret": b"sealed",
        "paused": False,
        "incremental_schedule": "*/5 * * * *",
        "full_schedule": "0 3 * * *",
        "requests_per_second": 20,
        "created_at": now(),
        "updated_at": now(),
    }
