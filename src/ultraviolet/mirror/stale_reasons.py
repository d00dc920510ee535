"""Why an object is stale: the reasons that are stored with its mark and shown on its page."""

EVENT = "event"
"""An event named the object, or a row that belongs to it."""
REPLAY = "replay"
"""A recorded event was processed again."""
DELETION = "deletion"
"""An event reported the deletion, which a read by id must confirm."""
VERIFICATION = "verification"
"""A verification found a difference from ION."""
NOT_READABLE = "not readable"
"""A fetch or read returned the object with a value that the mirror cannot store."""
NOT_LISTED = "not listed"
"""The list of its parent no longer contains it."""
NOT_SHOWN = "not shown"
"""A read by id did not return it, which does not prove a deletion yet."""
SHOWN_AGAIN = "shown again"
"""A read returned a deleted object unchanged, soon after its deletion."""

_DEPENDENCY_SUFFIX = " changed"


def dependency(resource: str) -> str:
    """Return the reason for an object whose values ION computes from a changed resource."""
    return resource + _DEPENDENCY_SUFFIX


def is_dependency(reason: str | None) -> bool:
    """Return whether a reason was created by `dependency`."""
    return reason is not None and reason.endswith(_DEPENDENCY_SUFFIX)
