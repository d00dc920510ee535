"""The database row of an event: decoded envelope, keys, and headers without secrets."""

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from ultraviolet.ion.deliveries import Envelope

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
_KEY_TIME_BYTES = 8
"""Microseconds since 1970 at the start of a dedupe key."""


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
    stored = headers or {}
    if _has_secret_header(tuple(stored)) or (token and token in "\n".join(stored.values())):
        stored = {
            name: "…" if _SECRET_HEADER_NAME.search(name) or (token and token in value) else value
            for name, value in stored.items()
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
    dedupe_key = hashlib.sha256(identity).digest()
    change_key = None
    if envelope.source_time is not None:
        # Keys of consecutive events are neighbours in the index, so a commit writes few pages.
        moment = round(datetime.fromisoformat(envelope.source_time).timestamp() * 1e6)
        time_bytes = moment.to_bytes(_KEY_TIME_BYTES, "big", signed=True)
        dedupe_key = time_bytes + dedupe_key[:-_KEY_TIME_BYTES]
        envelope_bytes = _DELIVERY_IDS.sub(b"", body[:_ENVELOPE_BYTES], count=_MAX_DELIVERY_IDS)
        change = hashlib.sha256(envelope_bytes)
        change.update(body[_ENVELOPE_BYTES:])
        change_key = change.digest()[:_CHANGE_KEY_BYTES]
    return {
        "integration_id": integration_id,
        "webhook_url_id": url_id,
        "dedupe_key": dedupe_key,
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
def _has_secret_header(names: tuple[str, ...]) -> bool:
    return any(map(_SECRET_HEADER_NAME.search, names))
