"""Names the computed fields of an object that need rows which no mirror contains."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.graphql.computed_fields import EXPRESSIONS

_AMOUNTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("part_kit_inventories", "parts_inventory"): ("quantityIssued", "quantityKitted"),
    ("part_kit_inventories", "part_kit_items"): ("quantityFulfilled",),
    ("part_kit_inventories", "parts_kits"): ("percentFulfilled", "percentKitted"),
}
"""By table and resource: fields that are above 0 if an object has rows in the table."""


class MissingRows:
    """The computed fields of a resource that need tables which no mirror contains."""

    def __init__(self, resource: Resource, not_mirrored: Iterable[str]) -> None:
        """`not_mirrored` are the names of those tables."""
        rules = EXPRESSIONS.get(resource.name, {})
        self._fields: dict[str, list[str]] = {}
        for table in not_mirrored:
            reads = re.compile(rf"\b{table}\b")
            fields = [name for name, expression in rules.items() if reads.search(expression)]
            if fields:
                self._fields[table] = fields
        self._amounts = {table: _AMOUNTS.get((table, resource.name), ()) for table in self._fields}

    def affected_fields(self, reported: Mapping[str, Any]) -> frozenset[str]:
        """Return the fields that ION reported for an object and that missing rows may change.

        Without a reported amount of those rows, every field that needs their table counts.
        """
        affected: set[str] = set()
        for table, fields in self._fields.items():
            amounts = [reported[name] for name in self._amounts[table] if name in reported]
            if not amounts or any(amounts):
                affected.update(name for name in fields if name in reported)
        return frozenset(affected)
