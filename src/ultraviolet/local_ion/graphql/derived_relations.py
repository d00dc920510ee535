"""Relations between resources; some derive from other tables instead of a foreign key."""

from collections.abc import Mapping

from ultraviolet.ion.model import Relation, Resource

_ASSIGNEES = (
    "SELECT id AS own, assigned_to_id AS other FROM {0} WHERE assigned_to_id IS NOT NULL UNION"
    " SELECT x.id, u.user_id FROM {0} x JOIN team_users u ON u.team_id = x.assigned_team_id"
)
_TREE = (
    "WITH RECURSIVE tree (own, other) AS (SELECT parent_id, id FROM {0} WHERE parent_id IS NOT"
    " NULL UNION"
    " SELECT tree.own, x.id FROM tree JOIN {0} x ON x.parent_id = tree.other)"
)
_CHILDREN = _TREE + " SELECT own, other FROM tree"
_PARENTS = _TREE + " SELECT other AS own, own AS other FROM tree"
_ABOM = (
    "WITH RECURSIVE tree (own, other) AS (SELECT parent_abom_item_id, child_abom_item_id FROM"
    " abom_edges UNION"
    " SELECT tree.own, e.child_abom_item_id FROM tree JOIN abom_edges e ON e.parent_abom_item_id"
    " = tree.other)"
)
_LABELED = (
    "SELECT l.id AS own, x.id AS other FROM barcode_labels l JOIN {0} x"
    " ON x.entity_id = l.entity_id"
)
_BATCH = "SELECT a.id AS own, b.id AS other FROM runs a JOIN runs b ON b.run_batch_id = a.run_batch_id AND b.id <> a.id"

FILTERED_TARGETS: Mapping[str, str] = {
    "step": "run_steps",
    "location": "locations",
    "partInventory": "parts_inventory",
    "partKit": "parts_kits",
    "run": "runs",
}
"""The resources of derived relations that are one object, by filter member."""
_SHARED_COLUMNS = {"entity_id", "family_id"}
"""Columns with the same name in a join table and in the joined table."""

DERIVED_PAIRS: Mapping[str, Mapping[str, str]] = {
    "runs": {
        "issues": (
            "SELECT s.run_id AS own, i.id AS other FROM issues i JOIN run_steps s ON s.id ="
            " i.run_step_id"
        ),
        "redlines": (
            "SELECT s.run_id AS own, r.id AS other FROM redlines r JOIN run_steps s ON s.id ="
            " r.step_id"
        ),
        "locations": (
            "SELECT DISTINCT run_id AS own, location_id AS other FROM run_steps WHERE location_id"
            " IS NOT NULL"
        ),
        "assignees": _ASSIGNEES.format("runs"),
        "batchSiblings": _BATCH,
        "startedBy": (
            "SELECT own, other FROM (SELECT run_id AS own, started_by_id AS other,"
            " min(start_time) FROM run_steps"
            " WHERE started_by_id IS NOT NULL GROUP BY run_id)"
        ),
        "completedBy": (
            "SELECT own, other FROM (SELECT run_id AS own, completed_by_id AS other,"
            " max(end_time) FROM run_steps"
            " WHERE completed_by_id IS NOT NULL GROUP BY run_id)"
        ),
    },
    "run_steps": {
        "assignees": _ASSIGNEES.format("run_steps"),
        "blockingIssues": (
            "SELECT must_close_by_run_step_id AS own, id AS other FROM issues WHERE status <>"
            " 'resolved'"
        ),
        "allChildren": _CHILDREN.format("run_steps"),
        "allParents": _PARENTS.format("run_steps"),
        "standardStep": (
            "SELECT r.id AS own, o.id AS other FROM run_steps r JOIN steps s ON s.id ="
            " r.origin_step_id JOIN steps o ON o.id IN (s.id, s.origin_step_id)"
            " WHERE o.standard_step_status IS NOT NULL"
        ),
    },
    "steps": {
        "allChildren": _CHILDREN.format("steps"),
        "allParents": _PARENTS.format("steps"),
        "standardStep": (
            "SELECT s.id AS own, o.id AS other FROM steps s JOIN steps o ON o.id ="
            " s.origin_step_id WHERE o.standard_step_status IS NOT NULL"
        ),
    },
    "locations": {
        "allChildren": _CHILDREN.format("locations"),
        "allParents": _PARENTS.format("locations"),
    },
    "run_steps_fields": {
        "assignees": _ASSIGNEES.format("run_steps_fields"),
        "step": "SELECT id AS own, run_step_id AS other FROM run_steps_fields",
    },
    "barcode_labels": {
        "location": _LABELED.format("locations"),
        "partInventory": _LABELED.format("parts_inventory"),
        "partKit": _LABELED.format("parts_kits"),
        "run": _LABELED.format("runs"),
    },
    "datagrid_values": {"assignees": _ASSIGNEES.format("datagrid_values")},
    "issues": {
        "assignees": _ASSIGNEES.format("issues"),
    },
    "issue_approval_requests": {
        "assignees": _ASSIGNEES.format("issue_approval_requests"),
    },
    "mbom_approval_requests": {
        "assignees": _ASSIGNEES.format("mbom_approval_requests"),
    },
    "parts_kits": {"assignees": _ASSIGNEES.format("parts_kits")},
    "parts": {
        "revisions": (
            "SELECT a.id AS own, b.id AS other FROM parts a JOIN parts b ON b.part_number ="
            " a.part_number AND b.id <> a.id"
        ),
        "mbom": (
            "SELECT m.part_id AS own, i.id AS other FROM mbom_item i JOIN mboms m ON m.id ="
            " i.mbom_id"
            " WHERE m.version = (SELECT max(o.version) FROM mboms o WHERE o.part_id = m.part_id)"
        ),
        "latestMbom": (
            "SELECT own, other FROM (SELECT part_id AS own, id AS other, max(version) FROM mboms"
            " GROUP BY part_id)"
        ),
        "latestReleasedMbom": (
            "SELECT own, other FROM (SELECT part_id AS own, id AS other, max(version) FROM mboms"
            " WHERE status = 'released' GROUP BY part_id)"
        ),
    },
    "abom_items": {
        "allChildren": _ABOM + " SELECT own, other FROM tree",
        "allParents": _ABOM + " SELECT other AS own, own AS other FROM tree",
        "referenceDesignator": (
            "SELECT abom_item_id AS own, id AS other FROM abom_item_reference_designators"
        ),
    },
    "parts_inventory": {
        "abomChildren": (
            "SELECT a.part_inventory_id AS own, e.child_abom_item_id AS other FROM abom_items a"
            " JOIN abom_edges e ON e.parent_abom_item_id = a.id"
        ),
        "abomParents": (
            "SELECT a.part_inventory_id AS own, e.parent_abom_item_id AS other FROM abom_items a"
            " JOIN abom_edges e ON e.child_abom_item_id = a.id"
        ),
        "partKits": (
            "SELECT DISTINCT k.part_inventory_id AS own, i.part_kit_id AS other FROM"
            " part_kit_inventories k"
            " JOIN part_kit_items i ON i.id = k.part_kit_item_id"
        ),
        "parentLocations": (
            "WITH RECURSIVE up (own, other) AS (SELECT id, location_id FROM parts_inventory WHERE"
            " location_id IS NOT NULL"
            " UNION SELECT up.own, l.parent_id FROM up JOIN locations l ON l.id = up.other"
            " WHERE l.parent_id IS NOT NULL) SELECT own, other FROM up"
        ),
    },
    "procedures": {
        "locations": (
            "SELECT DISTINCT procedure_id AS own, location_id AS other FROM steps WHERE"
            " location_id IS NOT NULL"
        )
    },
    "roles": {
        "permissions": (
            "SELECT DISTINCT g.role_id AS own, p.permission_id AS other FROM"
            " permission_group_roles g"
            " JOIN permission_permission_groups p ON p.permission_group_id = g.permission_group_id"
        )
    },
    "users": {
        "permissionGroups": (
            "SELECT DISTINCT u.user_id AS own, g.permission_group_id AS other FROM user_roles u"
            " JOIN permission_group_roles g ON g.role_id = u.role_id"
        ),
        "updatedBy": (
            "SELECT id AS own, updated_by_id AS other FROM users WHERE updated_by_id IS NOT NULL"
        ),
    },
    "plan_inputs": {
        "planItems": (
            "SELECT plan_input_id AS own, plan_item_id AS other FROM plan_plan_items WHERE"
            " plan_input_id IS NOT NULL"
        )
    },
    "plan_items": {
        "inputs": (
            "SELECT plan_item_id AS own, plan_input_id AS other FROM plan_plan_items WHERE"
            " plan_input_id IS NOT NULL"
        ),
        "runs": (
            "SELECT p.plan_item_id AS own, r.id AS other FROM plan_item_results p JOIN runs r ON"
            " r.entity_id = p.entity_id"
        ),
        "purchaseOrderLines": (
            "SELECT p.plan_item_id AS own, l.id AS other FROM plan_item_results p"
            " JOIN purchase_order_lines l ON l.entity_id = p.entity_id"
        ),
        "issues": (
            "SELECT p.plan_item_id AS own, i.id AS other FROM plan_item_results p JOIN issues i"
            " ON i.entity_id = p.entity_id"
        ),
        "partInventories": (
            "SELECT p.plan_item_id AS own, i.id AS other FROM plan_item_results p"
            " JOIN parts_inventory i ON i.entity_id = p.entity_id"
        ),
    },
    "file_attachments": {
        "fileAttachmentEntities": (
            "SELECT file_attachment_id AS own, entity_id AS other FROM entity_file_attachments"
        ),
        "assetEntities": "SELECT file_attachment_id AS own, entity_id AS other FROM entity_assets",
    },
}


RELATION_CONDITIONS: Mapping[tuple[str, str], str] = {
    ("procedures", "steps"): "parent_id IS NULL",
}
"""Conditions of relations that show only some of the rows with their key.

The steps of a procedure are its top level; each has its own `steps` (seen).
"""


def derived_pairs(resource: str, field: str) -> str | None:
    """Return a query of the pairs `own` and `other` of a relation; None without a rule."""
    return DERIVED_PAIRS.get(resource, {}).get(field)


def own_column(resource: Resource, column: str) -> str:
    """Return the column of a resource that a column of its join table refers to."""
    return column if column in _SHARED_COLUMNS and resource.name != "entities" else "id"


def own_key(resource: Resource, relation: Relation) -> str:
    """Return the column of a resource that related rows refer to."""
    if relation.kind == "entity" and resource.name != "entities":
        return "entity_id"
    return "id" if relation.join is None else own_column(resource, relation.join.own_column)


def counted_relation(resource: Resource, name: str) -> Relation | None:
    """Return the relation that a field such as `_linesCount` counts."""
    wanted = name[1:-5].lower()
    return next((r for r in resource.relations if r.field.lower() == wanted), None)


def relation_source(
    resource: Resource, relation: Relation, target: Resource, alias: str, join_alias: str
) -> tuple[str, str] | None:
    """Return the FROM clause of related rows and the expression of their owner's key.

    Return None for a relation without a rule.
    """
    if relation.kind == "none":
        pairs = derived_pairs(resource.name, relation.field)
        if pairs is None:
            return None
        condition = f"{alias}.id = {join_alias}.other"
        table = f'({pairs}) {join_alias} JOIN "{target.name}" {alias} ON {condition}'
        return table, f"{join_alias}.own"
    if relation.join is None:
        column = relation.column or "entity_id"
        condition = RELATION_CONDITIONS.get((resource.name, relation.field))
        table = f'"{target.name}"'
        if condition is not None:
            table = f"(SELECT * FROM {table} WHERE {condition})"
        return f"{table} {alias}", f'{alias}."{column}"'
    join = relation.join
    other = own_column(target, join.other_column)
    condition = f'{alias}."{other}" = {join_alias}."{join.other_column}"'
    table = f'"{join.table}" {join_alias} JOIN "{target.name}" {alias} ON {condition}'
    return table, f'{join_alias}."{join.own_column}"'
