"""The cache of webhook URLs: current within its reload interval, and useful without a database."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from tests.idle_hub import IdleHub, run

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.tables import events
from ultraviolet.hub.core.encryption import hash_token
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.url_cache import RELOAD_INTERVAL_SECONDS, UrlCache


class Reads:
    """A database that counts its reads, and can delay or reject them; everything else is real."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.count = 0
        self.held = asyncio.Event()
        self.away = False
        self.gates: list[asyncio.Event] = []
        """For the next reads: their results wait for these."""

    async def read(self, *args: Any) -> Any:
        self.count += 1
        gate = self.gates.pop(0) if self.gates else None
        if self.away:
            raise StoreUnavailableError("the database does not answer")
        result = await self._database.read(*args)
        if gate:
            self.held.set()
            await gate.wait()
        return result


@pytest.fixture
def idle(tmp_path: Path, sqlite_url: str) -> Iterator[IdleHub]:
    hub = Hub.open(
        Settings(
            data=tmp_path,
            database_url=sqlite_url,
            public_url="http://hub.test",
        )
    )
    yield IdleHub(hub)
    hub.close()


def new_cache(idle: IdleHub) -> UrlCache:
    return UrlCache(idle.hub.database, idle.hub.secrets)


def test_unknown_token_waits_for_a_reload_and_finds_a_new_url(idle: IdleHub) -> None:
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


def test_revoked_url_is_valid_until_the_next_reload(idle: IdleHub) -> None:
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


def test_offline_cache_is_not_reloaded(idle: IdleHub) -> None:
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


def test_expired_url_is_rejected_without_a_reload(idle: IdleHub) -> None:
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


def test_older_reload_does_not_replace_a_newer_one(idle: IdleHub) -> None:
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


def test_slow_older_reload_does_not_bring_back_a_revoked_url(idle: IdleHub) -> None:
    async def race() -> None:
        reads: Any = Reads(idle.hub.database)
        cache = UrlCache(reads, idle.hub.secrets)
        reads.gates.append(gate := asyncio.Event())
        older = asyncio.create_task(cache.reload())
        await reads.held.wait()
        [url_id] = [row.id for row in idle.rows(events.webhook_urls)]
        await idle.hub.database.write(webhook_urls.revoke_url, "test", url_id)
        await cache.reload()
        gate.set()
        await older
        assert dict(cache.entries) == {}

    run(race())


def test_flood_of_unknown_tokens_shares_one_read(idle: IdleHub) -> None:
    async def flood() -> None:
        reads: Any = Reads(idle.hub.database)
        cache = UrlCache(reads, idle.hub.secrets)
        await cache.reload()
        found = await asyncio.gather(
            *(cache.get(hash_token(f"guess {n}"), offline=False) for n in range(200))
        )
        assert (set(found), reads.count) == ({None}, 2)
        assert await cache.get(hash_token(idle.token), offline=False)
        assert reads.count == 2, "a known URL does not wait for guesses"

    run(flood())


def test_sender_that_disconnects_does_not_cancel_the_reload_of_others(idle: IdleHub) -> None:
    async def disconnect() -> None:
        reads: Any = Reads(idle.hub.database)
        cache = UrlCache(reads, idle.hub.secrets)
        first, second = (
            asyncio.create_task(cache.get(hash_token(idle.token), offline=False)) for _ in range(2)
        )
        await asyncio.sleep(0)
        first.cancel()
        entry = await second
        assert (first.cancelled(), reads.count) == (True, 1)
        assert entry
        assert entry.integration_id == idle.integration_id

    run(disconnect())


def test_known_url_stays_valid_while_the_reload_fails(idle: IdleHub) -> None:
    async def fail() -> None:
        reads: Any = Reads(idle.hub.database)
        cache = UrlCache(reads, idle.hub.secrets)
        entry = await cache.get(hash_token(idle.token), offline=False)
        reads.away = True
        cache.expire()
        assert await cache.get(hash_token(idle.token), offline=False) == entry != None  # noqa: E711
        with pytest.raises(StoreUnavailableError):
            await cache.get(hash_token("unknown"), offline=False)
        reads.away = False
        assert await cache.get(hash_token("unknown"), offline=False) is None, "tried again"

    run(fail())


def test_current_cache_reads_nothing(idle: IdleHub) -> None:
    async def look_up() -> None:
        reads: Any = Reads(idle.hub.database)
        cache = UrlCache(reads, idle.hub.secrets)
        await cache.reload()
        for _ in range(100):
            assert await cache.get(hash_token(idle.token), offline=False)
        assert reads.count == 1
        cache.reloaded_at -= RELOAD_INTERVAL_SECONDS
        assert await cache.get(hash_token(idle.token), offline=False)
        assert reads.count == 2

    run(look_up())


def test_rotated_url_is_found_with_its_end_until_then(idle: IdleHub) -> None:
    async def rotate() -> None:
        cache = new_cache(idle)
        [url_id] = [row.id for row in idle.rows(events.webhook_urls)]
        new, new_token = await idle.hub.database.write(webhook_urls.rotate_url, "test", url_id)
        await cache.reload()
        old_entry = await cache.get(hash_token(idle.token), offline=False)
        new_entry = await cache.get(hash_token(new_token), offline=False)
        assert old_entry
        assert new_entry
        assert (old_entry.url_id, old_entry.state) == (url_id, "rotated")
        assert (new_entry.url_id, new_entry.state) == (new.id, "active")
        assert old_entry.expires_at is not None
        assert new_entry.expires_at is None

    run(rotate())
