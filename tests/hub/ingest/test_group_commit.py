"""Group commit: one transaction for waiting deliveries, fair to all URLs, spooled during an outage."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, select
from structlog.testing import capture_logs
from tests.idle_hub import IdleHub, body, run

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.driver_errors import StoreUnavailableError
from ultraviolet.db.tables.events import delivery_counts, event_keys, events, webhook_urls
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls as urls
from ultraviolet.hub.ingest.counters import DeliveryCounters
from ultraviolet.hub.ingest.group_commit import (
    MAX_GROUP_DELIVERIES,
    GroupCommit,
    PendingDelivery,
    _interleave_urls,  # pyright: ignore[reportPrivateUsage]
)
from ultraviolet.hub.ingest.spool import MAX_BATCH_BYTES, Spool, SpooledDelivery
from ultraviolet.ion.signatures import SignatureFormat


def pending(
    number: int,
    integration_id: int,
    url_id: int,
    form: SignatureFormat | None = None,
    status: "asyncio.Future[int] | None" = None,
) -> PendingDelivery:
    """Return a delivery that sets `status`; a cancelled one raises."""
    answer = status.set_result if status else None
    content, now = body(number), now_rfc3339()
    return PendingDelivery(integration_id, url_id, "token", {}, content, now, 0.0, form, answer)


def event_id(delivery: PendingDelivery | SpooledDelivery) -> str:
    if isinstance(delivery, SpooledDelivery):
        return delivery.row["event_id"]
    return str(json.loads(delivery.body)["eventId"])


class Outage:
    """A database whose deliveries cannot be written while `active`; everything else is real."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.active = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write_delivery(self, *args: Any) -> Any:
        if self.active:
            raise StoreUnavailableError("the database does not answer")
        return await self._database.write_delivery(*args)


class Recorded:
    """A database that records groups, delays them or rejects them; everything else is real."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.groups: list[list[str]] = []
        """The event ids of each written group, also of those that failed."""
        self.began = asyncio.Event()
        self.open = asyncio.Event()
        self.open.set()
        self.refused: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write_delivery(self, work: Any, group: Any) -> Any:
        ids = [event_id(delivery) for delivery in group]
        self.groups.append(ids)
        self.began.set()
        await self.open.wait()
        if self.refused & set(ids):
            raise ValueError("a value that no database accepts")
        return await self._database.write_delivery(work, group)


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


class Commits:
    """A group commit for one webhook URL, with the integrations that it woke."""

    def __init__(self, idle: IdleHub, database: Any, spool: Spool | None = None) -> None:
        self.idle = idle
        self.woken: list[int] = []
        self.expired = 0
        """How often the cache of URLs was expired."""
        self.url = idle.rows(webhook_urls)[0]
        self.counters = DeliveryCounters(idle.hub.database)
        self.commit = GroupCommit(
            database,
            idle.hub.catalog,
            PubSub(),
            self.counters,
            self.woken.append,
            self._expire,
            spool,
        )

    def _expire(self) -> None:
        self.expired += 1

    def add(
        self, number: int, url_id: int | None = None, form: SignatureFormat | None = None
    ) -> "asyncio.Future[int]":
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.commit.add(
            pending(number, self.idle.integration_id, url_id or self.url.id, form, status)
        )
        return status

    async def deliver(
        self, *numbers: int, url_id: int | None = None, form: SignatureFormat | None = None
    ) -> list[int]:
        statuses = [self.add(number, url_id, form) for number in numbers]
        return [await status for status in statuses]

    async def close(self) -> None:
        await self.commit.close()
        await self.counters.close()


def test_waiting_deliveries_share_a_transaction_and_wake_the_integration_once(
    idle: IdleHub,
) -> None:
    async def deliver() -> list[int]:
        commits = Commits(idle, idle.hub.database)
        assert await commits.deliver(*range(20)) == [200] * 20
        await commits.close()
        return commits.woken

    assert run(deliver()) == [idle.integration_id]
    assert len(idle.rows(events)) == 20
    [url] = idle.rows(webhook_urls)
    assert url.first_delivery_at == url.last_delivery_at != None  # noqa: E711


def test_outage_without_a_spool_is_answered_503_and_counted(idle: IdleHub) -> None:
    async def deliver() -> None:
        commits = Commits(idle, Outage(idle.hub.database))
        assert await commits.deliver(1, 2) == [503, 503]
        assert commits.commit.unavailable_until > time.monotonic()
        await commits.close()
        assert commits.woken == []

    run(deliver())
    assert idle.rows(events) == []
    assert idle.rows(webhook_urls)[0].last_failure == "put_off"


def test_spooled_deliveries_are_committed_once_and_in_order_after_the_outage(
    idle: IdleHub, tmp_path: Path
) -> None:
    async def deliver() -> None:
        spool = Spool(tmp_path / "spool", 100_000)
        outage = Outage(idle.hub.database)
        commits = Commits(idle, outage, spool)
        assert await commits.deliver(1, 2) == [200, 200]
        assert await commits.deliver(3) == [200], "spooled behind the others"
        assert spool.waiting == 3
        assert idle.rows(events) == []
        outage.active = False
        while spool.waiting:
            commits.commit.drain()
            await asyncio.sleep(0.01)
        assert await commits.deliver(3, 4) == [200, 200]
        await commits.close()
        spool.close()

    run(deliver())
    query = select(events.c.event_id).order_by(events.c.seq)
    with idle.hub.database.engine.connect() as connection:
        assert [str(each) for each in connection.execute(query).scalars()] == ["1", "2", "3", "4"]
    assert sorted(row.deliveries for row in idle.rows(event_keys)) == [1, 1, 1, 2]


def test_full_spool_is_answered_503(idle: IdleHub, tmp_path: Path) -> None:
    async def deliver() -> None:
        spool = Spool(tmp_path / "spool", 10)
        commits = Commits(idle, Outage(idle.hub.database), spool)
        assert await commits.deliver(1) == [503]
        assert spool.waiting == 0
        await commits.close()
        spool.close()

    run(deliver())


def rotate(idle: IdleHub, url_id: int) -> int:
    """Return the id of the new URL."""
    return idle.hub.database.write_now(urls.rotate_url, "test", url_id)[0].id


def states(idle: IdleHub) -> dict[int, str]:
    return {row.id: row.state for row in idle.rows(webhook_urls)}


def counted(idle: IdleHub) -> dict[str, int]:
    return {row.outcome: row.count for row in idle.rows(delivery_counts)}


def test_deliveries_during_a_commit_wait_for_it_and_share_the_next_one(idle: IdleHub) -> None:
    async def deliver() -> None:
        database = Recorded(idle.hub.database)
        commits = Commits(idle, database)
        database.open.clear()
        first = commits.add(1)
        await database.began.wait()
        others = [commits.add(number) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        assert (database.groups, first.done()) == ([["1"]], False)
        database.open.set()
        assert [await each for each in (first, *others)] == [200] * 4
        assert database.groups == [["1"], ["2", "3", "4"]]
        await commits.close()

    run(deliver())


def test_flood_at_one_url_does_not_delay_a_delivery_at_another(idle: IdleHub) -> None:
    other = idle.hub.database.write_now(urls.create_url, "test", idle.integration_id, "other")[0].id

    async def deliver() -> None:
        database = Recorded(idle.hub.database)
        commits = Commits(idle, database)
        flood = [commits.add(number) for number in range(1, MAX_GROUP_DELIVERIES + 501)]
        late = commits.add(9999, other)
        assert await late == 200
        assert not flood[-1].done(), "the flood has another group"
        assert {await each for each in flood} == {200}
        assert [len(group) for group in database.groups] == [MAX_GROUP_DELIVERIES, 501]
        assert "9999" in database.groups[0]
        await commits.close()

    run(deliver())
    assert len(idle.rows(events)) == MAX_GROUP_DELIVERIES + 501


def test_large_deliveries_do_not_share_a_transaction(idle: IdleHub, tmp_path: Path) -> None:
    large = MAX_BATCH_BYTES // 2 + 1

    def waiting(commits: Commits, number: int, size: int) -> "asyncio.Future[int]":
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        delivery = pending(number, idle.integration_id, commits.url.id, status=status)
        delivery.body += b" " * size
        commits.commit.add(delivery)
        return status

    async def deliver() -> None:
        database, spool = Recorded(idle.hub.database), Spool(tmp_path / "spool", 10**8)
        for commits in (Commits(idle, database), Commits(idle, database, spool)):
            database.groups.clear()
            if commits.commit._spool:
                commits.commit.unavailable_until = time.monotonic() + 60
            sizes = (1, large, large, 2 * large, 1, 1)
            statuses = [waiting(commits, n, size) for n, size in enumerate(sizes)]
            assert [await each for each in statuses] == [200] * len(sizes)
            if drain := commits.commit._drain_task:
                await drain
            assert database.groups == [["0", "1"], ["2"], ["3"], ["4", "5"]]
            await commits.close()
        spool.close()

    run(deliver())


@given(drawn=st.lists(st.integers(1, 4), min_size=1, max_size=40), flood=st.integers(1, 4))
def test_turns_are_fair_and_keep_the_order_within_each_url(drawn: list[int], flood: int) -> None:
    url_ids = [flood] * MAX_GROUP_DELIVERIES + drawn
    waiting = [pending(1, 1, url_id) for url_id in url_ids]
    ordered = _interleave_urls(waiting)
    for url_id in set(url_ids):
        mine = [each for each in waiting if each.url_id == url_id]
        assert [id(each) for each in ordered if each.url_id == url_id] == [
            id(each) for each in mine
        ]
        others = len(set(url_ids)) - 1
        last = max(n for n, each in enumerate(ordered) if each is mine[-1])
        assert last < len(mine) * (others + 1), "waits for one delivery of each other URL per turn"


def test_rejected_delivery_does_not_reject_the_others_of_its_group(idle: IdleHub) -> None:
    async def deliver() -> None:
        database = Recorded(idle.hub.database)
        database.refused = {"2"}
        commits = Commits(idle, database)
        assert await commits.deliver(1, 2, 3) == [200, 503, 200]
        assert database.groups == [["1", "2", "3"], ["1"], ["2"], ["3"]]
        database.refused = set()
        assert await commits.deliver(2) == [200], "ION repeats it"
        await commits.close()

    with capture_logs() as logs:
        run(deliver())
    assert [log["count"] for log in logs if log["event"] == "delivery.not_kept"] == [3, 1]
    assert counted(idle) == {"taken": 3, "put_off": 1}


def test_sender_that_disconnects_neither_loses_its_delivery_nor_stops_the_others(
    idle: IdleHub,
) -> None:
    async def deliver() -> None:
        commits = Commits(idle, idle.hub.database)
        statuses = [commits.add(number) for number in (1, 2, 3)]
        statuses[0].cancel()
        assert [await status for status in statuses[1:]] == [200, 200]
        await commits.close()

    run(deliver())
    assert len(idle.rows(events)) == 3


def test_closing_waits_for_pending_deliveries(idle: IdleHub) -> None:
    async def deliver() -> None:
        commits = Commits(idle, idle.hub.database)
        statuses = [commits.add(number) for number in (1, 2)]
        await commits.close()
        assert [status.result() for status in statuses] == [200, 200]

    run(deliver())
    assert counted(idle) == {"taken": 2}


def test_first_delivery_at_the_successor_revokes_all_urls_that_it_replaces(idle: IdleHub) -> None:
    async def deliver() -> None:
        commits = Commits(idle, idle.hub.database)
        first = commits.url.id
        second = rotate(idle, first)
        third = rotate(idle, second)
        assert await commits.deliver(1, url_id=first) == [200]
        assert await commits.deliver(2, url_id=second) == [200]
        assert states(idle) == {first: "revoked", second: "rotated", third: "active"}
        assert commits.expired == 1
        assert await commits.deliver(3, 4, url_id=third) == [200, 200]
        assert states(idle) == {first: "revoked", second: "revoked", third: "active"}
        assert await commits.deliver(5, url_id=third) == [200]
        assert commits.expired == 2, "only the first delivery revokes"
        await commits.close()

    run(deliver())


def test_failed_first_delivery_at_the_successor_revokes_nothing(idle: IdleHub) -> None:
    async def deliver() -> None:
        outage = Outage(idle.hub.database)
        commits = Commits(idle, outage)
        successor = rotate(idle, commits.url.id)
        assert await commits.deliver(1, url_id=successor) == [503]
        assert (states(idle)[commits.url.id], commits.expired) == ("rotated", 0)
        outage.active = False
        assert await commits.deliver(1, url_id=successor) == [200]
        assert (states(idle)[commits.url.id], commits.expired) == ("revoked", 1)
        await commits.close()

    run(deliver())


def test_format_and_time_of_the_first_verified_delivery_are_kept(idle: IdleHub) -> None:
    async def deliver() -> None:
        commits = Commits(idle, idle.hub.database)
        assert await commits.deliver(1) == [200]
        assert idle.rows(webhook_urls)[0].first_verified_at is None
        assert await commits.deliver(2, form="base64") == [200]
        first = idle.rows(webhook_urls)[0].first_verified_at
        assert await commits.deliver(3, form="sha256=hex") == [200]
        [url] = idle.rows(webhook_urls)
        assert first > url.first_delivery_at
        assert (url.first_verified_at, url.signature_format) == (first, "base64")
        assert commits.commit.signature_formats == {url.id: "sha256=hex"}, "tried first"
        await commits.close()

    run(deliver())


def test_refused_delivery_in_the_spool_does_not_slow_down_those_behind_it(
    idle: IdleHub, tmp_path: Path
) -> None:
    async def deliver() -> None:
        spool = Spool(tmp_path / "spool", 100_000)
        database = Recorded(idle.hub.database)
        database.refused = {"2"}
        commits = Commits(idle, database, spool)
        commits.commit.unavailable_until = time.monotonic() + 60
        database.open.clear()
        assert await commits.deliver(*range(1, 8)) == [200] * 7
        database.open.set()
        assert commits.commit._drain_task  # pyright: ignore[reportPrivateUsage]
        await commits.commit._drain_task  # pyright: ignore[reportPrivateUsage]
        await commits.close()
        assert (spool.refused, spool.waiting) == (1, 0)
        assert database.groups[1:] == [["1"], ["2"], ["3", "4", "5", "6", "7"]]
        spool.close()

    with capture_logs() as logs:
        run(deliver())
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["spool.refused"]
    assert {row.event_id for row in idle.rows(events)} == {"1", "3", "4", "5", "6", "7"}


def test_spooled_deliveries_of_a_deleted_integration_are_dropped(
    idle: IdleHub, tmp_path: Path
) -> None:
    async def deliver() -> None:
        spool = Spool(tmp_path / "spool", 100_000)
        outage = Outage(idle.hub.database)
        commits = Commits(idle, outage, spool)
        assert await commits.deliver(1, 2) == [200, 200]
        change = delete(integrations)
        await idle.hub.database.write(lambda c: c.execute(change) and None)
        outage.active = False
        while spool.waiting:
            commits.commit.drain()
            await asyncio.sleep(0.01)
        await commits.close()
        assert (spool.refused, commits.expired) == (0, 0)
        spool.close()

    with capture_logs() as logs:
        run(deliver())
    assert [log["count"] for log in logs if log["event"] == "spool.of_removed_integration"] == [2]
    assert idle.rows(events) == []
