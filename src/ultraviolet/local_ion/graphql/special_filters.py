"""Filter members and sort values of ION that are no field of the object: their values in SQL."""

from collections.abc import Mapping
from typing import NamedTuple

from ultraviolet.ion.model import Field, Resource


class Values(NamedTuple):
    """The values of a member: a query of the column `v` for the row `{t}`."""

    field: Field
    select: str


def _values(type_: str, select: str) -> Values:
    return Values(Field("v", "v", type_), select)


SPECIAL_VALUES: Mapping[tuple[str, str], Values] = {
    ("issues", "runId"): _values(
        "ID", "SELECT (SELECT run_id FROM run_steps WHERE id = {t}.run_step_id) AS v"
    ),
    ("redlines", "runId"): _values(
        "ID", "SELECT (SELECT run_id FROM run_steps WHERE id = {t}.step_id) AS v"
    ),
    ("runs", "partNumber"): _values(
        "String", "SELECT (SELECT part_number FROM parts WHERE id = {t}.part_id) AS v"
    ),
    ("runs", "locationId"): _values(
        "ID", "SELECT location_id AS v FROM run_steps WHERE run_id = {t}.id"
    ),
    ("procedures", "locationId"): _values(
        "ID", "SELECT location_id AS v FROM steps WHERE procedure_id = {t}.id"
    ),
    ("procedures", "label"): _values(
        "String",
        "SELECT l.value AS v FROM procedure_family_labels f JOIN labels l ON l.id = f.label_id"
        " WHERE f.family_id = {t}.family_id",
    ),
}
"""Values of any of which the condition must hold (the fields and their meaning are assumed)."""

_VALUE_KINDS: Mapping[str, tuple[str, ...]] = {
    "_STRING_VALUE": ("string", "signoff", "file_attachment", "ion", "tool"),
    "_NUMBER_VALUE": ("number",),
    "_DATETIME_VALUE": ("datetime",),
    "_BOOLEAN_VALUE": ("boolean",),
    "_SELECT_VALUE": ("select",),
    "_MULTISELECT_VALUES": ("multiselect",),
}
_TYPE_OF_VALUE = {
    "datagrid_values": "(SELECT c.type FROM datagrid_columns c WHERE c.id = {t}.column_id)",
    "run_steps_fields": "{t}.type",
}
_SORTS: Mapping[tuple[str, str], str] = {
    ("steps", "DATAGRID"): "{t}.datagrid",
    ("run_steps", "DATAGRID"): "{t}.datagrid",
    ("steps", "_LAST_SESSION_ID"): "{t}.last_session_id",
    ("run_steps", "_LAST_SESSION_ID"): "{t}.last_session_id",
    ("users", "AUTH0_SUB"): "'auth0|' || {t}.id",
    ("plan_items", "RESULT_TYPE"): (
        "(SELECT min(e.type) FROM plan_item_results r JOIN entities e ON e.id = r.entity_id"
        " WHERE r.plan_item_id = {t}.id)"
    ),
}

_CHECK_OUT = (
    "(SELECT min(o._created) FROM session_events o WHERE o.run_step_id = {t}.run_step_id"
    " AND o.created_by_id IS {t}.created_by_id AND o.event_type = 'check_out' AND o.id > {t}.id)"
)
SESSION_VALUES: Mapping[str, tuple[str, str]] = {
    "checkIn": ("DateTime", "{t}._created"),
    "checkOut": ("DateTime", _CHECK_OUT),
    "duration": ("Float", f"(julianday({_CHECK_OUT}) - julianday({{t}}._created)) * 86400"),
    "isValidGrouping": ("Boolean", f"({_CHECK_OUT} IS NOT NULL)"),
    "eventType": ("Eventtypeenum", f"iif({_CHECK_OUT} IS NULL, 'check_in', 'check_out')"),
}
"""Type and value of the members of a session, for its check-in `{t}`."""


def session_owner(resource: Resource, session: str, alias: str) -> str:
    """Return the condition of the sessions of a run or of a step."""
    if resource.name == "runs":
        return (
            f"{session}.run_step_id IN (SELECT s.id FROM run_steps s WHERE s.run_id = {alias}.id)"
        )
    return f"{session}.run_step_id = {alias}.id"


def special_sort(resource: str, name: str, alias: str) -> str | None:
    """Return the expression of a sort value without a field of its own, else None."""
    if name in _VALUE_KINDS and resource in _TYPE_OF_VALUE:
        kinds = ", ".join(f"'{kind}'" for kind in _VALUE_KINDS[name])
        condition = f"{_TYPE_OF_VALUE[resource]} IN ({kinds})"
        value = f"CASE WHEN {condition} THEN json_extract({{t}}.value, '$') END"
    else:
        value = _SORTS.get((resource, name), "")
    return value.replace("{t}", alias) or None
