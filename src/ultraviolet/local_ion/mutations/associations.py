"""Mutations that associate two objects: labels, requirements, roles, headers and others."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ultraviolet.local_ion.mutations.handler import Handler
from ultraviolet.local_ion.rules.validation import check_etag, require_row
from ultraviolet.local_ion.store.transaction import Row, Transaction


class Association(msgspec.Struct, frozen=True):
    """A join table with the mutations that add and remove its rows."""

    add: str
    remove: str
    table: str
    columns: Mapping[str, str]
    """Members of the input and their columns."""
    owner: str = ""
    """The table of the object whose etag is checked and that is touched."""
    owner_id: str = ""
    owner_field: str = ""
    """The payload field that shows the owner; without it, the payload repeats the input."""
    optional: tuple[tuple[str, str, str], ...] = ()
    """Optional members of the input, their columns and the tables they refer to."""


_ENTITY_COLUMNS = {"entityId": "entity_id"}
ASSOCIATIONS = (
    Association(
        "addLabelToItem",
        "removeLabelFromItem",
        "entity_labels",
        {**_ENTITY_COLUMNS, "labelId": "label_id"},
    ),
    Association(
        "addRequirementToItem",
        "removeRequirementFromItem",
        "entity_requirements",
        {**_ENTITY_COLUMNS, "requirementId": "requirement_id"},
    ),
    Association(
        "addLabelToProcedureFamily",
        "removeLabelFromProcedureFamily",
        "procedure_family_labels",
        {"familyId": "family_id", "labelId": "label_id"},
    ),
    Association(
        "addUserToTeam",
        "removeUserFromTeam",
        "team_users",
        {"teamId": "team_id", "userId": "user_id"},
    ),
    Association(
        "attachRoleToUser",
        "detachRoleFromUser",
        "user_roles",
        {"userId": "user_id", "roleId": "role_id"},
    ),
    Association(
        "attachRoleToTeam",
        "detachRoleFromTeam",
        "team_roles",
        {"teamId": "team_id", "roleId": "role_id"},
    ),
    Association(
        "attachPermissionGroupToRole",
        "detachPermissionGroupFromRole",
        "permission_group_roles",
        {"roleId": "role_id", "permissionGroupId": "permission_group_id"},
        "roles",
        "roleId",
        "role",
    ),
    Association(
        "addHeaderToWebhookReceiver",
        "removeHeaderFromWebhookReceiver",
        "webhook_receiver_headers",
        {"webhookReceiverId": "webhook_receiver_id", "webhookHeaderId": "webhook_header_id"},
        "webhook_receivers",
        "webhookReceiverId",
        "webhookReceiver",
    ),
    Association(
        "addInventoryToPurchaseOrderLine",
        "removeInventoryFromPurchaseOrderLine",
        "purchase_order_line_inventories",
        {"purchaseOrderLineId": "purchase_order_line_id", "partInventoryId": "part_inventory_id"},
        "purchase_order_lines",
        "purchaseOrderLineId",
        "purchaseOrderLine",
    ),
    Association(
        "addSubtypeToPart",
        "removeSubtypeFromPart",
        "part_part_subtypes",
        {"partId": "part_id", "partSubtypeId": "part_subtype_id"},
        "parts",
        "partId",
        "part",
    ),
    Association(
        "addPlanItemToPlan",
        "removePlanItemFromPlan",
        "plan_plan_items",
        {"planId": "plan_id", "planItemId": "plan_item_id"},
        "plans",
        "planId",
        "plan",
        (("planInputId", "plan_input_id", "plan_inputs"),),
    ),
    Association(
        "addResultToPlanItem",
        "removeResultFromPlanItem",
        "plan_item_results",
        {"planItemId": "plan_item_id", "entityId": "entity_id"},
        "plan_items",
        "planItemId",
        "planItem",
    ),
    Association(
        "addPartInventoryToRunStep",
        "removePartInventoryFromRunStep",
        "run_step_part_inventories",
        {"runStepId": "run_step_id", "partInventoryId": "part_inventory_id"},
        "run_steps",
        "runStepId",
        "runStep",
    ),
)


def touch_entity(tx: Transaction, entity_id: int) -> None:
    """Touch the object that owns an entity."""
    table = tx.scalar("SELECT type FROM entities WHERE id = ?", entity_id)
    if table in tx.schema.entity_tables:
        for row in tx.find(table, entity_id=entity_id):
            tx.touch(table, row["id"])


def _create_handlers(association: Association) -> dict[str, Handler]:
    def add(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        _check(tx, association, values)
        before = tx.connection.total_changes
        tx.insert(
            association.table,
            {**_row(association, values), **_optional_values(tx, association, values)},
            ignore=True,
        )
        return _finish(tx, association, values, changed=tx.connection.total_changes > before)

    def remove(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        _check(tx, association, values)
        return _finish(
            tx,
            association,
            values,
            changed=tx.delete_where(association.table, **_row(association, values)) > 0,
        )

    return {association.add: add, association.remove: remove}


def _row(association: Association, values: Mapping[str, Any]) -> Row:
    return {column: int(values[member]) for member, column in association.columns.items()}


def _optional_values(tx: Transaction, association: Association, values: Mapping[str, Any]) -> Row:
    given = [
        (column, table, values[member])
        for member, column, table in association.optional
        if values.get(member)
    ]
    return {column: require_row(tx, table, int(value))["id"] for column, table, value in given}


def _check(tx: Transaction, association: Association, values: Mapping[str, Any]) -> None:
    for member, table in _MEMBER_TABLES.items():
        if member in association.columns:
            require_row(tx, table, int(values[member]))
    if association.owner and "etag" in values:
        check_etag(
            tx,
            association.owner,
            require_row(tx, association.owner, int(values[association.owner_id])),
            values["etag"],
        )


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


def _finish(
    tx: Transaction, association: Association, values: Mapping[str, Any], *, changed: bool
) -> dict[str, Any]:
    if changed:
        _touch(tx, association, values)
    if association.owner_field:
        return {association.owner_field: int(values[association.owner_id])}
    return {member: int(values[member]) for member in association.columns}


def _touch(tx: Transaction, association: Association, values: Mapping[str, Any]) -> None:
    if association.owner:
        tx.touch(association.owner, int(values[association.owner_id]))
    elif "familyId" in association.columns:
        for row in tx.find("procedures", family_id=int(values["familyId"])):
            tx.touch("procedures", row["id"])
    elif "entityId" in association.columns:
        touch_entity(tx, int(values["entityId"]))
    else:
        first = next(iter(association.columns))
        tx.touch(_MEMBER_TABLES[first], int(values[first]))


MUTATIONS = {
    name: handler
    for association in ASSOCIATIONS
    for name, handler in _create_handlers(association).items()
}
"""Handlers by mutation name."""
