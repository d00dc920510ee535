"""What the filters of lists share: removable chips and choices of resources."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

import msgspec

from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource


class Chip(msgspec.Struct, frozen=True):
    """An active filter in words; `without` is the query of the address without it."""

    text: str
    without: str


def list_chips(
    names: Mapping[str, str], asked: Mapping[str, str], labels: Mapping[str, str | None]
) -> list[Chip]:
    """Return the active filters of an address.

    `names` are those of the parameters, and `labels` the values that differ from the address.
    """
    active = {name: asked[name] for name in names if asked.get(name)}
    return [
        Chip(
            f"{names[name]}: {labels.get(name) or value}",
            urlencode({other: kept for other, kept in active.items() if other != name}),
        )
        for name, value in active.items()
    ]


def resource_choices(resources: Iterable[Resource]) -> dict[str, list[tuple[str, str]]]:
    """Return names and labels of resources, by group."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for resource in resources:
        known = resource_label(resource.name)
        groups.setdefault(known.group, []).append((resource.name, known.plural))
    return {
        group: sorted(names, key=lambda each: each[1].casefold())
        for group, names in sorted(groups.items())
    }
