"""Fields that ION computes on read, as SQL expressions; fields without a rule are null."""

from collections.abc import Mapping

from ultraviolet.ion.model import Field
from ultraviolet.local_ion.graphql.labels import label_sql

_DECIMALS = 3
"""Decimal places of sums of money (assumed), without which 0.1 + 0.2 is 0.30000000000000004."""
_LINE_COST = f"round(coalesce({{l}}.cost, 0) * coalesce({{l}}.quantity, 0), {_DECIMALS})"
_LINES = "FROM purchase_order_lines l WHERE l.purchase_order_id = {t}.id"
_RUN = "FROM run_steps s WHERE s.run_id = {t}.id"
_ISSUED = "(SELECT coalesce(sum(ki.quantity), 0) FROM part_kit_inventories ki WHERE ki.part_inventory_id = {t}.id)"
_IN_OPEN_KITS = (
    "(SELECT coalesce(sum(ki.quantity), 0) FROM part_kit_inventories ki"
    " JOIN part_kit_items i ON i.id = ki.part_kit_item_id JOIN parts_kits k ON k.id = i.part_kit_id"
    " WHERE ki.part_inventory_id = {t}.id AND k.status <> 'completed')"
)
_INSTALLED = (
    "(SELECT coalesce(sum(a.quantity), 0) FROM abom_items a JOIN abom_edges e ON"
    " e.child_abom_item_id = a.id"
    " WHERE a.part_inventory_id = {t}.id)"
)
# a quantity in an open kit that is also installed counts as installed
_IN_KITS = f"max(0, {_IN_OPEN_KITS} - {_INSTALLED})"
_RUN_STATUS = (
    "(SELECT CASE"
    " WHEN count(*) = 0 THEN 'complete'"
    " WHEN sum(s.status = 'redline') THEN 'redline'"
    " WHEN sum(s.status = 'hold') THEN 'hold'"
    " WHEN sum(s.status = 'failed') THEN 'failed'"
    " WHEN sum(s.status = 'canceled') = count(*) THEN 'canceled'"
    " WHEN sum(s.status = 'complete') = count(*) THEN 'complete'"
    " WHEN sum(s.status IN ('complete', 'canceled')) = count(*) THEN 'partial_complete'"
    " WHEN sum(s.status IN ('in_progress', 'complete')) THEN 'in_progress'"
    " ELSE 'todo' END " + _RUN + ")"
)
_RECEIVED = "EXISTS (SELECT 1 FROM receipt_items ri WHERE ri.part_inventory_id = {t}.id)"
_ORDERED_BY_LINE = (
    "EXISTS (SELECT 1 FROM purchase_order_line_inventories li JOIN purchase_order_lines l"
    " ON l.id = li.purchase_order_line_id WHERE li.part_inventory_id = {t}.id AND l.status IN"
)
_ON_ORDER = (
    f"(NOT {_RECEIVED} AND {_ORDERED_BY_LINE} ('draft', 'requested', 'approved', 'ordered')))"
)
_CANCELED = (
    f"(NOT {_RECEIVED} AND {_ORDERED_BY_LINE} ('canceled'))"
    f" AND NOT {_ORDERED_BY_LINE} ('received')))"
)
_STATUS = (
    "CASE WHEN {t}.quantity <= 0 THEN 'unavailable'"
    " WHEN {t}.quantity_scrapped >= {t}.quantity THEN 'scrapped'"
    f" WHEN {_INSTALLED} >= {{t}}.quantity THEN 'installed'"
    f" WHEN {_IN_KITS} >= {{t}}.quantity THEN 'kitted'"
    " WHEN EXISTS (SELECT 1 FROM runs r WHERE r.part_inventory_id = {t}.id AND "
    + _RUN_STATUS.replace("{t}", "r")
    + " IN ('todo', 'in_progress', 'redline', 'hold', 'failed')) THEN 'wip'"
    f" WHEN {_ON_ORDER} THEN 'on_order'"
    f" WHEN {_CANCELED} OR EXISTS (SELECT 1 FROM locations o WHERE o.id = {{t}}.location_id"
    " AND NOT o.available)"
    " THEN 'unavailable' ELSE 'available' END"
)
_LATEST_PART = (
    "(SELECT p.id FROM parts p WHERE p.part_number = {t}.part_number ORDER BY length(p.revision)"
    " DESC, p.revision DESC"
    " LIMIT 1)"
)
_FULFILLED = "(SELECT coalesce(sum(ki.quantity), 0) FROM part_kit_inventories ki WHERE ki.part_kit_item_id = {t}.id)"
_KIT_FULFILLED = (
    "(SELECT coalesce(sum(min(i.quantity, (SELECT coalesce(sum(ki.quantity), 0) FROM"
    " part_kit_inventories ki"
    " WHERE ki.part_kit_item_id = i.id))), 0) FROM part_kit_items i WHERE i.part_kit_id = {t}.id)"
)
_KIT_QUANTITY = "(SELECT sum(i.quantity) FROM part_kit_items i WHERE i.part_kit_id = {t}.id)"

_HAS_RESULTS = "EXISTS (SELECT 1 FROM plan_item_results r WHERE r.plan_item_id = {t}.id)"
_IN_STOCK = (
    "(SELECT coalesce(sum(v.quantity - v.quantity_scrapped - "
    + _INSTALLED.replace("{t}", "v")
    + "), 0) FROM parts_inventory v WHERE v.part_id = c.part_id AND NOT "
    + _ON_ORDER.replace("{t}", "v")
    + ")"
)
# whether all components of a plan item are in inventory: those of its mBOM and of its allocations
_READY = (
    "({t}.part_id IS NOT NULL OR {t}.procedure_id IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM ("
    "SELECT m.part_id, m.quantity * coalesce({t}.quantity, 1) AS needed FROM mbom_item m"
    " WHERE m.mbom_id = (SELECT b.id FROM mboms b WHERE b.part_id = {t}.part_id"
    " ORDER BY b.status = 'released' DESC, b.version DESC LIMIT 1)"
    " UNION ALL SELECT i.part_id, a.quantity FROM plan_item_allocations a"
    " JOIN plan_items i ON i.id = a.child_plan_item_id"
    " WHERE a.parent_plan_item_id = {t}.id AND i.part_id IS NOT NULL"
    f") c WHERE c.needed > {_IN_STOCK})"
)
# the seconds of the scheduled span, else the lead time (its unit is assumed to be the second)
_LEAD_TIME = (
    "CAST(coalesce(round((julianday({t}.scheduled_end) - julianday({t}.scheduled_start)) * 86400),"
    " {t}.lead_time, 0) AS INTEGER)"
)
_STEP_STATUS_IS = (
    "EXISTS (SELECT 1 FROM run_steps s WHERE s.id = {{t}}.run_step_id AND s.status = '{0}')"
)
_FILE_URL = "download_url({t}.id, {t}.filename)"
# the value of an attribute is the URL of its file, if it has one (seen); also of a step's field
ATTRIBUTE_VALUE = (
    "CASE WHEN {t}.file_attachment_id IS NULL THEN {t}.value ELSE json_quote((SELECT "
    + _FILE_URL.replace("{t}", "f")
    + " FROM file_attachments f WHERE f.id = {t}.file_attachment_id)) END"
)

EXPRESSIONS: Mapping[str, Mapping[str, str]] = {
    "purchase_orders": {
        "isOpen": "{t}.status NOT IN ('canceled', 'received')",
        "editable": "CASE {t}.status WHEN 'draft' THEN 'true' ELSE 'false' END",
        "paid": f"(SELECT count(*) > 0 AND min(l.paid) {_LINES})",
        "estimatedCost": (
            f"(SELECT round(sum({_LINE_COST.replace('{l}', 'l')}), {_DECIMALS}) {_LINES})"
        ),
        "estimatedTotalCost": (
            f"round((SELECT sum({_LINE_COST.replace('{l}', 'l')}) {_LINES}) + (SELECT coalesce(sum(CASE"
            " f.type"
            " WHEN 'percentage' THEN f.value / 100.0 * (SELECT coalesce(sum("
            + _LINE_COST.replace("{l}", "l")
            + f"), 0) {_LINES})"
            " ELSE f.value END), 0) FROM purchase_order_fees f WHERE f.purchase_order_id = {t}.id),"
            f" {_DECIMALS})"
        ),
        "estimatedArrival": f"(SELECT max(l.estimated_arrival_date) {_LINES})",
        "estimatedArrivalDate": f"(SELECT max(l.estimated_arrival_date) {_LINES})",
        "needDate": f"(SELECT min(l.need_date) {_LINES})",
        "approved": (
            "(SELECT count(DISTINCT a.reviewer_id) FROM purchase_order_approvals a WHERE"
            " a.purchase_order_id = {t}.id"
            " AND a.status = 'approved') >= max(1, coalesce((SELECT json_extract(settings,"
            " '$.purchaseOrders.numApproversRequired') FROM organizations), 1))"
        ),
    },
    "purchase_order_lines": {
        "isOpen": "{t}.status NOT IN ('canceled', 'received')",
        "editable": "CASE {t}.status WHEN 'draft' THEN 'true' ELSE 'false' END",
        "estimatedCost": _LINE_COST.replace("{l}", "{t}") + " + 0",  # avoids -0.0
        "receivedQuantity": (
            "(SELECT coalesce(sum(ri.quantity), 0) FROM receipt_items ri WHERE"
            " ri.purchase_order_line_id = {t}.id)"
        ),
        "inventoryQuantity": (
            "(SELECT coalesce(sum(pi.quantity), 0) FROM purchase_order_line_inventories li JOIN"
            " parts_inventory pi"
            " ON pi.id = li.part_inventory_id WHERE li.purchase_order_line_id = {t}.id)"
        ),
    },
    "parts": {
        "latestRevision": f"(SELECT p.revision FROM parts p WHERE p.id = {_LATEST_PART})",
        "isLatestRevision": f"{{t}}.id = {_LATEST_PART}",
        "LatestRevisionScheme": (
            f"(SELECT p.revision_scheme FROM parts p WHERE p.id = {_LATEST_PART})"
        ),
        "quantity": (
            "(SELECT CAST(coalesce(sum(pi.quantity), 0) AS INTEGER) FROM parts_inventory pi WHERE"
            " pi.part_id = {t}.id)"
        ),
    },
    "parts_inventory": {
        "status": _STATUS,
        "quantityKitted": _IN_KITS,
        "quantityIssued": _ISSUED,
        "quantityInstalled": _INSTALLED,
        "quantityAvailable": (
            f"max(0, {{t}}.quantity - {{t}}.quantity_scrapped - {_IN_KITS} - {_INSTALLED})"
        ),
        "kitted": f"{{t}}.quantity > 0 AND {_IN_KITS} >= {{t}}.quantity",
        "installed": f"{{t}}.quantity > 0 AND {_INSTALLED} >= {{t}}.quantity",
        "received": _RECEIVED,
        "cost": "{t}._cost",
        "estimatedTotalCost": f"round({{t}}._cost * {{t}}.quantity, {_DECIMALS})",
        "trackingType": (
            "CASE WHEN {t}.serial_number IS NOT NULL THEN 'serial'"
            " WHEN {t}.lot_number IS NOT NULL THEN 'lot' END"
        ),
        "identity": "coalesce({t}.serial_number, {t}.lot_number)",
        "identifiable": "{t}.serial_number IS NOT NULL OR {t}.lot_number IS NOT NULL",
    },
    "parts_kits": {
        "fulfilled": f"coalesce({_KIT_FULFILLED} >= {_KIT_QUANTITY}, 0)",
        "percentFulfilled": (
            f"CAST(coalesce(100 * {_KIT_FULFILLED} / {_KIT_QUANTITY}, 0) AS INTEGER)"
        ),
        "percentKitted": f"CAST(coalesce(100 * {_KIT_FULFILLED} / {_KIT_QUANTITY}, 0) AS INTEGER)",
    },
    "part_kit_items": {
        "fulfilled": f"{_FULFILLED} >= {{t}}.quantity",
        "quantityFulfilled": _FULFILLED,
        "quantityUnfulfilled": f"{{t}}.quantity - {_FULFILLED}",
    },
    "runs": {
        "status": _RUN_STATUS,
        "isOpen": f"{_RUN_STATUS} IN ('todo', 'hold', 'redline', 'in_progress')",
        "percentComplete": (
            "(SELECT CAST(coalesce(100 * sum(s.status = 'complete') / count(*), 0) AS INTEGER)"
            f" {_RUN})"
        ),
        "startTime": f"(SELECT min(s.start_time) {_RUN})",
        "endTime": f"(SELECT max(s.end_time) {_RUN})",
        "scheduledStart": f"(SELECT min(s.scheduled_start) {_RUN})",
        "scheduledEnd": f"(SELECT max(s.scheduled_end) {_RUN})",
        "calculatedLeadTime": f"(SELECT coalesce(sum({_LEAD_TIME.replace('{t}', 's')}), 0) {_RUN})",
        "batched": "{t}.run_batch_id IS NOT NULL",
    },
    "run_steps": {
        "upstreamStepIds": (
            "(SELECT json_group_array(d.upstream_step_id) FROM run_steps_dags d WHERE d.step_id ="
            " {t}.id)"
        ),
        "downstreamStepIds": (
            "(SELECT json_group_array(d.step_id) FROM run_steps_dags d WHERE d.upstream_step_id ="
            " {t}.id)"
        ),
        "availableToWork": (
            "{t}.status IN ('todo', 'in_progress')"
            " AND NOT EXISTS (SELECT 1 FROM run_steps_dags d JOIN run_steps u"
            " ON u.id = d.upstream_step_id WHERE d.step_id = {t}.id AND u.status <> 'complete')"
            " AND NOT EXISTS (SELECT 1 FROM run_steps p WHERE p.id = {t}.parent_id"
            " AND p.status NOT IN ('in_progress', 'complete'))"
        ),
        "settable": "CASE {t}.status WHEN 'in_progress' THEN 'true' ELSE 'false' END",
        "editable": "CASE {t}.status WHEN 'redline' THEN 'true' ELSE 'false' END",
        "calculatedLeadTime": _LEAD_TIME,
        "isChildStandardStep": "0",
    },
    "steps": {
        "upstreamStepIds": (
            "(SELECT json_group_array(d.upstream_step_id) FROM steps_dags d"
            " WHERE d.step_id = {t}.id AND d.upstream_step_id IS NOT NULL)"
        ),
        "downstreamStepIds": (
            "(SELECT json_group_array(d.step_id) FROM steps_dags d WHERE d.upstream_step_id ="
            " {t}.id)"
        ),
        "isStandardStep": "{t}.standard_step_status IS NOT NULL",
        "isDerivedStep": (
            "EXISTS (SELECT 1 FROM steps o WHERE o.id = {t}.origin_step_id"
            " AND o.standard_step_status IS NOT NULL)"
        ),
        "isChildStandardStep": (
            "EXISTS (WITH RECURSIVE up (id) AS (SELECT {t}.parent_id UNION SELECT s.parent_id"
            " FROM up JOIN steps s ON s.id = up.id) SELECT 1 FROM up JOIN steps p ON p.id = up.id"
            " WHERE p.standard_step_status IS NOT NULL)"
        ),
        "fieldCount": "(SELECT count(*) FROM steps_fields f WHERE f.step_id = {t}.id)",
        "isLatestVersion": (
            "{t}.version = (SELECT max(o.version) FROM steps o WHERE o.family_id = {t}.family_id)"
        ),
        "isLatestReleasedVersion": (
            "coalesce({t}.version = (SELECT max(o.version) FROM steps o"
            " WHERE o.family_id = {t}.family_id AND o.standard_step_status = 'released'), 0)"
        ),
        "editable": (
            "coalesce({t}.standard_step_status, (SELECT p.status FROM procedures p WHERE p.id ="
            " {t}.procedure_id),"
            " 'draft') = 'draft'"
        ),
        "approved": (
            "(SELECT count(DISTINCT a.reviewer_id) FROM step_approvals a WHERE a.step_id = {t}.id"
            " AND a.status = 'approved') >= max(1, coalesce((SELECT json_extract(settings,"
            " '$.steps.numApproversRequired') FROM organizations), 1))"
        ),
    },
    "procedures": {
        "isLatestVersion": (
            "{t}.version = (SELECT max(o.version) FROM procedures o WHERE o.family_id ="
            " {t}.family_id)"
        ),
        "isLatestReleasedVersion": (
            "coalesce({t}.version = (SELECT max(o.version) FROM procedures o"
            " WHERE o.family_id = {t}.family_id AND o.status = 'released'), 0)"
        ),
        "editable": "CASE {t}.status WHEN 'draft' THEN 'true' ELSE 'false' END",
        "labels": (
            "(SELECT json_group_array(b.value) FROM procedure_family_labels fl JOIN labels b ON"
            " b.id = fl.label_id"
            " WHERE fl.family_id = {t}.family_id)"
        ),
    },
    "mboms": {
        "isLatestVersion": (
            "{t}.version = (SELECT max(o.version) FROM mboms o WHERE o.part_id = {t}.part_id)"
        ),
        "isLatestReleasedVersion": (
            "coalesce({t}.version = (SELECT max(o.version) FROM mboms o"
            " WHERE o.part_id = {t}.part_id AND o.status = 'released'), 0)"
        ),
        "editable": "{t}.status = 'draft'",
    },
    "mbom_item": {
        "parentId": "(SELECT m.part_id FROM mboms m WHERE m.id = {t}.mbom_id)",
        "_deleted": "0",
    },
    "mbom_substitute": {
        "parentId": (
            "(SELECT m.part_id FROM mbom_item i JOIN mboms m ON m.id = i.mbom_id WHERE i.id ="
            " {t}.mbom_item_id)"
        )
    },
    "abom_items": {
        "parentId": (
            "(SELECT e.parent_abom_item_id FROM abom_edges e WHERE e.child_abom_item_id = {t}.id"
            " LIMIT 1)"
        ),
        "expectedQuantity": "coalesce({t}.expected_fixed_quantity, {t}.expected_quantity_per)",
        "acceptablePartIds": (
            "(SELECT json_group_array(f.id) FROM (SELECT b.id FROM parts a JOIN parts b ON"
            " b.part_number = a.part_number"
            " WHERE a.id = {t}.part_id UNION SELECT s.part_id FROM mbom_substitute s"
            " WHERE s.mbom_item_id = {t}.origin_mbom_item_id) f)"
        ),
    },
    "issue_approval_requests": {"reviewerId": "{t}.assigned_to_id"},
    "mbom_approval_requests": {"reviewerId": "{t}.assigned_to_id"},
    "issues": {
        "partInventoryId": (
            "(SELECT min(x.part_inventory_id) FROM issue_part_inventories x WHERE x.issue_id ="
            " {t}.id)"
        ),
        "editable": "CASE {t}.status WHEN 'resolved' THEN 'false' ELSE 'true' END",
        "approved": (
            "EXISTS (SELECT 1 FROM issue_approvals a WHERE a.issue_id = {t}.id AND a.status ="
            " 'approved')"
        ),
    },
    "run_steps_fields": {
        "editable": _STEP_STATUS_IS.format("redline"),
        "settable": _STEP_STATUS_IS.format("in_progress"),
        "valid": (
            "NOT EXISTS (SELECT 1 FROM run_step_field_validations v"
            " WHERE v.run_step_field_id = {t}.id AND v.result = 'fail')"
        ),
    },
    "steps_fields": {"editable": "1"},
    "plans": {
        "editable": "{t}.status = 'draft'",
        "percentComplete": (
            "(SELECT CAST(coalesce(100 * sum(min(i.completed_quantity, i.quantity)) /"
            " sum(i.quantity), 0) AS INTEGER)"
            " FROM plan_inputs i WHERE i.plan_id = {t}.id)"
        ),
    },
    "plan_inputs": {
        "percentComplete": (
            "CAST(100 * min({t}.completed_quantity, {t}.quantity) / max(1, {t}.quantity) AS TEXT)"
        )
    },
    "plan_items": {
        "ready": _READY,
        "editable": f"NOT {_HAS_RESULTS}",
        "status": f"CASE WHEN {_HAS_RESULTS} THEN 'scheduled' ELSE 'draft' END",
        "percentComplete": "0",
        "isLatest": "coalesce({t}.mrp_job_id = (SELECT max(id) FROM mrp_jobs), 1)",
        "hasResults": _HAS_RESULTS,
    },
    "mrp_jobs": {"isLatest": "{t}.id = (SELECT max(id) FROM mrp_jobs)"},
    "redlines": {
        "active": "CASE WHEN {t}.final_state IS NULL THEN 'true' ELSE 'false' END",
        "approved": (
            "(SELECT count(DISTINCT a.reviewer_id) FROM redline_approvals a WHERE a.redline_id ="
            " {t}.id"
            " AND a.status = 'approved') >= max(1, coalesce((SELECT json_extract(settings,"
            " '$.redlines.numApproversRequired') FROM organizations), 1))"
        ),
    },
    "barcode_labels": {"qrCode": "{t}.iuid"},
    "users": {
        "isAdmin": (
            "EXISTS (SELECT 1 FROM user_roles ur JOIN roles r ON r.id = ur.role_id"
            " WHERE ur.user_id = {t}.id AND r.name = 'Admin')"
        )
    },
    "session_events": {"eventType": "{t}.event_type"},
    "file_attachments": {"downloadUrl": _FILE_URL, "url": _FILE_URL},
    "part_procedures": {"id": "{t}.rowid"},
}
"""Expressions by resource and field over the row `{t}`.

The rules are from ION's manual; others are assumed.
"""


def computed_sql(resource: str, field: Field, alias: str) -> str:
    """Return the SQL of a computed field; without a rule NULL, or zero if required."""
    found = EXPRESSIONS.get(resource, {}).get(field.name)
    if (resource, field.name) == ("barcode_labels", "barcode"):
        found = label_sql()
    if found is not None:
        return f"({found.replace('{t}', alias)})"
    if field.name == "prettyStr":
        return f"'{resource} ' || {alias}.rowid"
    if not field.required:
        return "NULL"
    return "0" if field.type in {"Int", "Float", "Boolean"} else "''"
