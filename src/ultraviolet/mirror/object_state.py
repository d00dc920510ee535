"""The state of one object while a batch of observations is applied."""

from typing import Any, Literal

import msgspec

from ultraviolet.mirror.observation import Observation, Origin, Ref
from ultraviolet.mirror.stale_reasons import DELETION, VERIFICATION

STAMPS = frozenset({"_updated", "_etag", "Updated", "Etag", "LastSessionId", "updatedById"})
"""Fields that differ after every change and do not describe it."""
SET_BY_ION = STAMPS | {"_created", "Created", "createdById", "entityId", "id"}
"""Fields that ION sets by itself; lists of changes show them last or not at all."""


class ObjectState(msgspec.Struct):
    """An object's row and stale mark, and the changes to them in this batch."""

    resource: str
    id: str
    doc: dict[str, Any] = {}
    version: int = 0
    invalid_values: str | None = None
    """The values that do not fit their column, as JSON."""
    completeness: Literal["full", "partial"] = "partial"
    deleted_at: str | None = None
    source_time: str | None = None
    observed_at: str = ""
    read_at: str | None = None

    since: str | None = None
    marked_at: str | None = None
    reason: str = ""
    marks: int = 0

    deletion_event_time: str | None = None
    """ION's time of the last deletion event. Loaded only for objects that a read did not find."""

    before: dict[str, Any] | None = None
    """The document before this batch, once it has changed."""
    intermediate: tuple[dict[str, Any], ...] = ()
    """The documents between `before` and `doc` in this batch."""
    change: Literal["create", "update", "delete", "restore"] | None = None
    observation: Observation | None = None
    """The cause of the change. Its origin becomes the origin of the version."""
    unchanged_event: Observation | None = None
    """An event about the object that did not change it."""
    stale_reason: str | None = None
    """The reason of the stale mark before this batch."""
    read_error: str | None = None
    """The error of the last attempt to read the object."""
    was_full: bool = False
    """Whether the object had been read in full before this batch."""
    change_time: str | None = None
    """ION's time of the change, else the time of the first sign of it."""
    latency_seconds: float | None = None
    """Seconds from `change_time` until the mirror shows the change."""
    touched: bool = False
    marked: bool = False
    settled: bool = False
    _was_deleted: bool = False
    """Whether the object was deleted before this batch."""
    _changed_fields: list[str] | None = None

    @property
    def ref(self) -> Ref:
        """The resource and id."""
        return self.resource, self.id

    @property
    def known(self) -> bool:
        """Whether the mirror contains or contained the object."""
        return self.version > 0 or self.change is not None

    @property
    def origin(self) -> Origin | None:
        """The origin of the change."""
        return self.observation.origin if self.observation else None

    def marked_after(self, began: str) -> bool:
        """Return whether the object was marked after a read began, which so proves nothing."""
        return self.marked_at is not None and self.marked_at >= began

    def mark(self, reason: str, at: str) -> bool:
        """Mark the object as stale; return False if a later full read has confirmed it."""
        if self.read_at and self.read_at > at and (self.completeness == "full" or self.deleted_at):
            return False
        if self.marked_at is None:
            self.since, self.reason, self.marks = at, reason, 0
        elif reason == DELETION or (reason == VERIFICATION and self.reason != DELETION):
            self.reason = reason
        self.marked_at = max(self.marked_at or "", at)
        self.marks += 1
        self.marked, self.settled = True, False
        return True

    def settle(self, began: str) -> None:
        """Remove the mark if it is older than the start of a read."""
        if self.marked_at is not None and not self.marked_after(began):
            self.marked_at, self.marked, self.settled = None, False, True

    def set_content(
        self, doc: dict[str, Any], observation: Observation, source_time: str | None
    ) -> Literal["changed", "same"]:
        """Set the document; an equal document creates no version."""
        self.touched, self._changed_fields = True, None
        self.observed_at = max(self.observed_at, observation.observed_at)
        self.source_time = source_time
        if doc == self.doc and self.known and not self.deleted_at:
            return "same"
        if self.change is None:
            self.before = self.doc if self.version else None
            self._was_deleted = self.deleted_at is not None
        else:
            self.intermediate += (self.doc,)
        if self.change in (None, "delete"):
            known = "update" if self.version else "create"
            self.change = "restore" if self._was_deleted else known
        self.doc, self.observation, self.deleted_at = doc, observation, None
        return "changed"

    def delete(self, observation: Observation) -> Literal["changed"]:
        """Delete the object. The history keeps its last content."""
        self.touched, self._changed_fields = True, None
        if self.before is None and self.version:
            self.before = self.doc
        self.change, self.observation = "delete", observation
        self.deleted_at = self.observed_at = observation.observed_at
        return "changed"

    def changed_fields(self) -> list[str]:
        """Return the names of the fields that differ from the previous version."""
        if self._changed_fields is None:
            if self.change in ("create", "delete"):
                self._changed_fields = sorted(self.doc)
            else:
                before, after = self.before or {}, self.doc
                changed = [k for k, v in after.items() if before.get(k, _ABSENT) != v]
                self._changed_fields = sorted([*changed, *(before.keys() - after.keys())])
        return self._changed_fields


_ABSENT = object()
