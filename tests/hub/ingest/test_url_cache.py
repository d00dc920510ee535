"""The cache of webhook URLs: current within its reload interval, and useful without a database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import update
from tests.idle_hub import Door, run

from ultraviolet.db.tables import events
from ultraviolet.hub.core.encryption import hash_token
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.url_cache import UrlCache


@pytest.fixture
def idle(tmp_path: Path) -> Iterator[Door]:
    hub = Hub.open(
        Settings(
            data=tmp_path,
            database_url=f"sqlite:///{tmp_path / 'hub.db'}",
            public_url="http://hub.test",
        )
    )
    yield Door(hub)
    hub.close()


def new_cache(idle: Door) -> UrlCache:
    return UrlCache(idle.hub.database, idle.hub.secrets)


def test_unknown_token_waits_for_a_reload_and_finds_a_new_url(idle: Door) -> None:
    async def find() -> None:
        cache = new_cache(idle)
        assert cache.entries.get(hash_token(idle.token)) is None
        entries = await asyncio.gather(
            *(cache.get(hash_token(idle.token), offline=False) for _ in range(5))
        )
        assert {entry.integration_id for entry in entries if entry} == {idle.integration_id}
        assert cache.entries.get(hash_token(idle.token)) == entries[0]
        assert await cache.get(hash_token("unknown"), offline=False) is None
        await cache.close()

    run(find())


def test_revoked_url_is_valid_until_the_next_reload(idle: Door) -> None:
    token_hash = hash_token(idle.token)

    async def revoke() -> None:
        cache = new_cache(idle)
        entry = await cache.get(token_hash, offline=False)
        assert entry
        await idle.hub.database.write(webhook_urls.revoke_url, "test", entry.url_id)
        assert await cache.get(token_hash, offline=False) == entry
        cache.expire()
        assert await cache.get(token_hash, offline=False) is None

    run(revoke())


def test_offline_cache_is_not_reloaded(idle: Door) -> None:
    token_hash = hash_token(idle.token)

    async def go_offline() -> None:
        cache = new_cache(idle)
        entry = await cache.get(token_hash, offline=False)
        assert entry
        await idle.hub.database.write(webhook_urls.revoke_url, "test", entry.url_id)
        cache.expire()
        assert await cache.get(token_hash, offline=True) == entry
        assert await cache.get(token_hash, offline=False) is None, "reloaded when online again"

    run(go_offline())


def test_expired_url_is_rejected_without_a_reload(idle: Door) -> None:
    def expire_in_the_past() -> None:
        past = "2020-01-01T00:00:00.000000+00:00"
        with idle.hub.database.engine.begin() as connection:
            change = update(events.webhook_urls)
            connection.execute(change.values(state="rotated", expires_at=past))

    expire_in_the_past()

    async def reject() -> None:
        cache = new_cache(idle)
        await cache.reload()
        assert await cache.get(hash_token(idle.token), offline=True) is None
        await cache.close()

    run(reject())


def test_older_reload_does_not_replace_a_newer_one(idle: Door) -> None:
    """Reloads may finish in any order; the one that started last has the newest content."""

    async def reload_twice() -> None:
        cache = new_cache(idle)
        await asyncio.gather(cache.reload(), cache.reload(), cache.reload())
        entry = cache.entries.get(hash_token(idle.token))
        assert entry
        await idle.hub.database.write(webhook_urls.revoke_url, "test", entry.url_id)
        await cache.reload()
        assert cache.entries.get(hash_token(idle.token)) is None

    run(reload_twice())
