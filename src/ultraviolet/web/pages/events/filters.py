"""Filters of the list of events, parsed from the address."""

from collections.abc import Mapping

from ultraviolet.ion.catalog import Catalog
from ultraviolet.web.http.params import parse_choice, parse_period
from ultraviolet.web.pages.formats.names import words
from ultraviolet.web.pages.forms.form_values import number_in
from ultraviolet.web.queries.events import ACTIONS, OUTCOMES, EventFilter
from ultraviolet.web.queries.objects import resource_name

NAMES = {
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
"""Parameters of the filter and their names."""
MORE = ("object", "since", "until")
"""Parameters whose fields are under “More filters”."""


def parse_filter(
    catalog: Catalog, asked: Mapping[str, str], integration_id: int | None
) -> EventFilter:
    """Return the filter of an address; raise InvalidError or NotFoundError for an invalid value."""
    since, until = parse_period(asked.get("since"), asked.get("until"))
    return EventFilter(
        integration_id=integration_id,
        resource=resource_name(catalog, asked.get("resource")),
        action=parse_choice("action", asked.get("action"), ACTIONS, str.capitalize),
        outcome=parse_choice(
            "outcome", asked.get("outcome"), OUTCOMES, lambda one: words(one).capitalize(), "state"
        ),
        object_id=asked.get("object") or None,
        said=asked.get("q") or None,
        since=since,
        until=until,
        webhook_url_id=number_in(asked, "url") if asked.get("url") else None,
    )
