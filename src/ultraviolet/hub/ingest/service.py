"""Ingest deliveries: find the URL, check size and signature, acknowledge after the commit."""

import asyncio
import hashlib
import re
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
from ultraviolet.hub.ingest.url_cache import UrlCache
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.deliveries import Envelope, decode_envelope
from ultraviolet.ion.signatures import SIGNATURE_HEADER, detect_signature

MAX_BODY_BYTES = 1024 * 1024
TRACE_HEADER = "traceparent"
"""The stored header with the trace of a delivery: the hub's own if the hub traces."""
_SECRET_HEADER_NAME = re.compile("auth|cookie|credential|key|password|secret|token")
"""Headers that may hold a secret, such as one configured at the receiver in ION."""


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

    async def submit(self, token: str, headers: Mapping[str, str], body: bytes) -> Verdict:
        """Check and store one delivery; a 2xx means that it is on disk."""
        token_hash = hash_token(token)
        unavailable = self._commits.is_unavailable
        if unavailable:
            known = self._urls.peek(token_hash)
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
        signature_format = None
        if url.shared_secret is not None:
            likely = self._commits.signature_format(url.url_id)
            signature = headers.get(SIGNATURE_HEADER)
            signature_format = detect_signature(url.shared_secret, body, signature, likely)
            if signature_format is None:
                self._counters.add(url.url_id, "wrong_signature")
                return Verdict(401)
        # A proxy may repeat the URL in a header, and the URL is a secret.
        stored = {name: "…" if token in value else value for name, value in headers.items()}
        trace = tracing.current_traceparent()
        if trace:
            stored[TRACE_HEADER] = trace
        row = event_row(
            url.integration_id,
            url.url_id,
            body,
            decode_envelope(self._catalog, body),
            received_at=now_rfc3339(),
            signature="verified" if signature_format else "unverified",
            headers=stored,
        )
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._commits.add(PendingDelivery(row, signature_format, verdict, trace))
        return await verdict

    def knows(self, token: str) -> bool:
        """Return whether the cache holds a URL with this token."""
        return self._urls.peek(hash_token(token)) is not None

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
) -> dict[str, Any]:
    """Return the database row of an event, with values of secret headers removed."""
    stored = {
        name: "…" if _is_secret_header(name) else value for name, value in (headers or {}).items()
    }
    return {
        "integration_id": integration_id,
        "webhook_url_id": url_id,
        "dedupe_key": _dedupe_key(envelope, body),
        "event_id": envelope.event_id,
        "subscription_id": envelope.subscription_id,
        "resource": envelope.resource,
        "action": envelope.action,
        "object_id": envelope.object_id,
        "source_time": envelope.source_time,
        "received_at": received_at,
        "body": body,
        "headers": msgspec.json.encode(stored).decode(),
        "signature": signature,
    }


@lru_cache(256)
def _is_secret_header(name: str) -> bool:
    return _SECRET_HEADER_NAME.search(name) is not None


def _dedupe_key(envelope: Envelope, body: bytes) -> bytes:
    """Return a key that is equal for repeated deliveries of an event.

    The event id alone is not enough: ION counts from one again after it is set up again.
    """
    if envelope.event_id is None:
        return hashlib.sha256(body).digest()
    identity = (
        envelope.event_id,
        envelope.subscription_id,
        envelope.resource,
        envelope.action,
        envelope.object_id,
        envelope.source_time,
    )
    return hashlib.sha256(msgspec.json.encode(identity)).digest()
