"""Mutations of the organization: settings, custom attributes, schemes and invitations."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ultraviolet.local_ion.mutations.handler import Handler, Handlers
from ultraviolet.local_ion.rules.attributes import add_unset_attributes
from ultraviolet.local_ion.rules.hooks import ensure
from ultraviolet.local_ion.rules.organization import ATTRIBUTE_SECTIONS
from ultraviolet.local_ion.rules.validation import check_etag, require_current, require_row
from ultraviolet.local_ion.store.columns import dump_json
from ultraviolet.local_ion.store.transaction import Transaction

MUTATIONS = Handlers()
"""Handlers by mutation name."""

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

Settings = dict[str, Any]


@contextmanager
def _change_settings(
    tx: Transaction, values: Mapping[str, Any], columns: Sequence[str] = ()
) -> Generator[Settings]:
    """Yield the settings of the organization and store them after the block."""
    organization = require_current(tx, "organizations", values)
    settings = json.loads(organization["settings"] or "{}")
    yield settings
    row = {name: values[name] for name in columns if name in values}
    tx.update("organizations", organization["id"], {**row, "settings": dump_json(settings)})


@MUTATIONS.handles("updateOrganization")
def _update_organization(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    given: Settings = args["input"].get("settings") or {}
    with _change_settings(tx, args["input"], ("name", "avatar")) as settings:
        for name, value in given.items():
            if isinstance(value, dict):
                settings.setdefault(name, {}).update(value)
            else:
                settings[name] = value
    return {"organization": int(args["input"]["id"])}


def _entry_handler(section: str, kind: str, key: str, *actions: str) -> Handler:
    """Return a handler that may "create" and "update" an entry of the settings, or "delete" it."""

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        given = {k: v for k, v in values.items() if k not in {"id", "etag"}}
        with _change_settings(tx, values) as settings:
            entries = settings.setdefault(section, {}).setdefault(kind, [])
            entry = next((e for e in entries if e[key] == values[key]), None)
            if actions == ("delete",):
                entries[:] = [e for e in entries if e[key] != values[key]]
            elif entry is None:
                ensure("create" in actions, f"{values[key]} does not exist.")
                entries.append(given)
            else:
                ensure("update" in actions, f"The {key} {values[key]} is not unique.")
                entry.update(given)
        return {"organization": int(values["id"])}

    return handle


def _definition_handler(resource: str) -> Handler:
    """Return a handler that defines an attribute, which existing objects then have unset."""
    change = _entry_handler(ATTRIBUTE_SECTIONS[resource], "attributes", "key", "create", "update")

    def handle(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        payload = change(tx, args)
        if tx.quirks.has("attributes_on_existing_objects"):
            add_unset_attributes(tx, tx.catalog.resources[resource], args["input"]["key"])
        return payload

    return handle


def _require_pending_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = require_row(tx, "invites", int(args["id"]))
    check_etag(tx, "invites", invite, args["etag"])
    message = f"This invitation is {invite['status']} already."
    ensure(invite["status"] == "pending", message)
    return invite


@MUTATIONS.handles("resendInvite")
def _resend_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = _require_pending_invite(tx, args)
    tx.update("invites", invite["id"], {"resend_count": (invite["resend_count"] or 0) + 1})
    return {"invite": invite["id"]}


@MUTATIONS.handles("revokeInvite")
def _revoke_invite(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    invite = _require_pending_invite(tx, args)
    tx.update("invites", invite["id"], {"status": "revoked"})
    return {"invite": invite["id"]}


_SCHEMES = {
    "PartRevisionScheme": "revisionSchemes",
    "GlobalUniqueSerialNumberScheme": "globalUniqueSerialNumbers",
}
for _scheme, _kind in _SCHEMES.items():
    for _verb in ("create", "update", "delete"):
        MUTATIONS[f"{_verb}Organization{_scheme}"] = _entry_handler("parts", _kind, "name", _verb)
for _type, _resource in _ATTRIBUTE_RESOURCES.items():
    MUTATIONS[f"updateOrganization{_type}Attributes"] = _definition_handler(_resource)
    MUTATIONS[f"deleteOrganization{_type}Attributes"] = _entry_handler(
        ATTRIBUTE_SECTIONS[_resource], "attributes", "key", "delete"
    )
