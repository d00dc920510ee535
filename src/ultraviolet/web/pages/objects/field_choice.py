"""The fields that people choose from for a filter or a column, in groups."""

from collections.abc import Set as AbstractSet

import msgspec

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.ion.model import AUTHOR_KEYS, Link, Resource
from ultraviolet.ion.queries import is_read
from ultraviolet.web.queries.columns import TECHNICAL_FIELDS, columns
from ultraviolet.web.queries.field_paths import MAX_LINKS, FieldPath, find_path


class Choice(msgspec.Struct, frozen=True):
    """A field or, in `deeper`, a link whose target has more fields."""

    name: str
    label: str


class FieldGroup(msgspec.Struct, frozen=True):
    """Fields of the object itself or of an object it links to."""

    title: str
    fields: list[Choice]
    deeper: list[Choice]
    open: bool = False
    own: bool = False
    """Whether these are fields of the object itself."""


def field_groups(
    catalog: Catalog, resource: Resource, path: str, attributes: AbstractSet[tuple[str, str]]
) -> list[FieldGroup]:
    """Return the fields of an object and its links; with a path, of the object at its end.

    Of custom attributes, only `attributes` are offered, given as resource and column.
    """
    steps: tuple[Link, ...] = ()
    if path:
        steps = find_path(catalog, resource, f"{path}.id").links
    at = catalog.resources[steps[-1].resource] if steps else resource
    title = " › ".join(field_label(link.key).label for link in steps)
    own, technical = _fields(at, steps, attributes)
    groups = [FieldGroup(title or resource_label(at.name).singular, own, [], open=True, own=True)]
    if len(steps) < MAX_LINKS:
        for link in _links(at):
            target, path_to = catalog.resources[link.resource], (*steps, link)
            found, _ = _fields(target, path_to, attributes)
            prefix = "".join(f"{each.field}." for each in path_to)
            deeper = [
                Choice(prefix + each.field, field_label(each.key).label) for each in _links(target)
            ]
            label = " › ".join(field_label(each.key).label for each in path_to)
            more = deeper if len(path_to) < MAX_LINKS else []
            groups.append(FieldGroup(label, found, more))
    return [*groups, FieldGroup("Technical", technical, [], own=True)]


def _fields(
    resource: Resource, steps: tuple[Link, ...], attributes: AbstractSet[tuple[str, str]]
) -> tuple[list[Choice], list[Choice]]:
    """Return the usual and the technical fields of a resource, by label."""
    paths = [
        FieldPath(".".join([*(link.field for link in steps), name]), steps, column)
        for name, column in columns(resource).items()
        if is_read(name) and (not column.is_attribute or (resource.name, name) in attributes)
    ]
    usual: list[Choice] = []
    technical: list[Choice] = []
    for path in paths:
        label = path.column.label
        (technical if path.column.name in TECHNICAL_FIELDS else usual).append(
            Choice(path.name, label)
        )
    return _sorted(usual), _sorted(technical)


def _sorted(choices: list[Choice]) -> list[Choice]:
    return sorted(choices, key=lambda choice: choice.label.lower())


def _links(resource: Resource) -> list[Link]:
    """Return the links of a resource that people look for; authors come last."""
    found = [
        link for link in resource.links if link.key not in TECHNICAL_FIELDS and is_read(link.key)
    ]
    return sorted(found, key=lambda link: (link.key in AUTHOR_KEYS, field_label(link.key).label))
