"""Group commit: deliveries that wait at the same time share one transaction.

While the database is unavailable, deliveries go to the spool, if there is one. The spool is drained
in order as soon as the database is available again.
"""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec
import structlog
from sqlalchemy import Connection, text

from ultraviolet import tracing
from ultraviolet.db.database import Database, StoreUnavailableError
from ultraviolet.db.driver_errors import first_line
from ultraviolet.db.event_store import insert_events
from ultraviolet.failpoints import failpoint
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.log_throttle import OutageLog
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest.counters import DeliveryCounters
from ultraviolet.hub.ingest.event_row import TRACE_HEADER, event_row
from ultraviolet.hub.ingest.spool import MAX_BATCH_BYTES, Spool, SpooledDelivery, SpoolFullError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import decode
from ultraviolet.ion.signatures import SignatureFormat

MAX_GROUP_DELIVERIES = 1000
_USE_INTERVAL_SECONDS = 1.0
"""Minimum time between two updates of a URL's last delivery, to avoid contention for its row."""
_RETRY_INTERVAL_SECONDS = 0.5
"""Time in which deliveries are spooled or refused at once, after the database was unavailable."""

log = structlog.get_logger()

_RECORD_USE = text(
    """UPDATE webhook_urls SET last_delivery_at = :at,
      first_delivery_at = coalesce(first_delivery_at, :at),
      first_verified_at = CASE WHEN :verified = 1 THEN coalesce(first_verified_at, :at)
        ELSE first_verified_at END,
      signature_format = coalesce(signature_format, :format)
    WHERE id = :id"""
)
_REVOKE_REPLACED = text(
    """UPDATE webhook_urls SET state = 'revoked', shared_secret = NULL
    WHERE state = 'rotated' AND id IN (
      WITH RECURSIVE older (id) AS (
        SELECT replaces_id FROM webhook_urls WHERE id = :id
        UNION SELECT w.replaces_id FROM webhook_urls AS w JOIN older ON w.id = older.id)
      SELECT id FROM older)"""
)
"""The statement begins with UPDATE, because `sqlite3` counts the rows of no other one."""
_INTEGRATION_IDS = text("SELECT id FROM integrations")


class PendingDelivery(msgspec.Struct):
    """A checked delivery that waits for its commit."""

    integration_id: int
    url_id: int
    token: str
    headers: Mapping[str, str]
    body: bytes
    received_at: str
    started_at: float
    """The same time by `time.perf_counter`."""
    signature_format: SignatureFormat | None
    """None if the shared secret of the URL is not known."""
    answer: Callable[[int], None] | None
    """Sends the status of the response; None afterwards."""
    trace: str | None = None


class _UrlUse(msgspec.Struct, frozen=True):
    """The last recorded use of a webhook URL in this process."""

    at: float
    signature_format: SignatureFormat | None


class _CommittedUse(msgspec.Struct, frozen=True):
    """A webhook URL of a committed group."""

    url_id: int
    recorded: _UrlUse | None
    revoked_others: bool
    """Whether the URLs that this one replaces were revoked."""


class GroupCommit:
    """Commits deliveries in groups, or keeps them in the spool."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        changes: PubSub,
        counters: DeliveryCounters,
        wake: Callable[[int], None],
        expire_urls: Callable[[], None],
        spool: Spool | None = None,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._changes = changes
        self._counters = counters
        self._wake = wake
        self._expire_urls = expire_urls
        self._spool = spool
        self.unavailable_until = 0.0
        """Monotonic time until which the database counts as unavailable."""
        self.signature_formats: dict[int, SignatureFormat | None] = {}
        """The format of the last signature at each URL, to try it first."""
        self._pending: list[PendingDelivery] = []
        self._commit_task: asyncio.Task[None] | None = None
        self._drain_task: asyncio.Task[None] | None = None
        self._used: set[int] = set()
        self._uses: dict[int, _UrlUse] = {}
        self._outage_log = OutageLog("delivery.not_kept", "delivery.kept_again")

    def add(self, delivery: PendingDelivery) -> None:
        """Commit a delivery with the next group, and then answer it."""
        self._pending.append(delivery)
        if self._commit_task is None or self._commit_task.done():
            self._commit_task = asyncio.create_task(self._commit_pending())

    def drain(self) -> None:
        """Move the spool into the database in the background."""
        spool = self._spool
        if spool and spool.waiting and (self._drain_task is None or self._drain_task.done()):
            self._drain_task = asyncio.create_task(self._drain(spool), name="spool")

    async def close(self) -> None:
        """Commit pending deliveries and stop draining."""
        if self._commit_task:
            await asyncio.gather(self._commit_task, return_exceptions=True)
        if self._drain_task:
            self._drain_task.cancel()
            await asyncio.gather(self._drain_task, return_exceptions=True)

    async def _commit_pending(self) -> None:
        while self._pending:
            pending = _interleave_urls(self._pending)
            count = _first_group(pending)
            group, self._pending = pending[:count], pending[count:]
            try:
                await self._commit_group(group)
            except Exception:
                log.exception("delivery.not_kept", count=len(group))
            finally:  # after an unexpected error, no sender waits forever
                if unanswered := [delivery for delivery in group if delivery.answer]:
                    self._answer(unanswered, 503)

    async def _commit_group(self, group: Sequence[PendingDelivery]) -> None:
        if self._spool and (
            self._spool.waiting or time.monotonic() < self.unavailable_until
        ):  # keep the order
            await self._add_to_spool(self._spool, group)
            return
        links = [delivery.trace for delivery in group if delivery.trace]
        try:
            with tracing.span("deliveries.commit", links=links, root=True, events=len(group)):
                uses = await self._database.write_delivery(self._write, group)
        except StoreUnavailableError as error:
            self._outage_log.record_failure(error, count=len(group))
            self.unavailable_until = time.monotonic() + _RETRY_INTERVAL_SECONDS
            if self._spool:
                await self._add_to_spool(self._spool, group)
            else:
                self._answer(group, 503)
            return
        except Exception as error:
            log.warning(
                "delivery.not_kept", count=len(group), error=first_line(error), exc_info=True
            )
            if len(group) == 1:
                self._answer(group, 503)
                return
            for delivery in group:  # store those that can be stored
                await self._commit_group([delivery])
            return
        failpoint("ingest.committed")
        self._after_commit(group, uses)
        self._answer(group, 200)

    async def _add_to_spool(self, spool: Spool, group: Sequence[PendingDelivery]) -> None:
        """Spool deliveries; answer 503 if the spool is full or fails, so that ION repeats them."""
        try:
            await spool.add(await asyncio.to_thread(self._with_rows, group))
        except (SpoolFullError, sqlite3.Error) as error:
            log.warning("delivery.not_spooled", count=len(group), error=str(error) or error.__doc__)
            self._answer(group, 503)
        except Exception as error:
            if len(group) == 1:
                log.exception("delivery.not_spooled", count=1, error=first_line(error))
                self._answer(group, 503)
                return
            for delivery in group:  # spool those that can be spooled
                await self._add_to_spool(spool, [delivery])
        else:
            failpoint("spool.kept")
            self._answer(group, 200)
        self.drain()

    async def _drain(self, spool: Spool) -> None:
        """Commit spooled deliveries in order, and delete them from the spool after their commit."""
        count, limit = 0, MAX_GROUP_DELIVERIES
        while found := await spool.first(limit):
            deliveries = [delivery for _, delivery in found]
            try:
                uses = await self._database.write_delivery(self._write_spooled, deliveries)
            except StoreUnavailableError:
                await asyncio.sleep(_RETRY_INTERVAL_SECONDS)
                continue
            except Exception as error:
                if limit > 1:  # find the one that cannot be stored
                    limit = 1
                    continue
                log.exception("spool.refused", seq=found[0][0])
                await spool.refuse(found[0][0], first_line(error))
                limit = MAX_GROUP_DELIVERIES
                continue
            failpoint("spool.drained")
            await spool.delete_through(found[-1][0])
            count += len(found)
            self._after_commit(deliveries, uses)
        log.info("spool.drained", count=count)

    def _answer(self, group: Sequence[PendingDelivery], status: int) -> None:
        """Answer deliveries and count them by URL."""
        for delivery in group:
            answer, delivery.answer = delivery.answer, None
            try:
                if answer:
                    answer(status)
            except Exception:  # the others are answered all the same
                log.exception("delivery.not_answered")
        metrics.count_deliveries(status, len(group))
        if status == 200:  # noqa: PLR2004
            now = time.perf_counter()
            metrics.observe_acknowledgements([now - delivery.started_at for delivery in group])
        outcome = "taken" if status == 200 else "put_off"  # noqa: PLR2004
        for url_id, count in Counter([delivery.url_id for delivery in group]).items():
            self._counters.add(url_id, outcome, count)

    def _after_commit(
        self, group: Sequence[PendingDelivery | SpooledDelivery], uses: Sequence[_CommittedUse]
    ) -> None:
        """Remember the URL uses that are on disk, and wake the apply controllers."""
        self._outage_log.record_success()
        for use in uses:
            self._used.add(use.url_id)
            if use.recorded:
                self._uses[use.url_id] = use.recorded
                self.signature_formats[use.url_id] = use.recorded.signature_format
            if use.revoked_others:
                self._expire_urls()
        for integration_id in {delivery.integration_id for delivery in group}:
            self._wake(integration_id)
            self._changes.publish("event", integration_id)

    def _write_spooled(
        self, connection: Connection, deliveries: Sequence[SpooledDelivery]
    ) -> list[_CommittedUse]:
        """Write spooled deliveries, except those of integrations that have been removed."""
        known = set(connection.execute(_INTEGRATION_IDS).scalars())
        kept = [delivery for delivery in deliveries if delivery.integration_id in known]
        if len(kept) < len(deliveries):
            log.warning("spool.of_removed_integration", count=len(deliveries) - len(kept))
        return self._write_rows(connection, kept)

    def _with_rows(self, group: Sequence[PendingDelivery]) -> list[SpooledDelivery]:
        return [
            SpooledDelivery(
                event_row(
                    delivery.integration_id,
                    delivery.url_id,
                    delivery.body,
                    decode(self._catalog, delivery.body, whole=False),
                    received_at=delivery.received_at,
                    signature="verified" if delivery.signature_format else "unverified",
                    headers={**delivery.headers, TRACE_HEADER: delivery.trace}
                    if delivery.trace
                    else delivery.headers,
                    token=delivery.token,
                ),
                delivery.signature_format,
            )
            for delivery in group
        ]

    def _write(
        self, connection: Connection, group: Sequence[PendingDelivery]
    ) -> list[_CommittedUse]:
        """Build the rows here instead of in the event loop, where other work runs between them."""
        return self._write_rows(connection, self._with_rows(group))

    def _write_rows(
        self, connection: Connection, group: Sequence[SpooledDelivery]
    ) -> list[_CommittedUse]:
        """Insert events and record the use of their URLs; return uses, valid after the commit."""
        insert_events(connection, [delivery.row for delivery in group])
        by_url: dict[int, list[SpooledDelivery]] = {}
        for delivery in group:
            by_url.setdefault(delivery.row["webhook_url_id"], []).append(delivery)
        uses: list[_CommittedUse] = []
        for url_id, deliveries in sorted(by_url.items()):  # lock rows in the order of `counters`
            format_: SignatureFormat | None = next(
                (d.signature_format for d in deliveries if d.signature_format), None
            )
            use, last = _UrlUse(time.monotonic(), format_), self._uses.get(url_id)
            if (
                last is None
                or last.signature_format != format_
                or use.at - last.at >= _USE_INTERVAL_SECONDS
            ):
                at = deliveries[-1].row["received_at"]
                values = {"id": url_id, "at": at, "verified": int(format_ is not None)}
                connection.execute(_RECORD_USE, {**values, "format": format_})
            else:
                use = None
            revoked_others = (
                url_id not in self._used
                and connection.execute(_REVOKE_REPLACED, {"id": url_id}).rowcount > 0
            )
            uses.append(_CommittedUse(url_id, use, revoked_others))
        failpoint("ingest.written")
        return uses


def _first_group(pending: Sequence[PendingDelivery]) -> int:
    """Return how many of the first deliveries share a transaction."""
    size = 0
    for count, delivery in enumerate(pending[:MAX_GROUP_DELIVERIES]):
        size += len(delivery.body)
        if size > MAX_BATCH_BYTES and count:
            return count
    return min(len(pending), MAX_GROUP_DELIVERIES)


def _interleave_urls(pending: list[PendingDelivery]) -> list[PendingDelivery]:
    """Take one delivery of each URL in turn, so that a flood at one does not delay the others."""
    if len(pending) <= MAX_GROUP_DELIVERIES:
        return pending
    counts: Counter[int] = Counter()
    turns: list[int] = []
    for delivery in pending:
        url_id = delivery.url_id
        turns.append(counts[url_id])
        counts[url_id] += 1
    return [pending[n] for n in sorted(range(len(pending)), key=turns.__getitem__)]
