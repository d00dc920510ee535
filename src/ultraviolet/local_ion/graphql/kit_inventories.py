"""What was issued to kits: an inventory as the kit shows it, with the quantity that was issued."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from graphql import GraphQLObjectType

if TYPE_CHECKING:
    from ultraviolet.local_ion.graphql.resolvers import Member, Nodes, Reader, Rows

ISSUED: Mapping[str, str] = {
    "part_kit_items": "SELECT part_kit_item_id AS own, part_inventory_id AS other, quantity FROM part_kit_inventories",
    "parts_kits": (
        "SELECT i.part_kit_id AS own, k.part_inventory_id AS other, k.quantity FROM part_kit_inventories k"
        " JOIN part_kit_items i ON i.id = k.part_kit_item_id"
    ),
}
"""By resource: its ids, the inventories issued to it, and how much of each."""


def member(reader: "Reader", resource: str, kind: GraphQLObjectType, nodes: "Nodes", place: int) -> "Member":
    """Give what a kit's or kit item's `partInventories` makes of its rows, whose id is at a place."""
    told = [k for k, group in reader.fields(kind, nodes).items() if group[0].name.value == "issuedQuantity"]
    inventory = reader.catalog.resources["parts_inventory"]

    def made(rows: "Rows") -> list[Any]:
        found = reader.connection.execute(
            f"SELECT own, other, quantity FROM ({ISSUED[resource]}) WHERE own IN (SELECT value FROM json_each(?))",
            (json.dumps([row[place] for row in rows]),),
        ).fetchall()
        objects = reader.by_keys(inventory, nodes, [other for _, other, _ in found], kind=kind)
        groups: dict[Any, list[Any]] = defaultdict(list)
        for own, other, quantity in found:
            groups[own].append({**objects[other], **dict.fromkeys(told, quantity)})
        return [groups.get(row[place], []) for row in rows]

    return made
