"""The scheduler wakes controllers with due work, with a constant number of statements."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from tests.hub.table_ion import mark, open_database

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.sync import fetches
from ultraviolet.hub.runtime.scheduler import Scheduler
from ultraviolet.hub.sync import fetch

YEARLY = "0 3 1 1 *"


@pytest.fixture
def database(sqlite_url: str) -> Iterator[Database]:
    database = open_database(sqlite_url)
    database.write_now(
        lambda c: (
            c.execute(
                integrations.update().values(incremental_schedule=YEARLY, full_schedule=YEARLY)
            )
            and None
        )
    )
    yield database
    database.close()


def woken(database: Database, leased: set[int]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    asyncio.run(
        Scheduler(database).wake_due(leased, lambda id_, name: found.add((id_, name)), new=True)
    )
    return found


def fetched(database: Database, integration_id: int = 1) -> None:
    done = {
        "mode": "full",
        "state": "done",
        "requested_by": "test",
        "started_at": now_rfc3339(),
        "finished_at": now_rfc3339(),
    }
    database.write_now(
        lambda c: c.execute(insert(fetches), done | {"integration_id": integration_id}) and None
    )


def test_integration_without_a_fetch_is_woken_once(database: Database) -> None:
    assert {(1, "fetch")} == woken(database, {1})
    fetched(database)
    assert set() == woken(database, {1})


def test_due_work_wakes_the_controllers_of_leased_integrations_only(database: Database) -> None:
    fetched(database)
    mark(database, "parts", [1])
    database.write_now(fetch.request_fetch, 1, "incremental", "test")

    assert {(1, "heal"), (1, "fetch")} == woken(database, {1})
    assert set() == woken(database, {2}), "another process has the lease of 1"


def test_number_of_statements_does_not_depend_on_integrations(database: Database) -> None:
    fetched(database)
    asked: list[str] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _(_c: Any, _k: Any, statement: str, *_: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        asked.append(statement)

    woken(database, {1})
    few = len(asked)
    row = dict(database.read_now(lambda c: c.execute(select(integrations)).mappings().one()))
    more = [row | {"id": n, "name": f"plant {n}"} for n in range(2, 102)]
    database.write_now(lambda c: c.execute(insert(integrations), more) and None)
    asked.clear()

    assert {(n, "fetch") for n in range(2, 102)} == woken(database, set(range(1, 102)))
    assert few == len(asked)
