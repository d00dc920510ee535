"""One object while a batch goes through the door: what the mirror holds, and what will be written."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ultraviolet.mirror.observation import Observation, Origin, Ref

STAMPS = frozenset({"_updated", "_etag", "Updated", "Etag", "LastSessionId", "updatedById"})
"""Fields that differ after every change and say nothing of what changed."""

DELETION = "deletion"
"""The reason of a mark that says the object is deleted: then a read that does not find it is proof."""

VERIFICATION = "verification"
"""The reason of a mark that says a verification found the object to differ from ION."""


@dataclass(slots=True)
class ObjectState:
    """The mirror's row of an object, its stale mark, and what became of both in this batch."""

    resource: str
    id: str
    doc: dict[str, Any] = field(default_factory=dict[str, Any])
    version: int = 0
    invalid: str | None = None
    """Its values that do not fit their column, as JSON, when the batch began; after writing, those of the new content."""
    completeness: Literal["full", "partial"] = "partial"
    deleted_at: str | None = None
    source_time: str | None = None
    observed_at: str = ""
    read_at: str | None = None

    since: str | None = None
    marked_at: str | None = None
    reason: str = ""
    marks: int = 0

    deletion_told: str | None = None
    """ION's time of the last deletion that an event told of; looked up for what a read did not show."""

    before: dict[str, Any] | None = None
    change: Literal["create", "update", "delete", "restore"] | None = None
    seen: Observation | None = None
    """What caused the change; its origin is the version's."""
    told: Observation | None = None
    """The event that was about it and changed nothing."""
    announced: str | None = None
    """Why the object was stale already when the batch began: then the change is no surprise."""
    trouble: str | None = None
    """What kept it from being read before."""
    was_full: bool = False
    """Whether it had been read whole when the batch began."""
    news: str | None = None
    """ION's time of the change, or when the hub first heard of it; None where neither is known, or nobody waited for it."""
    late: float | None = None
    """Seconds from then until the mirror shows it."""
    touched: bool = False
    marked: bool = False
    settled: bool = False
    _changed: list[str] | None = None

    @property
    def ref(self) -> Ref:
        """The object it is about."""
        return self.resource, self.id

    @property
    def known(self) -> bool:
        """Whether the mirror holds or held it."""
        return self.version > 0 or self.change is not None

    @property
    def origin(self) -> Origin | None:
        """Where the change comes from."""
        return self.seen.origin if self.seen else None

    def marked_after(self, began: str) -> bool:
        """Whether there was news of it after a read began, so that the read proves nothing about that news."""
        return self.marked_at is not None and self.marked_at >= began

    def mark(self, reason: str, at: str) -> bool:
        """Note news of it; False when a whole read that began later has settled it already."""
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
        """Drop the mark if a read that began then is proof."""
        if self.marked_at is not None and not self.marked_after(began):
            self.marked_at, self.marked, self.settled = None, False, True

    def take(self, doc: dict[str, Any], seen: Observation, *, source_time: str | None) -> str:
        """Make `doc` the content; the same content again makes no version."""
        self.touched, self._changed = True, None
        self.observed_at = max(self.observed_at, seen.observed_at)
        self.source_time = source_time
        if self.known and not self.deleted_at and doc == self.doc:
            return "same"
        if self.before is None and self.known:
            self.before = self.doc
        if self.change is None:
            self.change = "restore" if self.deleted_at else "update" if self.version else "create"
        elif self.change == "delete":
            self.change = "update" if self.version else "create"
        self.doc, self.seen, self.deleted_at = doc, seen, None
        return "changed"

    def delete(self, seen: Observation) -> str:
        """Take it out of the mirror; its last content stays in the history."""
        self.touched, self._changed = True, None
        self.before = self.doc if self.before is None else self.before
        self.change, self.seen = "delete", seen
        self.deleted_at = self.observed_at = seen.observed_at
        return "changed"

    def forget_no_change(self) -> None:
        """Make no version where a batch ended with the content it began with."""
        if self.change == "update" and self.doc == self.before:
            self.change = self.seen = None

    def changed_fields(self) -> list[str]:
        """Name the fields that differ from the version before."""
        if self._changed is None:
            whole = self.change in ("create", "delete")
            self._changed = sorted(self.doc) if whole else _differing(self.before or {}, self.doc)
        return self._changed


_ABSENT = object()


def _differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    new = [k for k, value in after.items() if before.get(k, _ABSENT) != value]
    return sorted(new if before.keys() <= after.keys() else [*new, *(before.keys() - after.keys())])
