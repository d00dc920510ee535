"""Observations of one purchase order for the tests of the mirror."""

from typing import Any

from ultraviolet.mirror.object_state import ObjectState
from ultraviolet.mirror.observation import Observation, Origin, OriginKind

ORDER = "purchase_orders"


def at(second: float) -> str:
    return f"2026-01-01T00:{int(second) // 60:02}:{second % 60:09.6f}+00:00"


def event(second: float, **fields: Any) -> Observation:
    return Observation(ORDER, "1", "partial", fields, at(second), Origin("event"), at(second))


def read(began: float, kind: OriginKind = "heal", **fields: Any) -> Observation:
    return Observation(
        ORDER,
        "1",
        "full",
        fields,
        at(began + 0.5),
        Origin(kind),
        fields.get("_updated"),
        at(began),
    )


def absence(began: float, kind: OriginKind = "heal") -> Observation:
    return Observation(
        ORDER, "1", "absent", {}, at(began + 0.5), Origin(kind), read_started_at=at(began)
    )


def fresh(second: float = 10, **fields: Any) -> ObjectState:
    """Return an object that was read in full at this time."""
    return ObjectState(
        ORDER,
        "1",
        doc={"_updated": at(second - 1), **fields},
        version=1,
        completeness="full",
        source_time=at(second - 1),
        observed_at=at(second),
        read_at=at(second),
        was_full=True,
    )
