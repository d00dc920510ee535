"""A database on SQLite and on PostgreSQL, opened once per module and emptied for each test."""

from collections.abc import Iterator

import pytest
from tests.hub.sync.plant import clear
from tests.hub.table_ion import open_database

from ultraviolet.db.database import Database


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('sync') / 'hub.db'}"
    else:
        url = request.getfixturevalue("postgresql").new_database()
    database = open_database(url)
    yield database
    database.close()


@pytest.fixture
def database(module_database: Database) -> Database:
    clear(module_database)
    return module_database
