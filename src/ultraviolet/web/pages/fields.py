"""The fields of an object in groups, so that what matters is not lost among what every object has."""

from typing import Any

import msgspec

from ultraviolet.ion.model import Resource

_PEOPLE_AND_TIMES = ("createdById", "updatedById", "_created", "_updated", "Created", "Updated")
_TECHNICAL = ("_etag", "Etag", "LastSessionId", "entityId", "prettyStr")


class Group(msgspec.Struct, frozen=True):
    """Fields that belong together; one that is not `open` is folded away."""

    title: str
    fields: dict[str, Any]
    open: bool = True


def groups(resource: Resource, fields: dict[str, Any]) -> list[Group]:
    """Sort fields into groups; empty groups are left out."""
    found: dict[str, dict[str, Any]] = {}
    for name, value in fields.items():
        found.setdefault(_group(resource, name, value), {})[name] = value
    order = (
        ("Fields", True),
        ("Links", True),
        ("Computed by ION", True),
        ("Lists", True),
        ("People and times", True),
        ("Counts", False),
        ("Technical", False),
        ("Empty", False),
    )
    return [Group(title, found[title], is_open) for title, is_open in order if title in found]


def _group(resource: Resource, name: str, value: Any) -> str:
    field = resource.field(name)
    links = {link.key for link in resource.links}
    rules = (
        (name in _PEOPLE_AND_TIMES, "People and times"),
        (name in _TECHNICAL, "Technical"),
        (value is None or value in ("", [], {}), "Empty"),
        (name.startswith("_") and name.endswith("Count"), "Counts"),
        (name in links, "Links"),
        (field is None or field.list, "Lists"),
        (field is not None and not field.stored, "Computed by ION"),
    )
    return next((title for holds, title in rules if holds), "Fields")
