"""How many deliveries came to each webhook URL and what became of them: counted in memory, kept once a second.

Acknowledging waits for none of it. A process that is killed loses the count of its last second, never a delivery.
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
_KEEP_EVERY = 1.0

log = structlog.get_logger()

_COUNT = text(
    """INSERT INTO delivery_counts (webhook_url_id, hour, outcome, count) VALUES (:url, :hour, :outcome, :count)
    ON CONFLICT (webhook_url_id, hour, outcome) DO UPDATE SET count = delivery_counts.count + excluded.count"""
)
_REFUSED = text(
    "UPDATE webhook_urls SET refused = refused + :count, last_refused_at = :at WHERE id = :url"
)
_FAILED = text(
    "UPDATE webhook_urls SET last_failure = :outcome, last_failure_at = :at WHERE id = :url"
)


class DeliveryCounters:
    """The counts of this process that are not in the database yet."""

    def __init__(self, database: Database, clock: Callable[[], str] = now_rfc3339) -> None:
        self._database = database
        self._clock = clock
        self._counts: Counter[tuple[int, str, Outcome]] = Counter()
        self._failed: dict[tuple[int, Outcome], str] = {}
        self._keeping: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    def note(self, url_id: int, outcome: Outcome, count: int = 1) -> None:
        """Count deliveries to an address."""
        moment = self._clock()
        self._counts[url_id, moment[:13], outcome] += count
        if outcome != "taken":
            self._failed[url_id, outcome] = moment
        if self._keeping is None or self._keeping.done():
            self._ending = asyncio.Event()
            self._keeping = asyncio.create_task(self._keep_on())

    async def close(self) -> None:
        """Keep what was counted since."""
        self._ending.set()
        if self._keeping:
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._keep()

    async def _keep_on(self) -> None:
        while self._counts and not self._ending.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), _KEEP_EVERY)
            await self._keep()

    async def _keep(self) -> None:
        counts, self._counts = self._counts, Counter()
        failed, self._failed = self._failed, {}
        if not counts:
            return
        try:
            await self._database.write(_write, counts, failed)
        except Exception as error:
            if not isinstance(error, StoreUnavailableError):
                log.exception("deliveries.not_counted")
            self._counts += counts  # what was counted stays here until it can be kept
            self._failed = failed | self._failed
            return
        if refused := _refused(counts):
            log.warning("delivery.refused", reason="signature does not match", counts=dict(refused))


def _refused(counts: Counter[tuple[int, str, Outcome]]) -> Counter[int]:
    """Count by address, whatever the hour."""
    refused: Counter[int] = Counter()
    for (url, _, outcome), count in counts.items():
        if outcome == "wrong_signature":
            refused[url] += count
    return refused


def _write(
    connection: Connection,
    counts: Counter[tuple[int, str, Outcome]],
    failed: dict[tuple[int, Outcome], str],
) -> None:
    there = set(connection.execute(text("SELECT id FROM webhook_urls")).scalars())
    rows: list[dict[str, Any]] = [
        {"url": url, "hour": hour, "outcome": outcome, "count": count}
        for (url, hour, outcome), count in sorted(counts.items())
        if url in there
    ]
    if rows:
        connection.execute(_COUNT, rows)
    refused = _refused(counts)
    # In one order, so that processes do not lock each other out.
    for url in sorted({url for url, _ in failed}):
        moments = {outcome: at for (one, outcome), at in failed.items() if one == url}
        if url in refused:
            given = {"url": url, "count": refused[url], "at": moments["wrong_signature"]}
            connection.execute(_REFUSED, given)
        last = max(moments, key=lambda outcome: moments[outcome])
        connection.execute(_FAILED, {"url": url, "outcome": last, "at": moments[last]})
