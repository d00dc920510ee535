"""Mutations that associate two objects: labels, requirements, roles, headers and others."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from ultraviolet.ion.naming import snake
from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.validation import check_etag, require_row
from ultraviolet.local_ion.store.transaction import Transaction


class Association(msgspec.Struct, frozen=True):
    """A join table with the mutations that add and remove its rows."""

    add: str
    remove: str
    table: str
    members: tuple[str, str]
    """Members of the input; adding or removing a row touches the object of the first one."""
    owner_field: str = ""
    """The payload field that shows this object; without it, the payload repeats the input."""
    optional: tuple[tuple[str, str], ...] = ()
    """Optional members of the input, and the tables they refer to."""


ASSOCIATIONS = (
    Association("addLabelToItem", "removeLabelFromItem", "entity_labels", ("entityId", "labelId")),
    Association(
        "addRequirementToItem",
        "removeRequirementFromItem",
        "entity_requirements",
        ("entityId", "requirementId"),
    ),
    Association(
        "addLabelToProcedureFamily",
        "removeLabelFromProcedureFamily",
        "procedure_family_labels",
        ("familyId", "labelId"),
    ),
    Association("addUserToTeam", "removeUserFromTeam", "team_users", ("teamId", "userId")),
    Association("attachRoleToUser", "detachRoleFromUser", "user_roles", ("userId", "roleId")),
    Association("attachRoleToTeam", "detachRoleFromTeam", "team_roles", ("teamId", "roleId")),
    Association(
        "attachPermissionGroupToRole",
        "detachPermissionGroupFromRole",
        "permission_group_roles",
        ("roleId", "permissionGroupId"),
        "role",
    ),
    Association(
        "addHeaderToWebhookReceiver",
        "removeHeaderFromWebhookReceiver",
        "webhook_receiver_headers",
        ("webhookReceiverId", "webhookHeaderId"),
        "webhookReceiver",
    ),
    Association(
        "addInventoryToPurchaseOrderLine",
        "removeInventoryFromPurchaseOrderLine",
        "purchase_order_line_inventories",
        ("purchaseOrderLineId", "partInventoryId"),
        "purchaseOrderLine",
    ),
    Association(
        "addSubtypeToPart",
        "removeSubtypeFromPart",
        "part_part_subtypes",
        ("partId", "partSubtypeId"),
        "part",
    ),
    Association(
        "addPlanItemToPlan",
        "removePlanItemFromPlan",
        "plan_plan_items",
        ("planId", "planItemId"),
        "plan",
        (("planInputId", "plan_inputs"),),
    ),
    Association(
        "addResultToPlanItem",
        "removeResultFromPlanItem",
        "plan_item_results",
        ("planItemId", "entityId"),
        "planItem",
    ),
    Association(
        "addPartInventoryToRunStep",
        "removePartInventoryFromRunStep",
        "run_step_part_inventories",
        ("runStepId", "partInventoryId"),
        "runStep",
    ),
)


def touch_entity(tx: Transaction, entity_id: int) -> None:
    """Touch the object that owns an entity."""
    table = tx.scalar("SELECT type FROM entities WHERE id = ?", entity_id)
    if table in tx.schema.entity_tables:
        for row in tx.find(table, entity_id=entity_id):
            tx.touch(table, row["id"])


_MEMBER_TABLES = {
    "entityId": "entities",
    "labelId": "labels",
    "requirementId": "requirements",
    "teamId": "teams",
    "userId": "users",
    "roleId": "roles",
    "permissionGroupId": "permission_groups",
    "webhookReceiverId": "webhook_receivers",
    "webhookHeaderId": "webhook_headers",
    "purchaseOrderLineId": "purchase_order_lines",
    "partInventoryId": "parts_inventory",
    "partId": "parts",
    "partSubtypeId": "part_subtypes",
    "planId": "plans",
    "planItemId": "plan_items",
    "runStepId": "run_steps",
}


def _change(
    association: Association, tx: Transaction, args: dict[str, Any], *, add: bool
) -> dict[str, Any]:
    """Add or remove the row of an association; touch its first object if that changed a row."""
    values = args["input"]
    ids = {member: int(values[member]) for member in association.members}
    rows = {
        member: require_row(tx, table, ids[member])
        for member, table in _MEMBER_TABLES.items()
        if member in ids
    }
    first = association.members[0]
    if "etag" in values:
        check_etag(tx, _MEMBER_TABLES[first], rows[first], values["etag"])
    key = {snake(member): id_ for member, id_ in ids.items()}
    before = tx.connection.total_changes
    if add:
        optional = {
            snake(member): require_row(tx, table, int(values[member]))["id"]
            for member, table in association.optional
            if values.get(member)
        }
        tx.insert(association.table, {**key, **optional}, ignore=True)
    else:
        tx.delete_where(association.table, **key)
    if tx.connection.total_changes > before:
        if first == "entityId":
            touch_entity(tx, ids[first])
        elif first == "familyId":
            for row in tx.find("procedures", family_id=ids[first]):
                tx.touch("procedures", row["id"])
        else:
            tx.touch(_MEMBER_TABLES[first], ids[first])
    return {association.owner_field: ids[first]} if association.owner_field else ids


MUTATIONS: Mapping[str, Handler] = {
    name: partial(_change, association, add=add)
    for association in ASSOCIATIONS
    for name, add in ((association.add, True), (association.remove, False))
}
"""Handlers by mutation name."""
