"""Delivery counters on either database: complete across the hour, each count in its own hour."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from structlog.testing import capture_logs
from tests.idle_hub import IdleHub, run

from ultraviolet.db.database import StoreUnavailableError
from ultraviolet.db.tables.events import delivery_counts, webhook_urls
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest.counters import DeliveryCounters

HOUR = "2026-11-24T09:{}.000000+00:00"


@pytest.fixture
def idle_hub(tmp_path: Path, store_url: str) -> Iterator[IdleHub]:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    yield IdleHub(hub)
    hub.close()


def counted(idle_hub: IdleHub) -> dict[tuple[str, str], int]:
    """Return the saved counts by hour and outcome."""
    return {(row.hour[11:], row.outcome): row.count for row in idle_hub.rows(delivery_counts)}


class Unwritable:
    """A database whose next writes fail with these errors; everything else is real."""

    def __init__(self, database: Any, *errors: Exception) -> None:
        self._database = database
        self.errors = list(errors)

    async def write(self, *args: Any) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        return await self._database.write(*args)


def test_refused_deliveries_are_counted_across_the_hour(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)
    before, after, last = (
        f"2026-11-24T{time}.000000+00:00" for time in ("09:59:59", "10:00:00", "10:00:01")
    )
    moments = iter([before, after, last])

    async def story() -> None:
        counts = DeliveryCounters(idle_hub.hub.database, lambda: next(moments))
        counts.add(url.id, "wrong_signature", 2)
        counts.add(url.id, "wrong_signature", 3)
        counts.add(url.id, "put_off")
        await counts.close()

    with capture_logs() as logs:
        run(story())

    assert [{url.id: 5}] == [log["counts"] for log in logs if log["event"] == "delivery.refused"]
    assert {
        ("09", "wrong_signature"): 2,
        ("10", "wrong_signature"): 3,
        ("10", "put_off"): 1,
    } == counted(idle_hub)
    [row] = idle_hub.rows(webhook_urls)
    assert (5, after) == (row.refused, row.last_refused_at)
    assert ("put_off", last) == (row.last_failure, row.last_failure_at)


def test_process_after_a_restart_adds_to_the_counts_of_the_hour(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)

    async def process(count: int) -> None:
        counts = DeliveryCounters(idle_hub.hub.database, lambda: HOUR.format("10:00"))
        counts.add(url.id, "taken", count)
        counts.add(url.id, "too_large")
        await counts.close()

    run(process(5))
    run(process(7))
    assert counted(idle_hub) == {("09", "taken"): 12, ("09", "too_large"): 2}


def test_counts_of_an_outage_are_saved_after_it_in_their_own_hour(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)
    moments = iter(["2026-11-24T09:59:59.000000+00:00", "2026-11-24T10:00:00.000000+00:00"])

    async def story() -> None:
        database: Any = Unwritable(idle_hub.hub.database, StoreUnavailableError("away"))
        counts = DeliveryCounters(database, lambda: next(moments))
        counts.add(url.id, "wrong_signature")
        await counts.close()
        assert counted(idle_hub) == {}
        counts.add(url.id, "wrong_signature")
        await counts.close()

    with capture_logs() as logs:
        run(story())
    assert counted(idle_hub) == {("09", "wrong_signature"): 1, ("10", "wrong_signature"): 1}
    [row] = idle_hub.rows(webhook_urls)
    assert (row.refused, row.last_refused_at[11:19]) == (2, "10:00:00")
    assert [log["event"] for log in logs] == ["delivery.refused"], "an outage has its own message"


def test_unexpected_error_is_logged_and_loses_no_count(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)

    async def story() -> None:
        database: Any = Unwritable(idle_hub.hub.database, ValueError("unexpected"))
        counts = DeliveryCounters(database, lambda: HOUR.format("00:00"))
        counts.add(url.id, "put_off", 4)
        await counts.close()
        await counts.close()

    with capture_logs() as logs:
        run(story())
    assert [log["event"] for log in logs] == ["deliveries.not_counted"]
    assert counted(idle_hub) == {("09", "put_off"): 4}


def test_counts_of_a_deleted_url_do_not_block_those_of_others(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)
    gone = IdleHub(idle_hub.hub, "other plant")
    [gone_url] = [row for row in idle_hub.rows(webhook_urls) if row.id != url.id]

    async def story() -> None:
        counts = DeliveryCounters(idle_hub.hub.database, lambda: HOUR.format("00:00"))
        for url_id in (gone_url.id, url.id):
            counts.add(url_id, "taken")
            counts.add(url_id, "wrong_signature")
        change = delete(webhook_urls).where(webhook_urls.c.integration_id == gone.integration_id)
        await idle_hub.hub.database.write(lambda c: c.execute(change) and None)
        await counts.close()

    run(story())
    assert {row.webhook_url_id for row in idle_hub.rows(delivery_counts)} == {url.id}
    assert counted(idle_hub) == {("09", "taken"): 1, ("09", "wrong_signature"): 1}


def test_accepted_deliveries_are_not_failures(idle_hub: IdleHub) -> None:
    [url] = idle_hub.rows(webhook_urls)

    async def story() -> None:
        moments = iter([HOUR.format("00:01"), HOUR.format("00:02")])
        counts = DeliveryCounters(idle_hub.hub.database, lambda: next(moments))
        counts.add(url.id, "too_large")
        counts.add(url.id, "taken")
        await counts.close()
        await counts.close()

    with capture_logs() as logs:
        run(story())
    [row] = idle_hub.rows(webhook_urls)
    assert (row.last_failure, row.last_failure_at) == ("too_large", HOUR.format("00:01"))
    assert (row.refused, row.last_refused_at, logs) == (0, None, [])


COUNTS = st.lists(
    st.tuples(
        st.integers(8, 11),
        st.sampled_from(["taken", "wrong_signature", "too_large", "put_off"]),
        st.integers(1, 1000),
        st.booleans(),
    ),
    max_size=12,
)


@given(drawn=COUNTS)
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sums_do_not_depend_on_when_counts_are_saved(idle_hub: IdleHub, drawn: list[Any]) -> None:
    [url] = idle_hub.rows(webhook_urls)
    idle_hub.hub.database.write_now(lambda c: c.execute(delete(delivery_counts)) and None)
    expected: Counter[tuple[str, str]] = Counter()

    async def story() -> None:
        hours = iter(f"2026-11-24T{hour:02}:30:00.000000+00:00" for hour, *_ in drawn)
        counts = DeliveryCounters(idle_hub.hub.database, lambda: next(hours))
        for hour, outcome, count, save in drawn:
            counts.add(url.id, outcome, count)
            expected[f"{hour:02}", outcome] += count
            if save:
                await counts.close()
        await counts.close()

    run(story())
    assert counted(idle_hub) == expected
