"""Mutations that tie two things together, or untie them: labels, requirements, roles, headers and the like."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ultraviolet.local_ion.rules.validation import require, same_etag
from ultraviolet.local_ion.store.store import Row, Transaction


class Tie(msgspec.Struct, frozen=True):
    """A pair of mutations over a table between two things."""

    add: str
    remove: str
    table: str
    columns: Mapping[str, str]
    """Members of the input, and the columns they are."""
    owner: str = ""
    """The table whose row the etag is of, and which is touched."""
    owner_id: str = ""
    shown: str = ""
    """The payload's field that shows the owner; without one the payload repeats the input."""
    noted: tuple[tuple[str, str, str], ...] = ()
    """What the tie may say beside: members of the input, their columns, and the tables whose rows they name."""


_ENTITY = {"entityId": "entity_id"}
TIES = (
    Tie("addLabelToItem", "removeLabelFromItem", "entity_labels", {**_ENTITY, "labelId": "label_id"}),
    Tie(
        "addRequirementToItem",
        "removeRequirementFromItem",
        "entity_requirements",
        {**_ENTITY, "requirementId": "requirement_id"},
    ),
    Tie(
        "addLabelToProcedureFamily",
        "removeLabelFromProcedureFamily",
        "procedure_family_labels",
        {"familyId": "family_id", "labelId": "label_id"},
    ),
    Tie("addUserToTeam", "removeUserFromTeam", "team_users", {"teamId": "team_id", "userId": "user_id"}),
    Tie("attachRoleToUser", "detachRoleFromUser", "user_roles", {"userId": "user_id", "roleId": "role_id"}),
    Tie("attachRoleToTeam", "detachRoleFromTeam", "team_roles", {"teamId": "team_id", "roleId": "role_id"}),
    Tie(
        "attachPermissionGroupToRole",
        "detachPermissionGroupFromRole",
        "permission_group_roles",
        {"roleId": "role_id", "permissionGroupId": "permission_group_id"},
        "roles",
        "roleId",
        "role",
    ),
    Tie(
        "addHeaderToWebhookReceiver",
        "removeHeaderFromWebhookReceiver",
        "webhook_receiver_headers",
        {"webhookReceiverId": "webhook_receiver_id", "webhookHeaderId": "webhook_header_id"},
        "webhook_receivers",
        "webhookReceiverId",
        "webhookReceiver",
    ),
    Tie(
        "addInventoryToPurchaseOrderLine",
        "removeInventoryFromPurchaseOrderLine",
        "purchase_order_line_inventories",
        {"purchaseOrderLineId": "purchase_order_line_id", "partInventoryId": "part_inventory_id"},
        "purchase_order_lines",
        "purchaseOrderLineId",
        "purchaseOrderLine",
    ),
    Tie(
        "addSubtypeToPart",
        "removeSubtypeFromPart",
        "part_part_subtypes",
        {"partId": "part_id", "partSubtypeId": "part_subtype_id"},
        "parts",
        "partId",
        "part",
    ),
    Tie(
        "addPlanItemToPlan",
        "removePlanItemFromPlan",
        "plan_plan_items",
        {"planId": "plan_id", "planItemId": "plan_item_id"},
        "plans",
        "planId",
        "plan",
        (("planInputId", "plan_input_id", "plan_inputs"),),
    ),
    Tie(
        "addResultToPlanItem",
        "removeResultFromPlanItem",
        "plan_item_results",
        {"planItemId": "plan_item_id", "entityId": "entity_id"},
        "plan_items",
        "planItemId",
        "planItem",
    ),
    Tie(
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
    """Touch the object an entity is of."""
    table = tx.scalar("SELECT type FROM entities WHERE id = ?", entity_id)
    if table in tx.store.entity_tables:
        for row in tx.find(table, entity_id=entity_id):
            tx.touch(table, row["id"])


def _handlers(tie: Tie) -> dict[str, Callable[[Transaction, dict[str, Any]], dict[str, Any]]]:
    def add(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        _check(tx, tie, values)
        before = tx.connection.total_changes
        tx.insert(tie.table, {**_row(tie, values), **_noted(tx, tie, values)}, ignore=True)
        return _done(tx, tie, values, changed=tx.connection.total_changes > before)

    def remove(tx: Transaction, args: dict[str, Any]) -> dict[str, Any]:
        values = args["input"]
        _check(tx, tie, values)
        return _done(tx, tie, values, changed=tx.delete_where(tie.table, **_row(tie, values)) > 0)

    return {tie.add: add, tie.remove: remove}


def _row(tie: Tie, values: Mapping[str, Any]) -> Row:
    return {column: int(values[member]) for member, column in tie.columns.items()}


def _noted(tx: Transaction, tie: Tie, values: Mapping[str, Any]) -> Row:
    told = [(column, table, values[member]) for member, column, table in tie.noted if values.get(member)]
    return {column: require(tx, table, int(value))["id"] for column, table, value in told}


def _check(tx: Transaction, tie: Tie, values: Mapping[str, Any]) -> None:
    for member, table in _REQUIRED.items():
        if member in tie.columns:
            require(tx, table, int(values[member]))
    if tie.owner and "etag" in values:
        same_etag(tx, tie.owner, require(tx, tie.owner, int(values[tie.owner_id])), values["etag"])


_REQUIRED = {
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


def _done(tx: Transaction, tie: Tie, values: Mapping[str, Any], *, changed: bool) -> dict[str, Any]:
    if changed:
        _touch(tx, tie, values)
    if tie.shown:
        return {tie.shown: int(values[tie.owner_id])}
    return {member: int(values[member]) for member in tie.columns}


def _touch(tx: Transaction, tie: Tie, values: Mapping[str, Any]) -> None:
    if tie.owner:
        tx.touch(tie.owner, int(values[tie.owner_id]))
    elif "familyId" in tie.columns:
        for row in tx.find("procedures", family_id=int(values["familyId"])):
            tx.touch("procedures", row["id"])
    elif "entityId" in tie.columns:
        touch_entity(tx, int(values["entityId"]))
    else:
        first = next(iter(tie.columns))
        tx.touch(_REQUIRED[first], int(values[first]))


MUTATIONS = {name: handler for tie in TIES for name, handler in _handlers(tie).items()}
"""By name."""
