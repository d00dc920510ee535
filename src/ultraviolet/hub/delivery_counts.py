"""How many deliveries came to each webhook URL and what became of them: counted in memory, kept once a second.

Acknowledging waits for none of it. A process that is killed loses the count of its last second, never a delivery.
"""

import asyncio
from collections import Counter
from typing import Any, Literal

import structlog
from sqlalchemy import Connection, text

from ultraviolet.errors import UltravioletError
from ultraviolet.mirror.store import Store
from ultraviolet.times import now

Outcome = Literal["taken", "wrong_signature", "too_large", "put_off"]
_KEEP_EVERY = 1.0

log = structlog.get_logger()

_COUNT = text(
    """INSERT INTO delivery_counts (webhook_url_id, hour, outcome, count) VALUES (:url, :hour, :outcome, :count)
    ON CONFLICT (webhook_url_id, hour, outcome) DO UPDATE SET count = delivery_counts.count + excluded.count"""
)
_REFUSED = text("UPDATE webhook_urls SET refused = refused + :count, last_refused_at = :at WHERE id = :url")
_FAILED = text("UPDATE webhook_urls SET last_failure = :outcome, last_failure_at = :at WHERE id = :url")


class DeliveryCounts:
    """The counts of this process that are not in the database yet."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counts: Counter[tuple[int, str, Outcome]] = Counter()
        self._failed: dict[int, tuple[str, Outcome]] = {}
        self._keeping: asyncio.Task[None] | None = None

    def note(self, url_id: int, outcome: Outcome, count: int = 1) -> None:
        """Count deliveries to an address."""
        moment = now()
        self._counts[url_id, moment[:13], outcome] += count
        if outcome != "taken":
            self._failed[url_id] = moment, outcome
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep_on())

    async def close(self) -> None:
        """Keep what was counted since."""
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await self._keep()

    async def _keep_on(self) -> None:
        while self._counts:
            await asyncio.sleep(_KEEP_EVERY)
            await self._keep()

    async def _keep(self) -> None:
        counts, self._counts = self._counts, Counter()
        failed, self._failed = self._failed, {}
        if not counts:
            return
        try:
            await self._store.write(lambda connection: _write(connection, counts, failed))
        except UltravioletError:  # the database is away: what was counted stays here until it is back
            self._counts += counts
            self._failed = failed | self._failed
        refused = {url: count for (url, _, outcome), count in counts.items() if outcome == "wrong_signature"}
        if refused:
            log.warning("delivery.refused", reason="signature does not match", counts=refused)


def _write(
    connection: Connection,
    counts: Counter[tuple[int, str, Outcome]],
    failed: dict[int, tuple[str, Outcome]],
) -> None:
    there = set(connection.execute(text("SELECT id FROM webhook_urls")).scalars())
    rows: list[dict[str, Any]] = [
        {"url": url, "hour": hour, "outcome": outcome, "count": count}
        for (url, hour, outcome), count in sorted(counts.items())
        if url in there
    ]
    if rows:
        connection.execute(_COUNT, rows)
    for row in rows:
        if row["outcome"] == "wrong_signature":
            connection.execute(_REFUSED, row | {"at": failed[row["url"]][0]})
    for url, (at, outcome) in failed.items():
        connection.execute(_FAILED, {"url": url, "at": at, "outcome": outcome})
