"""Leases are shared evenly, exclusive and taken over; all processes see maintenance problems."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from ultraviolet.db import engine as db_engine
from ultraviolet.hub.core.encryption import SecretBox
from ultraviolet.hub.health import controller_status
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations.models import NewIntegration
from ultraviolet.hub.runtime.advisory_leases import AdvisoryLockLeases
from ultraviolet.hub.runtime.leases import AllLeases, NoLeases, create_leases

WANTED = {1, 2, 3, 4, 5}


@pytest.fixture
def store_url(postgresql: Any) -> str:
    return postgresql.new_database()


def test_leases_are_shared_and_taken_over(engine: Engine) -> None:
    async def story() -> None:
        one, two = (
            AdvisoryLockLeases(db_engine.libpq_url(engine.url)),
            AdvisoryLockLeases(db_engine.libpq_url(engine.url)),
        )
        assert await one.claim(WANTED) == WANTED
        assert await two.claim(WANTED) == set()
        kept = await one.claim(WANTED)
        assert len(kept) == 3
        await one.release(kept)
        assert await two.claim(WANTED) == WANTED - kept
        assert await one.claim(WANTED) == kept

        await two.close()
        async with asyncio.timeout(10):  # until the server has seen the other session end
            while await one.claim(WANTED) != WANTED:  # noqa: ASYNC110  there is nothing to wait on
                await asyncio.sleep(0.01)
        assert await one.claim({2}) == {2}
        await one.close()

    asyncio.run(story())


def test_lost_session_loses_all_leases(engine: Engine) -> None:
    async def story() -> None:
        leases = AdvisoryLockLeases(db_engine.libpq_url(engine.url))
        assert await leases.claim(WANTED) == WANTED
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'ultraviolet leases%%'"
                " AND datname = current_database()"
            )
        assert await leases.claim(WANTED) == set()
        assert await leases.claim(WANTED) == WANTED
        await leases.close()

    asyncio.run(story())


def test_lease_type_depends_on_role_and_database(engine: Engine, tmp_path: Any) -> None:
    assert type(create_leases(engine, "web")) is NoLeases
    assert type(create_leases(engine, "worker")) is AdvisoryLockLeases
    sqlite = db_engine.make_engine(f"sqlite:///{tmp_path / 'hub.db'}")
    assert type(create_leases(sqlite, "all")) is AllLeases
    sqlite.dispose()


def test_maintenance_problem_is_visible_to_other_processes(engine: Engine) -> None:
    secrets = SecretBox.from_text("a key of sixteen characters")

    def said(connection: Connection) -> str | None:
        return controller_status.problem_of(connection, made.id)

    with engine.begin() as connection:
        new = NewIntegration("plant", "http://127.0.0.1:9", "http://127.0.0.1:9", "id", "secret")
        made = integrations.create(connection, secrets, "test", new)
        controller_status.record(connection, {made.id: "ION does not respond"})
        assert said(connection) == "ION does not respond"
        controller_status.record(connection, {made.id: "ION refuses the key"})
        assert said(connection) == "ION refuses the key"
        controller_status.record(connection, {made.id: None})
        assert said(connection) is None
