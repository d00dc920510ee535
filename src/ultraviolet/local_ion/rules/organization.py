"""The organization's settings: custom attributes, revision and serial number schemes."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.rules.attributes import SETTINGS
from ultraviolet.local_ion.rules.hooks import refuse_unless
from ultraviolet.local_ion.rules.validation import checked
from ultraviolet.local_ion.store.store import Transaction, dump

Handler = Callable[[Transaction, dict[str, Any]], dict[str, Any]]
_ATTRIBUTES = {
    "Part": "parts",
    "PartInventory": "parts_inventory",
    "Location": "locations",
    "Mbom": "mboms",
    "Procedure": "procedures",
    "PurchaseOrder": "purchase_orders",
    "Supplier": "suppliers",
    "Issue": "issues",
    "PurchaseOrderLine": "purchase_order_lines",
    "PartKit": "parts_kits",
    "PartKitItem": "part_kit_items",
    "Receipt": "receipts",
    "Run": "runs",
    "RunStep": "run_steps",
    "Step": "steps",
}


def setting(tx: Transaction, section: str, name: str) -> Any:
    """Give one of the organization's settings, or None."""
    return tx.scalar("SELECT json_extract(settings, ?) FROM organizations", f"$.{section}.{name}")


def _change(
    tx: Transaction, values: Mapping[str, Any], change: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    organization = checked(tx, "organizations", dict(values))
    settings = json.loads(organization["settings"] or "{}")
    change(settings)
    tx.update("organizations", organization["id"], {"settings": dump(settings)})
    return {"organization": organization["id"]}


def _named(settings: dict[str, Any], section: str, kind: str) -> list[dict[str, Any]]:
    return settings.setdefault(section, {}).setdefault(kind, [])


def _put(section: str, kind: str, by: str, *, new: bool | None = None) -> Handler:
    """Add an entry, or change it if it is there; `new` tells which of the two alone is right."""

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        given = {k: v for k, v in values.items() if k not in {"id", "etag"}}

        def change(settings: dict[str, Any]) -> None:
            entries = _named(settings, section, kind)
            found = next((e for e in entries if e[by] == values[by]), None)
            refuse_unless(new is not True or found is None, f"The {by} {values[by]} is not unique.")
            refuse_unless(new is not False or found is not None, f"{values[by]} does not exist.")
            if found is None:
                entries.append(given)
            else:
                found.update(given)

        return _change(tx, values, change)

    return handle


def _take(section: str, kind: str, by: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]

        def change(settings: dict[str, Any]) -> None:
            entries = _named(settings, section, kind)
            entries[:] = [e for e in entries if e[by] != values[by]]

        return _change(tx, values, change)

    return handle


def _update(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    values = args["input"]
    organization = checked(tx, "organizations", values)
    settings = json.loads(organization["settings"] or "{}")
    told: dict[str, Any] = values.get("settings") or {}
    for name, value in told.items():
        if isinstance(value, dict):
            settings.setdefault(name, {}).update(value)
        else:
            settings[name] = value
    columns = {k: values[k] for k in ("name", "avatar") if k in values}
    tx.update("organizations", organization["id"], {**columns, "settings": dump(settings)})
    return {"organization": organization["id"]}


_REVISIONS = ("parts", "revisionSchemes", "name")
_SERIALS = ("parts", "globalUniqueSerialNumbers", "name")

MUTATIONS: Mapping[str, Handler] = {
    "updateOrganization": _update,
    "createOrganizationPartRevisionScheme": _put(*_REVISIONS, new=True),
    "updateOrganizationPartRevisionScheme": _put(*_REVISIONS, new=False),
    "deleteOrganizationPartRevisionScheme": _take(*_REVISIONS),
    "createOrganizationGlobalUniqueSerialNumberScheme": _put(*_SERIALS, new=True),
    "updateOrganizationGlobalUniqueSerialNumberScheme": _put(*_SERIALS, new=False),
    "deleteOrganizationGlobalUniqueSerialNumberScheme": _take(*_SERIALS),
    **{
        f"updateOrganization{n}Attributes": _put(SETTINGS[r], "attributes", "key")
        for n, r in _ATTRIBUTES.items()
    },
    **{
        f"deleteOrganization{n}Attributes": _take(SETTINGS[r], "attributes", "key")
        for n, r in _ATTRIBUTES.items()
    },
}
"""By name."""
