"""Mutations of the organization: settings, custom attributes, schemes and invitations."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.organization import ATTRIBUTE_SECTIONS
from ultraviolet.local_ion.rules.validation import check_etag, require_current, require_row
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Transaction

_ATTRIBUTE_RESOURCES = {
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
_REVISION_SCHEMES = ("parts", "revisionSchemes", "name")
_SERIAL_NUMBER_SCHEMES = ("parts", "globalUniqueSerialNumbers", "name")

Settings = dict[str, Any]


def _change_settings(
    tx: Transaction, values: Mapping[str, Any], change: Callable[[Settings], None]
) -> dict[str, Any]:
    organization = require_current(tx, "organizations", values)
    settings = json.loads(organization["settings"] or "{}")
    change(settings)
    columns = {name: values[name] for name in ("name", "avatar") if name in values}
    tx.update("organizations", organization["id"], {**columns, "settings": dump_json(settings)})
    return {"organization": organization["id"]}


def _update_organization(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    given: Settings = args["input"].get("settings") or {}

    def change(settings: Settings) -> None:
        for name, value in given.items():
            if isinstance(value, dict):
                settings.setdefault(name, {}).update(value)
            else:
                settings[name] = value

    return _change_settings(tx, args["input"], change)


def _entries(settings: Settings, section: str, kind: str) -> list[dict[str, Any]]:
    return settings.setdefault(section, {}).setdefault(kind, [])


def _put_handler(section: str, kind: str, key: str, *, new: bool | None = None) -> Handler:
    """Return a handler that adds or changes an entry; `new` allows only one of the two."""

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        given = {k: v for k, v in values.items() if k not in {"id", "etag"}}

        def change(settings: Settings) -> None:
            entries = _entries(settings, section, kind)
            entry = next((e for e in entries if e[key] == values[key]), None)
            ensure(new is not True or entry is None, f"The {key} {values[key]} is not unique.")
            ensure(new is not False or entry is not None, f"{values[key]} does not exist.")
            if entry is None:
                entries.append(given)
            else:
                entry.update(given)

        return _change_settings(tx, {"id": values["id"], "etag": values.get("etag")}, change)

    return handle


def _remove_handler(section: str, kind: str, key: str) -> Handler:
    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]

        def change(settings: Settings) -> None:
            entries = _entries(settings, section, kind)
            entries[:] = [e for e in entries if e[key] != values[key]]

        return _change_settings(tx, {"id": values["id"], "etag": values.get("etag")}, change)

    return handle


def _require_pending_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = require_row(tx, "invites", int(args["id"]))
    check_etag(tx, "invites", invite, args["etag"])
    message = f"This invitation is {invite['status']} already."
    ensure(invite["status"] == "pending", message)
    return invite


def _resend_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = _require_pending_invite(tx, args)
    tx.update("invites", invite["id"], {"resend_count": (invite["resend_count"] or 0) + 1})
    return {"invite": invite["id"]}


def _revoke_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = _require_pending_invite(tx, args)
    tx.update("invites", invite["id"], {"status": "revoked"})
    return {"invite": invite["id"]}


MUTATIONS: Mapping[str, Handler] = {
    "updateOrganization": _update_organization,
    "createOrganizationPartRevisionScheme": _put_handler(*_REVISION_SCHEMES, new=True),
    "updateOrganizationPartRevisionScheme": _put_handler(*_REVISION_SCHEMES, new=False),
    "deleteOrganizationPartRevisionScheme": _remove_handler(*_REVISION_SCHEMES),
    "createOrganizationGlobalUniqueSerialNumberScheme": _put_handler(
        *_SERIAL_NUMBER_SCHEMES, new=True
    ),
    "updateOrganizationGlobalUniqueSerialNumberScheme": _put_handler(
        *_SERIAL_NUMBER_SCHEMES, new=False
    ),
    "deleteOrganizationGlobalUniqueSerialNumberScheme": _remove_handler(*_SERIAL_NUMBER_SCHEMES),
    **{
        f"updateOrganization{name}Attributes": _put_handler(
            ATTRIBUTE_SECTIONS[resource], "attributes", "key"
        )
        for name, resource in _ATTRIBUTE_RESOURCES.items()
    },
    **{
        f"deleteOrganization{name}Attributes": _remove_handler(
            ATTRIBUTE_SECTIONS[resource], "attributes", "key"
        )
        for name, resource in _ATTRIBUTE_RESOURCES.items()
    },
    "resendInvite": _resend_invite,
    "revokeInvite": _revoke_invite,
}
"""Handlers by mutation name."""
