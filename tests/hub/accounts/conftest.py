"""Fixtures of the tests of accounts."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """Return a connection in a transaction, to an empty database."""
    with engine.begin() as connection:
        yield connection
