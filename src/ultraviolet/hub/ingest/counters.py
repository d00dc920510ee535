"""Count deliveries by webhook URL and outcome in memory, and save the counts once a second.

Acknowledgements do not wait for the counts. A killed process loses the counts of its last second,
never a delivery.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, text

from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database, StoreUnavailableError

Outcome = Literal["taken", "wrong_signature", "too_large", "put_off"]
_SAVE_INTERVAL_SECONDS = 1.0

log = structlog.get_logger()

_ADD_COUNT = text(
    """INSERT INTO delivery_counts (webhook_url_id, hour, outcome, count)
    VALUES (:url, :hour, :outcome, :count)
    ON CONFLICT (webhook_url_id, hour, outcome)
    DO UPDATE SET count = delivery_counts.count + excluded.count"""
)
_ADD_REFUSED = text(
    "UPDATE webhook_urls SET refused = refused + :count, last_refused_at = :at WHERE id = :url"
)
_SET_LAST_FAILURE = text(
    "UPDATE webhook_urls SET last_failure = :outcome, last_failure_at = :at WHERE id = :url"
)


class DeliveryCounters:
    """Counts of this process that are not yet in the database."""

    def __init__(self, database: Database, clock: Callable[[], str] = now_rfc3339) -> None:
        self._database = database
        self._clock = clock
        self._counts: Counter[tuple[int, str, Outcome]] = Counter()
        self._failed: dict[tuple[int, Outcome], str] = {}
        self._save_task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def add(self, url_id: int, outcome: Outcome, count: int = 1) -> None:
        """Count deliveries at a URL."""
        moment = self._clock()
        self._counts[url_id, moment[:13], outcome] += count
        if outcome != "taken":
            self._failed[url_id, outcome] = moment
        if self._save_task is None or self._save_task.done():
            self._closing = asyncio.Event()
            self._save_task = asyncio.create_task(self._save_repeatedly())

    async def close(self) -> None:
        """Save the remaining counts."""
        self._closing.set()
        if self._save_task:
            await asyncio.gather(self._save_task, return_exceptions=True)
        await self._save()

    async def _save_repeatedly(self) -> None:
        while self._counts and not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_SAVE_INTERVAL_SECONDS):
                    await self._closing.wait()
            await self._save()

    async def _save(self) -> None:
        counts, self._counts = self._counts, Counter()
        failed, self._failed = self._failed, {}
        if not counts:
            return
        try:
            await self._database.write(_write, counts, failed)
        except Exception as error:
            if not isinstance(error, StoreUnavailableError):
                log.exception("deliveries.not_counted")
            self._counts += counts  # save them later
            self._failed = failed | self._failed
            return
        if refused := _count_refused(counts):
            log.warning("delivery.refused", reason="signature does not match", counts=dict(refused))


def _count_refused(counts: Counter[tuple[int, str, Outcome]]) -> Counter[int]:
    """Return the number of wrong signatures by URL, over all hours."""
    refused: Counter[int] = Counter()
    for (url_id, _, outcome), count in counts.items():
        if outcome == "wrong_signature":
            refused[url_id] += count
    return refused


def _write(
    connection: Connection,
    counts: Counter[tuple[int, str, Outcome]],
    failed: dict[tuple[int, Outcome], str],
) -> None:
    existing = set(connection.execute(text("SELECT id FROM webhook_urls")).scalars())
    rows: list[dict[str, Any]] = [
        {"url": url_id, "hour": hour, "outcome": outcome, "count": count}
        for (url_id, hour, outcome), count in sorted(counts.items())
        if url_id in existing
    ]
    if rows:
        connection.execute(_ADD_COUNT, rows)
    refused = _count_refused(counts)
    # Update rows in the order of their ids, so that processes do not deadlock.
    for url_id in sorted({url_id for url_id, _ in failed}):
        times = {outcome: at for (failed_id, outcome), at in failed.items() if failed_id == url_id}
        if url_id in refused:
            values = {"url": url_id, "count": refused[url_id], "at": times["wrong_signature"]}
            connection.execute(_ADD_REFUSED, values)
        last = max(times, key=times.__getitem__)
        connection.execute(_SET_LAST_FAILURE, {"url": url_id, "outcome": last, "at": times[last]})
