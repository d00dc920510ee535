"""Deliveries of webhook events, their transmissions and their attempts."""

from collections.abc import Callable, Sequence

import msgspec


class Delivery(msgspec.Struct, frozen=True):
    """A webhook event addressed to one receiver."""

    event_id: int
    url: str
    secret: str
    expected_status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    retries: int = 0
    signed_body: bytes | None = None
    """The signed content, if it is not the body."""


class Transmission(msgspec.Struct, frozen=True):
    """How to send a delivery: after a pause, without a record, or not at all."""

    delivery: Delivery
    pause_seconds: float = 0.0
    recorded: bool = True
    lost_reason: str | None = None
    """Why the delivery is not sent."""


PlanTransmissions = Callable[[Sequence[Delivery]], list[Transmission]]
"""Turn deliveries into transmissions; may block."""


def plan_unchanged(deliveries: Sequence[Delivery]) -> list[Transmission]:
    """Send every delivery once and without delay."""
    return [Transmission(delivery) for delivery in deliveries]


class Attempt(msgspec.Struct, frozen=True):
    """The result of one attempt; `status` is the new status of the webhook event."""

    event_id: int
    status: str
    retries: int
    response_status: int | None
    response_text: str
    received_at: str | None
