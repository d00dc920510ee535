"""The text of a printed label: its template with the values of the labeled object.

Templates name values as `${serialNumber}` or `${part.partNumber}` (documented), or in double braces.
"""

from collections.abc import Iterator
from functools import cache

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.model import Resource

LABELED = ("locations", "parts_inventory", "parts_kits", "runs")
"""The resources whose objects have labels."""
_LINKED = {
    "locations",
    "parts",
    "parts_inventory",
    "procedures",
    "runs",
    "suppliers",
    "units_of_measurements",
}
_MEMBERS = 30
"""Members of one json_object; SQLite's functions accept 127 arguments."""
_FIRST_RUN = (
    "(SELECT min(r.id) FROM runs r WHERE r.part_inventory_id = x.id"
    " OR r.part_inventory_id = x.origin_part_inventory_id)"
)
_TEXT = (
    "(SELECT label_text(p.template, json_patch(json_object('iuid', {t}.iuid, 'uid', {t}.iuid,"
    " 'entityId', {t}.entity_id), coalesce(CASE p.entity_type %s END, '{}')))"
    " FROM barcode_templates p WHERE p.id = {t}.template_id)"
)


@cache
def label_sql() -> str:
    """Return SQL for the text of the label in the row `{t}`."""
    resources = load_catalog().resources
    cases = (
        f"WHEN '{name}' THEN (SELECT {_object(resources[name])} FROM {name} x"
        " WHERE x.entity_id = {t}.entity_id)"
        for name in LABELED
    )
    return _TEXT % " ".join(cases)


def label_values(resource: Resource) -> list[str]:
    """Return the names that a template of a resource may contain."""
    names = [name for name, _ in _values(resource, "x")]
    for link in resource.links:
        if link.resource in _LINKED:
            target = load_catalog().resources[link.resource]
            names += [f"{link.field}.{name}" for name, _ in _values(target, "y")]
    return names


def _object(resource: Resource) -> str:
    members = [f"'{name}', {value}" for name, value in _values(resource, "x")]
    for link in resource.links:
        if link.resource in _LINKED:
            target = load_catalog().resources[link.resource]
            inner = _joined([f"'{name}', {value}" for name, value in _values(target, "y")])
            found = f"(SELECT {inner} FROM {target.name} y WHERE y.id = x.{link.column})"
            members.append(f"'{link.field}', json(coalesce({found}, '{{}}'))")
    return _joined(members)


def _joined(members: list[str]) -> str:
    text = f"json_object({', '.join(members[:_MEMBERS])})"
    for start in range(_MEMBERS, len(members), _MEMBERS):
        text = f"json_patch({text}, json_object({', '.join(members[start : start + _MEMBERS])}))"
    return text


def _values(resource: Resource, alias: str) -> Iterator[tuple[str, str]]:
    for field in resource.fields:
        if field.stored and not field.list and field.type != "SlateContent":
            yield field.name, f"coalesce({alias}.\"{field.column}\", '')"
    if resource.name == "parts_inventory" and alias == "x":
        yield "earliestRunId", f"coalesce({_FIRST_RUN}, '')"
