"""Filters of the list of events: parsed from the address, shown as chips and choices."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode

import msgspec

from ultraviolet import clock
from ultraviolet.errors import InvalidError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.web.pages.templating import number_in
from ultraviolet.web.queries.events import EventFilter

PARAMETERS = (
    "integration",
    "resource",
    "object",
    "action",
    "outcome",
    "q",
    "since",
    "until",
    "url",
    "cursor",
)
MORE = ("object", "since", "until")
"""Parameters whose fields are under “More filters”."""
_NAMES = {
    "integration": "Integration",
    "resource": "Resource",
    "object": "Object ID",
    "action": "Action",
    "outcome": "State",
    "q": "Payload contains",
    "since": "From",
    "until": "Until",
    "url": "Webhook URL",
}


class Chip(msgspec.Struct, frozen=True):
    """An active filter; `without` is the query of the address without it."""

    name: str
    value: str
    without: str


def parse_filter(
    catalog: Catalog, asked: Mapping[str, str], integration_id: int | None
) -> EventFilter:
    """Return the filter of an address; raise InvalidError for an invalid id or time."""
    resource = asked.get("resource", "")
    named = catalog.resolve(resource) if resource else None
    return EventFilter(
        integration_id=integration_id,
        resource=named.name if named else resource or None,
        action=asked.get("action") or None,
        outcome=asked.get("outcome") or None,
        object_id=asked.get("object") or None,
        said=asked.get("q") or None,
        since=_parse_moment(asked.get("since")),
        until=_parse_moment(asked.get("until")),
        webhook_url_id=number_in(asked, "url") if asked.get("url") else None,
    )


def list_chips(asked: Mapping[str, str], labels: Mapping[str, str]) -> list[Chip]:
    """Return the active filters; `labels` are texts of values that differ from the address."""
    active = {name: asked[name] for name in _NAMES if asked.get(name)}
    return [
        Chip(
            _NAMES[name],
            labels.get(name, value),
            urlencode({other: kept for other, kept in active.items() if other != name}),
        )
        for name, value in active.items()
    ]


def resource_choices(catalog: Catalog) -> dict[str, list[tuple[str, str]]]:
    """Return names and labels of the resources that have events, by group."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for resource in catalog.resources.values():
        if resource.subscribable:
            known = resource_label(resource.name)
            groups.setdefault(known.group, []).append((resource.name, known.plural))
    return {
        group: sorted(names, key=lambda each: each[1]) for group, names in sorted(groups.items())
    }


def _parse_moment(given: str | None) -> str | None:
    """Read a time as a browser sends it, in UTC."""
    if not given:
        return None
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidError(f"“{given}” is not a valid time. Example: 2026-11-24T12:03.") from error
    return clock.format_rfc3339(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
