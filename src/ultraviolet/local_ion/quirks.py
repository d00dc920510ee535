"""Reported, seen and assumed behaviour of ION, each switchable."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self, get_args

import msgspec

from ultraviolet.errors import InvalidError

Quirk = Literal[
    "no_event_for_new_po_lines",
    "empty_to_populated_without_old",
    "links_as_foreign_keys",
    "creates_are_partial",
    "every_scalar_is_converted",
    "reads_need_no_permission",
    "attributes_on_existing_objects",
    "rows_without_id",
    "typed_value_columns",
    "soft_deletes",
    "own_event_ids",
    "service_users",
]
QUIRKS: tuple[Quirk, ...] = get_args(Quirk)
SILENT_CREATES = frozenset({"purchase_order_lines"})

Changes = dict[str, dict[str, Any]]


class Quirks(msgspec.Struct, frozen=True):
    """The active quirks; all by default."""

    active: frozenset[str] = frozenset(QUIRKS)

    @classmethod
    def without(cls, names: Iterable[str]) -> Self:
        """Return all quirks except some; raise InvalidError for an unknown name."""
        disabled = frozenset(names)
        unknown = disabled - frozenset(QUIRKS)
        if unknown:
            raise InvalidError(
                f"Unknown quirk {', '.join(sorted(unknown))}. Quirks: {', '.join(QUIRKS)}."
            )
        return cls(frozenset(QUIRKS) - disabled)

    def has(self, quirk: Quirk) -> bool:
        """Return whether a quirk is active."""
        return quirk in self.active

    def suppresses(self, resource: str, action: str) -> bool:
        """Return whether a change is never delivered (`no_event_for_new_po_lines`)."""
        if "no_event_for_new_po_lines" not in self.active:
            return False
        return action == "CREATE" and resource in SILENT_CREATES

    @property
    def links_as_keys(self) -> bool:
        """Whether links arrive only as a key, never as an object (`links_as_foreign_keys`)."""
        return "links_as_foreign_keys" in self.active

    @property
    def partial_creates(self) -> bool:
        """Whether a CREATE has only the columns that its insert set (`creates_are_partial`)."""
        return "creates_are_partial" in self.active

    def apply(self, action: str, changes: Mapping[str, Mapping[str, Any]]) -> Changes:
        """Return the changes as a delivery contains them."""
        omit_empty = action == "UPDATE" and "empty_to_populated_without_old" in self.active
        return {
            column: {"new": change["new"]}
            if omit_empty and change.get("old") is None and change.get("new") is not None
            else dict(change)
            for column, change in changes.items()
        }
