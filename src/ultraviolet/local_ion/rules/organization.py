"""Settings of the organization and the custom attributes that it defines."""

import json
from collections.abc import Mapping
from typing import Any

from ultraviolet.local_ion.store.transaction import Transaction

ATTRIBUTE_SECTIONS: Mapping[str, str] = {
    "issues": "issues",
    "locations": "locations",
    "mboms": "mboms",
    "part_kit_items": "partKitItems",
    "parts_kits": "partsKits",
    "parts": "parts",
    "parts_inventory": "partsInventory",
    "procedures": "procedures",
    "purchase_order_lines": "purchaseOrderLines",
    "purchase_orders": "purchaseOrders",
    "receipts": "receipts",
    "runs": "runs",
    "run_steps": "runSteps",
    "steps": "steps",
    "suppliers": "suppliers",
}
"""The section of the settings that defines the attributes of a resource."""


def load_setting(tx: Transaction, section: str, name: str) -> Any:
    """Return a setting of the organization, or None."""
    path = f"$.{section}.{name}"
    return tx.scalar("SELECT json_extract(settings, ?) FROM organizations", path)


def load_attribute_definitions(tx: Transaction, resource: str) -> dict[str, dict[str, Any]]:
    """Return the attributes that the organization defines for a resource, by key."""
    settings = json.loads(tx.scalar("SELECT settings FROM organizations WHERE id = 1") or "{}")
    section = settings.get(ATTRIBUTE_SECTIONS.get(resource, ""), {})
    return {d["key"]: d for d in section.get("attributes", [])}
