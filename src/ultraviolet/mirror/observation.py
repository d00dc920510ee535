"""What the hub may learn about an ION object: the one kind of statement that enters the mirror."""

from typing import Any, Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["full", "partial", "absent"]
OriginKind: TypeAlias = Literal["event", "heal", "fetch", "poll", "verify", "replay"]
Ref: TypeAlias = tuple[str, str]
"""An object of one integration: its resource and its id."""


class Origin(msgspec.Struct, frozen=True):
    """Which event, refetch or fetch a statement comes from."""

    kind: OriginKind
    ref: str | None = None
    first: bool = False
    """The first pass over a resource: what it finds is news to nobody."""
    lost: bool = False
    """An event that never arrived and was taken from ION's own record of its deliveries."""


class Observation(msgspec.Struct, frozen=True):
    """A statement about one object: all of it, a part of it, or that it is not there.

    `fields` carries GraphQL names. `source_time` is ION's clock, for a full one the `_updated` it carries;
    `read_started_at` and `observed_at` are the hub's. An event has no `read_started_at`.
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
        """The object it is about."""
        return self.resource, self.id


class Mark(msgspec.Struct, frozen=True):
    """The news that an object is not as the mirror has it, or may not be, from `at` on."""

    resource: str
    id: str
    reason: str
    at: str

    @property
    def ref(self) -> Ref:
        """The object it is about."""
        return self.resource, self.id


class Change(msgspec.Struct, frozen=True):
    """A content that was put into the mirror."""

    resource: str
    id: str
    change: Literal["create", "update", "delete", "restore"]
    version: int


class Applied(msgspec.Struct, frozen=True):
    """What came of a batch of observations."""

    changes: list[Change]
    outcomes: list[str]
    """One for each observation: changed, same, older, or marked."""
    marked: int
    """How many objects were marked stale."""
    refitted: frozenset[str] = frozenset()
    """Resources of which values that do not fit their column came or went."""
