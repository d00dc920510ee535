"""Create and send signed deliveries of about 600 bytes, in ION's format."""

from collections.abc import Sequence
from datetime import UTC, datetime

from bench.frame import expect
from bench.hooks_server import SECRET
from bench.wire import Flood, flood, written
from ultraviolet import clock
from ultraviolet.ion.deliveries import encode
from ultraviolet.ion.signatures import SIGNATURE_HEADER, sign

DESCRIPTION = "Fasteners and seals for the second engine of the qualification campaign, as agreed by telephone"


def body(number: int, objects: int) -> bytes:
    """Return the body of an update of one of `objects` purchase orders."""
    moment = clock.format_rfc3339(datetime.now(UTC))
    return encode(
        event_id=number,
        subscription_id=7,
        resource="purchase_orders",
        action="UPDATE",
        object_id=number % objects + 1,
        transaction_id=number,
        timestamp=moment,
        actor_id=3,
        changes={
            "_updated": {"old": "2026-01-01T00:00:00.000000+00:00", "new": moment},
            "_etag": {"old": f"{number:032x}", "new": f"{number + 1:032x}"},
            "description": {"old": DESCRIPTION, "new": f"{DESCRIPTION}, change {number}"},
            "assigned_to_id": {"old": number % 20, "new": number % 20 + 1},
        },
    )


def requests(url: str, first: int, number: int, objects: int = 2000) -> list[bytes]:
    """Return `number` requests with signed deliveries of different events."""
    bodies = (body(first + i, objects) for i in range(number))
    return [written(url, content, {SIGNATURE_HEADER: sign(SECRET, content)}) for content in bodies]


def acknowledged(
    url: str, sent: Sequence[bytes], connections: int, others: Sequence[str] = ()
) -> Flood:
    """Send deliveries to a URL and to `others`; check that all are acknowledged."""
    found = flood(url, sent, connections, others)
    expect("statuses and answers", ({200}, len(sent)), (found.statuses, len(found.delays)))
    return found
