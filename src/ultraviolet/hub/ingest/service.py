"""Ingest deliveries: find the URL, check size and signature, acknowledge after the commit."""

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from ultraviolet import tracing
from ultraviolet.clock import now_rfc3339
from ultraviolet.db.database import Database
from ultraviolet.hub.core.encryption import SecretBox, hash_token
from ultraviolet.hub.core.pubsub import PubSub
from ultraviolet.hub.ingest.counters import DeliveryCounters
from ultraviolet.hub.ingest.group_commit import GroupCommit, PendingDelivery, Verdict
from ultraviolet.hub.ingest.spool import Spool
from ultraviolet.hub.ingest.url_cache import RELOAD_INTERVAL_SECONDS, UrlCache
from ultraviolet.hub.ingest.webhook_urls import UrlEntry
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, decode
from ultraviolet.ion.signatures import SIGNATURE_HEADER, verify_signature

MAX_BODY_BYTES = 1024 * 1024
TRACE_HEADER = "traceparent"
"""The stored header with the trace of a delivery: the hub's own if the hub traces."""
_SECRET_HEADER_NAME = re.compile("auth|cookie|credential|key|password|secret|token")
"""Headers that may hold a secret, such as one configured at the receiver in ION."""
_DELIVERY_IDS = re.compile(
    rb'"(?:webhook_?)?(?:event|subscription|delivery|message)_?id"\s*:\s*(?:"[^"]*"|\d+)\s*,?\s*',
    re.IGNORECASE,
)
"""Fields of a body that differ between the receivers of one change."""
_MAX_DELIVERY_IDS = 2
_ENVELOPE_BYTES = 4096
"""The beginning of a body, which has these fields; a search in a whole body can take 0.3 seconds."""
_CHANGE_KEY_BYTES = 16


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
        self._catalog = catalog
        self._spool = spool
        self._counters = DeliveryCounters(database)
        self._urls = UrlCache(database, secrets)
        self._commits = GroupCommit(
            database, changes, self._counters, wake, self._urls.expire, spool
        )

    def accept(
        self,
        token: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        url: UrlEntry | None = None,
        trace: str | None = None,
    ) -> asyncio.Future[Verdict] | None:
        """Add a delivery with a valid signature to the next commit; otherwise return None.

        Without `url`, also return None unless the cached URL decides without further checks.
        `submit` handles all other cases, such as unknown URLs and outages.
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
                return None
        signature_format = None
        if url.shared_secret is not None:
            signature = headers.get(SIGNATURE_HEADER)
            likely = self._commits.signature_formats.get(url.url_id)
            signature_format = verify_signature(url.shared_secret, body, signature, likely)
            if signature_format is None:
                return None
        row = event_row(
            url.integration_id,
            url.url_id,
            body,
            decode(self._catalog, body, whole=False),
            received_at=now_rfc3339(),
            signature="verified" if signature_format else "unverified",
            headers={**headers, TRACE_HEADER: trace} if trace else headers,
            token=token,
        )
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._commits.add(PendingDelivery(row, signature_format, verdict, trace))
        return verdict

    async def submit(self, token: str, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Check and store one delivery; a 2xx means that it is on disk."""
        token_hash = hash_token(token)
        unavailable = time.monotonic() < self._commits.unavailable_until
        if unavailable:
            known = self._urls.entries.get(token_hash)
            if known is None or self._spool is None:
                if known:
                    self._counters.add(known.url_id, "put_off")
                return Verdict(503)
        url = await self._urls.get(token_hash, offline=unavailable or self.spooled > 0)
        if url is None:
            return Verdict(404)
        if len(body) > MAX_BODY_BYTES:
            self._counters.add(url.url_id, "too_large")
            return Verdict(413)
        trace = tracing.current_traceparent()
        stored = self.accept(token, headers, body, url=url, trace=trace)
        if stored is None:
            self._counters.add(url.url_id, "wrong_signature")
            return Verdict(401)
        return await stored

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


def event_row(
    integration_id: int,
    url_id: int,
    body: bytes,
    envelope: Envelope,
    *,
    received_at: str,
    signature: str,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
) -> dict[str, Any]:
    """Return the database row of an event; its key is equal for repeated deliveries.

    Values of headers that may hold a secret are removed, and those that contain the URL's token,
    which a proxy may repeat in a header.
    """
    stored = {
        name: "…" if _is_secret_header(name) or (token and token in value) else value
        for name, value in (headers or {}).items()
    }
    # The event id alone is not unique: a newly set up ION counts from one again.
    identity = body
    if envelope.event_id is not None:
        identity = msgspec.json.encode(
            (
                envelope.event_id,
                envelope.subscription_id,
                envelope.resource,
                envelope.action,
                envelope.object_id,
                envelope.source_time,
            )
        )
    change_key = None
    if envelope.source_time is not None:
        envelope_bytes = _DELIVERY_IDS.sub(b"", body[:_ENVELOPE_BYTES], count=_MAX_DELIVERY_IDS)
        change = hashlib.blake2b(envelope_bytes, digest_size=_CHANGE_KEY_BYTES)
        change.update(body[_ENVELOPE_BYTES:])
        change_key = change.digest()
    return {
        "integration_id": integration_id,
        "webhook_url_id": url_id,
        "dedupe_key": hashlib.sha256(identity).digest(),
        "event_id": envelope.event_id,
        "subscription_id": envelope.subscription_id,
        "resource": envelope.resource,
        "action": envelope.action,
        "object_id": envelope.object_id,
        "source_time": envelope.source_time,
        "received_at": received_at,
        "change_key": change_key,
        "body": body,
        "headers": msgspec.json.encode(stored).decode(),
        "signature": signature,
    }


@lru_cache(256)
def _is_secret_header(name: str) -> bool:
    return _SECRET_HEADER_NAME.search(name) is not None
