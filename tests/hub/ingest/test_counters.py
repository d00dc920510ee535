"""Delivery counters on either database: complete across the hour, each count in its own hour."""

from pathlib import Path

from structlog.testing import capture_logs
from tests.idle_hub import Door, run

from ultraviolet.db.tables.events import delivery_counts, webhook_urls
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest.counters import DeliveryCounters


def test_refused_deliveries_are_counted_across_the_hour(tmp_path: Path, store_url: str) -> None:
    hub = Hub.open(Settings(data=tmp_path, database_url=store_url, public_url="http://hub.test"))
    door = Door(hub)
    [url] = door.rows(webhook_urls)
    before, after, last = (
        f"2026-11-24T{time}.000000+00:00" for time in ("09:59:59", "10:00:00", "10:00:01")
    )
    moments = iter([before, after, last])

    async def story() -> None:
        counts = DeliveryCounters(hub.database, lambda: next(moments))
        counts.add(url.id, "wrong_signature", 2)
        counts.add(url.id, "wrong_signature", 3)
        counts.add(url.id, "put_off")
        await counts.close()

    with capture_logs() as logs:
        run(story())

    assert [{url.id: 5}] == [log["counts"] for log in logs if log["event"] == "delivery.refused"]
    kept = {(row.hour[11:], row.outcome): row.count for row in door.rows(delivery_counts)}
    assert {
        ("09", "wrong_signature"): 2,
        ("10", "wrong_signature"): 3,
        ("10", "put_off"): 1,
    } == kept
    [row] = door.rows(webhook_urls)
    assert (5, after) == (row.refused, row.last_refused_at)
    assert ("put_off", last) == (row.last_failure, row.last_failure_at)
    hub.close()
