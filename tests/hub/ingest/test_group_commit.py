"""Group commit: one transaction for waiting deliveries, fair to all URLs, spooled during an outage."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.idle_hub import Door, body, run

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.open_errors import StoreUnavailableError
from ultraviolet.db.tables.events import event_keys, events, webhook_urls
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest.counters import DeliveryCounters
from ultraviolet.hub.ingest.group_commit import GroupCommit, PendingDelivery, Verdict
from ultraviolet.hub.ingest.service import event_row
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.ion.deliveries import decode_envelope


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


class Commits:
    """A group commit for one webhook URL, with the integrations that it woke."""

    def __init__(self, idle: Door, database: Any, spool: Spool | None = None) -> None:
        self.idle = idle
        self.woken: list[int] = []
        [self.url] = idle.rows(webhook_urls)
        self.counters = DeliveryCounters(idle.hub.database)
        self.commit = GroupCommit(
            database, PubSub(), self.counters, self.woken.append, lambda: None, spool
        )

    async def deliver(self, *numbers: int) -> list[int]:
        deliveries: list[PendingDelivery] = []
        for number in numbers:
            row = event_row(
                self.idle.integration_id,
                self.url.id,
                body(number),
                decode_envelope(self.idle.hub.catalog, body(number)),
                received_at=now_rfc3339(),
                signature="unverified",
            )
            verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
            deliveries.append(PendingDelivery(row, None, verdict))
            self.commit.add(deliveries[-1])
        return [(await delivery.verdict).status for delivery in deliveries]

    async def close(self) -> None:
        await self.commit.close()
        await self.counters.close()


def test_waiting_deliveries_share_a_transaction_and_wake_the_integration_once(idle: Door) -> None:
    async def deliver() -> list[int]:
        commits = Commits(idle, idle.hub.database)
        assert await commits.deliver(*range(20)) == [200] * 20
        await commits.close()
        return commits.woken

    assert run(deliver()) == [idle.integration_id]
    assert len(idle.rows(events)) == 20
    [url] = idle.rows(webhook_urls)
    assert url.first_delivery_at == url.last_delivery_at != None  # noqa: E711


def test_outage_without_a_spool_is_answered_503_and_counted(idle: Door) -> None:
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
    idle: Door, tmp_path: Path
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


def test_full_spool_is_answered_503(idle: Door, tmp_path: Path) -> None:
    async def deliver() -> None:
        spool = Spool(tmp_path / "spool", 10)
        commits = Commits(idle, Outage(idle.hub.database), spool)
        assert await commits.deliver(1) == [503]
        assert spool.waiting == 0
        await commits.close()
        spool.close()

    run(deliver())
