"""Observations: statements about ION objects, and the only input of the mirror."""

from typing import Any, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["full", "partial", "absent"]
OriginKind: TypeAlias = Literal["event", "heal", "fetch", "poll", "verify", "replay"]
Ref: TypeAlias = tuple[str, str]
"""The resource and id of an object of one integration."""


class Origin(msgspec.Struct, frozen=True):
    """The event, targeted read, fetch or replay that produced an observation."""

    kind: OriginKind
    ref: str | None = None
    first: bool = False
    """Whether it is the first fetch of a resource, which counts neither as drift nor as latency."""
    lost: bool = False
    """Whether the event never arrived and was read from ION's record of deliveries."""


class Observation(msgspec.Struct, frozen=True):
    """A statement about one object: its full content, some fields, or its absence.

    `fields` has GraphQL names. `source_time` is ION's clock; for a full read it is `_updated`.
    `read_started_at` and `observed_at` are the hub's clock. An event has no `read_started_at`.
    """

    resource: str
    id: str
    kind: Kind
    fields: dict[str, Any]
    observed_at: str
    origin: Origin
    source_time: str | None = None
    read_started_at: str | None = None

    @property
    def ref(self) -> Ref:
        """The resource and id."""
        return self.resource, self.id


class Mark(msgspec.Struct, frozen=True):
    """A sign that an object may differ from ION since `at`."""

    resource: str
    id: str
    reason: str
    at: str

    @property
    def ref(self) -> Ref:
        """The resource and id."""
        return self.resource, self.id


class Change(msgspec.Struct, frozen=True):
    """A new version of an object."""

    resource: str
    id: str
    change: Literal["create", "update", "delete", "restore"]
    version: int


class Applied(msgspec.Struct, frozen=True):
    """The result of applying a batch of observations."""

    changes: list[Change]
    outcomes: list[str]
    """One per observation: changed, same, older, unproven or marked."""
    marked: int
    """Number of objects marked as stale."""
    refitted: frozenset[str] = frozenset()
    """Resources whose set of values that do not fit their column changed."""
