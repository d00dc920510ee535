"""An empty mirror of one integration."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, insert

from ultraviolet.clock import now_rfc3339
from ultraviolet.db import dialect
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.ion.catalog import Catalog, load_catalog


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture
def two_plants(engine: Engine) -> Engine:
    with engine.begin() as connection:
        connection.execute(insert(integrations), [_row(1), _row(2)])
    return engine


@pytest.fixture
def connection(two_plants: Engine) -> Iterator[Connection]:
    with two_plants.connect() as connection:
        dialect.begin_write(connection)
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
        "created_at": now_rfc3339(),
        "updated_at": now_rfc3339(),
    }
