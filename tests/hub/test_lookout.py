"""The lookout: it wakes who has something to do, and asks the same few questions however many integrations there are."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert, select
from tests.hub.reading import mark, open_store

from ultraviolet.hub import fetch
from ultraviolet.hub.lookout import Lookout
from ultraviolet.mirror.store import Store
from ultraviolet.mirror.tables import fetches, integrations
from ultraviolet.times import now

SELDOM = "0 3 1 1 *"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    store.write_now(
        lambda c: (
            c.execute(
                integrations.update().values(incremental_schedule=SELDOM, full_schedule=SELDOM)
            )
            and None
        )
    )
    yield store
    store.close()


def woken(store: Store, mine: set[int]) -> set[tuple[int, str]]:
    found: set[tuple[int, str]] = set()
    asyncio.run(Lookout(store).look(mine, lambda id_, name: found.add((id_, name)), new=True))
    return found


def fetched(store: Store, integration_id: int = 1) -> None:
    done = {
        "mode": "full",
        "state": "done",
        "requested_by": "test",
        "started_at": now(),
        "finished_at": now(),
    }
    store.write_now(
        lambda c: c.execute(insert(fetches), done | {"integration_id": integration_id}) and None
    )


def test_who_was_never_fetched_is_and_then_rests(store: Store) -> None:
    assert {(1, "fetch")} == woken(store, {1})
    fetched(store)
    assert set() == woken(store, {1})


def test_what_is_left_to_do_wakes_its_controller_and_nobody_elses(store: Store) -> None:
    fetched(store)
    mark(store, "parts", [1])
    store.write_now(lambda c: fetch.request(c, 1, "incremental", "test"))

    assert {(1, "heal"), (1, "fetch")} == woken(store, {1})
    assert set() == woken(store, {2}), "another process has the duties of 1"


def test_more_integrations_are_not_more_statements(store: Store) -> None:
    fetched(store)
    asked: list[str] = []

    @event.listens_for(store.engine, "before_cursor_execute")
    def _(_c: Any, _k: Any, statement: str, *_: Any) -> None:  # pyright: ignore[reportUnusedFunction]
        asked.append(statement)

    woken(store, {1})
    few = len(asked)
    row = dict(store.read_now(lambda c: c.execute(select(integrations)).mappings().one()))
    more = [row | {"id": n, "name": f"plant {n}"} for n in range(2, 102)]
    store.write_now(lambda c: c.execute(insert(integrations), more) and None)
    asked.clear()

    assert {(n, "fetch") for n in range(2, 102)} == woken(store, set(range(1, 102)))
    assert few == len(asked)
