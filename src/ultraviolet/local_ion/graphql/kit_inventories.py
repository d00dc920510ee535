"""Inventory issued to kits and kit items, with its issued quantity."""

import json
from collections.abc import Iterable, Mapping
from sqlite3 import Connection
from typing import Any

_SELECT_ISSUED: Mapping[str, str] = {
    "part_kit_items": (
        "SELECT part_kit_item_id AS own, part_inventory_id AS other, quantity"
        " FROM part_kit_inventories"
    ),
    "parts_kits": (
        "SELECT i.part_kit_id AS own, k.part_inventory_id AS other, k.quantity"
        " FROM part_kit_inventories k JOIN part_kit_items i ON i.id = k.part_kit_item_id"
    ),
}


def has_issued_inventories(resource: str, field: str) -> bool:
    """Return whether a field shows the inventory issued to a kit or kit item."""
    return field == "partInventories" and resource in _SELECT_ISSUED


def load_issued(
    connection: Connection, resource: str, ids: Iterable[int]
) -> list[tuple[int, int, float]]:
    """Return owner id, inventory id and issued quantity."""
    sql = (
        f"SELECT own, other, quantity FROM ({_SELECT_ISSUED[resource]})"
        " WHERE own IN (SELECT value FROM json_each(?))"
    )
    parameters: tuple[Any, ...] = (json.dumps(list(ids)),)
    return connection.execute(sql, parameters).fetchall()
