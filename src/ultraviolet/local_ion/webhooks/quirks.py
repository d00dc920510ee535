"""The four limitations of the documented integration, reproduced in deliveries and each switchable."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, get_args

import msgspec

from ultraviolet.errors import InvalidError

Quirk = Literal[
    "no_event_for_new_po_lines",
    "empty_to_populated_without_old",
    "links_as_foreign_keys",
    "creates_are_partial",
]
QUIRKS: tuple[Quirk, ...] = get_args(Quirk)
SILENT_CREATES = frozenset({"purchase_order_lines"})

Changes = dict[str, dict[str, Any]]


class Quirks(msgspec.Struct, frozen=True):
    """Which of the limitations this local ION shows; all of them unless told otherwise."""

    on: frozenset[str] = frozenset(QUIRKS)

    @classmethod
    def without(cls, names: Iterable[str]) -> Self:
        """Switch some off; raises InvalidError for a name that is not a quirk."""
        off = frozenset(names)
        unknown = off - frozenset(QUIRKS)
        if unknown:
            msg = f"{', '.join(sorted(unknown))}: no such quirk; there are {', '.join(QUIRKS)}"
            raise InvalidError(msg)
        return cls(frozenset(QUIRKS) - off)

    def silences(self, resource: str, action: str) -> bool:
        """Tell whether this change is never delivered at all (`no_event_for_new_po_lines`)."""
        return "no_event_for_new_po_lines" in self.on and action == "CREATE" and resource in SILENT_CREATES

    @property
    def links_as_keys(self) -> bool:
        """Links arrive as their key only, never as the object (`links_as_foreign_keys`)."""
        return "links_as_foreign_keys" in self.on

    @property
    def partial_creates(self) -> bool:
        """A CREATE tells only the columns its insert set (`creates_are_partial`)."""
        return "creates_are_partial" in self.on

    def shape(self, action: str, changes: Mapping[str, Mapping[str, Any]]) -> Changes:
        """Give the changes as a delivery tells them, columns to `{old, new}`."""
        if action != "UPDATE" or "empty_to_populated_without_old" not in self.on:
            return {column: dict(change) for column, change in changes.items()}
        return {column: _without_empty_old(change) for column, change in changes.items()}


def _without_empty_old(change: Mapping[str, Any]) -> dict[str, Any]:
    if change.get("old") is None and change.get("new") is not None:
        return {"new": change["new"]}
    return dict(change)
