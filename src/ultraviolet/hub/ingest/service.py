"""Ingest deliveries: find the URL, check size and signature, acknowledge after the commit."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping

from ultraviolet import tracing
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.core import metrics
from ultraviolet.hub.core.encryption import SecretBox, hash_token
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest.counters import DeliveryCounters
from ultraviolet.hub.ingest.group_commit import GroupCommit, PendingDelivery
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.hub.ingest.url_cache import RELOAD_INTERVAL_SECONDS, UrlCache
from ultraviolet.hub.ingest.webhook_urls import UrlEntry
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.signatures import SIGNATURE_HEADER, verify_signature

MAX_BODY_BYTES = 1024 * 1024


class IngestService:
    """Checks deliveries and passes valid ones to the group commit."""

    def __init__(
        self,
        database: Database,
        catalog: Catalog,
        secrets: SecretBox,
        changes: PubSub,
        wake: Callable[[int], None],
        spool: Spool | None = None,
    ) -> None:
        self._spool = spool
        self._counters = DeliveryCounters(database)
        self._urls = UrlCache(database, secrets)
        self._commits = GroupCommit(
            database, catalog, changes, self._counters, wake, self._urls.expire, spool
        )

    def accept(
        self,
        token: str,
        headers: Mapping[str, str],
        body: bytes,
        answer: Callable[[int], None],
        url: UrlEntry | None = None,
        trace: str | None = None,
    ) -> bool:
        """Add a delivery with a valid signature to the next commit; otherwise return False.

        `answer` is called with the status of the response. Without `url`, also return False unless
        the cached URL decides without further checks. `submit` handles all other cases, such as
        unknown URLs and outages.
        """
        if url is None:
            url = self._urls.entries.get(hashlib.sha256(token.encode()).digest())
            now = time.monotonic()
            if (
                url is None
                or url.expires_at
                or now - self._urls.reloaded_at > RELOAD_INTERVAL_SECONDS
                or now < self._commits.unavailable_until
                or len(body) > MAX_BODY_BYTES
                or (self._spool and self._spool.waiting)
            ):
                return False
        signature_format = None
        if url.shared_secret is not None:
            signature = headers.get(SIGNATURE_HEADER)
            likely = self._commits.signature_formats.get(url.url_id)
            signature_format = verify_signature(url.shared_secret, body, signature, likely)
            if signature_format is None:
                return False
        self._commits.add(
            PendingDelivery(
                url.integration_id,
                url.url_id,
                token,
                headers,
                body,
                now_rfc3339(),
                time.perf_counter(),
                signature_format,
                answer,
                trace,
            )
        )
        return True

    async def submit(self, token: str, headers: Mapping[str, str], body: bytes) -> int:
        """Check and store one delivery; return a status, where 2xx means that it is on disk."""
        token_hash = hash_token(token)
        unavailable = time.monotonic() < self._commits.unavailable_until
        if unavailable:
            known = self._urls.entries.get(token_hash)
            if known is None or self._spool is None:
                if known:
                    self._counters.add(known.url_id, "put_off")
                metrics.count_deliveries(503)
                return 503
        url = await self._urls.get(token_hash, offline=unavailable or self.spooled > 0)
        if url is None:
            metrics.count_deliveries(404)
            return 404
        if len(body) > MAX_BODY_BYTES:
            self._counters.add(url.url_id, "too_large")
            metrics.count_deliveries(413)
            return 413
        trace = tracing.current_traceparent()
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def answer(found: int) -> None:
            if not status.done():  # the sender may have disconnected
                status.set_result(found)

        if not self.accept(token, headers, body, answer, url, trace):
            self._counters.add(url.url_id, "wrong_signature")
            metrics.count_deliveries(401)
            return 401
        return await status

    def knows(self, token: str) -> bool:
        """Return whether the cache holds a URL with this token."""
        return hash_token(token) in self._urls.entries

    async def refresh(self) -> None:
        """Reload the webhook URLs after a change to one."""
        await self._urls.reload()

    def drain(self) -> None:
        """Move the spool into the database in the background."""
        self._commits.drain()

    async def close(self) -> None:
        """Commit pending deliveries and save their counts."""
        await self._commits.close()
        await self._urls.close()
        await self._counters.close()

    @property
    def spooled(self) -> int:
        """Deliveries in the spool of this process."""
        return self._spool.waiting if self._spool else 0

    @property
    def refused(self) -> int:
        """Spooled deliveries that the database rejected since this process started."""
        return self._spool.refused if self._spool else 0
