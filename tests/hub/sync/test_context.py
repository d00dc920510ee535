"""The shared state of syncing: viewed objects, and batches that are stored as far as possible."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tests.hub.sync.plant import PARTS, documents, full, refusing
from tests.hub.table_ion import TableIon, make_site, select_all
from tests.idle_hub import IdleHub, run

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.runtime.leases import Role
from ultraviolet.hub.sync.context import RecentlyViewed, version_names
from ultraviolet.mirror.observation import Applied, Change, Mark, Ref


def test_view_is_shared_between_processes(postgresql: Any, tmp_path: Path) -> None:
    url = postgresql.new_database()

    def opened(role: Role) -> Hub:
        settings = Settings(
            data=tmp_path / role,
            database_url=url,
            public_url="http://hub.test",
            secret_key="a key that all share",
        )
        return Hub.open(settings, role)

    async def view(web: Hub, worker: Hub) -> None:
        await web.start()
        await worker.start()
        idle_hub = IdleHub(web)
        seen = (await worker.connections.open_context(idle_hub.integration_id)).recently_viewed
        while seen.refs() != [("parts", "7")]:
            web.pool.mark_viewed(idle_hub.integration_id, "parts", "7")
            await asyncio.sleep(0.05)
        await web.stop()
        await worker.stop()

    web, worker = opened("web"), opened("worker")
    run(asyncio.wait_for(view(web, worker), 20))
    web.close()
    worker.close()


def test_only_the_latest_hundred_views_are_remembered() -> None:
    viewed = RecentlyViewed()
    for number in range(150):
        viewed.add(PARTS, str(number))
    viewed.add(PARTS, "60")
    refs = viewed.refs()
    assert 100 == len(refs)
    assert ((PARTS, "50"), (PARTS, "60")) == (refs[0], refs[-1])


def test_versions_are_named_up_to_a_limit() -> None:
    changes = [Change(PARTS, str(n), "update", n) for n in range(200)]
    names = version_names(changes)
    assert (100, "parts/0@0") == (len(names), names[0])


def test_observations_that_cannot_be_stored_are_marked_and_block_no_other(
    database: Database,
) -> None:
    context = make_site(database, TableIon({}))
    seen = [full(PARTS, n) for n in range(1, 11)]
    mark = Mark(PARTS, "77", "not listed", now_rfc3339())
    with refusing(database, "objects", "new.id IN ('3', '8')"):
        changed = asyncio.run(context.apply_and_mark(seen, [mark]))

    assert 8 == changed
    assert {str(n) for n in range(1, 11) if n not in (3, 8)} == documents(database).keys()
    assert {"3": "not readable", "8": "not readable", "77": "not listed"} == {
        row.id: row.reason for row in select_all(database, "SELECT * FROM stale")
    }


def test_many_observations_that_cannot_be_stored_have_one_cause(database: Database) -> None:
    context = make_site(database, TableIon({}))
    seen = [full(PARTS, n) for n in range(1, 201)]
    with (
        refusing(database, "objects", "new.resource = 'parts'"),
        pytest.raises(DBAPIError, match="the test refuses this row"),
    ):
        asyncio.run(context.apply_and_mark(seen, []))
    assert {} == documents(database)


def test_result_of_the_write_is_returned(database: Database) -> None:
    context = make_site(database, TableIon({}))

    def count(connection: Connection, applied: Applied, not_kept: Mapping[Ref, str]) -> int:
        return len(applied.changes) - len(not_kept)

    seen = [full(PARTS, 1), full(PARTS, 2)]
    assert 2 == asyncio.run(context.apply_each(seen, count))
    assert 0 == asyncio.run(context.apply_each(seen, count))
    assert 0 == asyncio.run(context.apply_each([], count))
