"""What the filters of lists share: removable chips and choices of resources."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

import msgspec

from ultraviolet.clock import utc_now
from ultraviolet.errors import InvalidError
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import parse_period


class Chip(msgspec.Struct, frozen=True):
    """An active filter in words; `without` is the query of the address without it."""

    text: str
    without: str


class TimeRange(msgspec.Struct, frozen=True):
    """The start and end of a range in an address, as the fields of the form show them."""

    since: str | None
    until: str | None

    def moments(self, longest: timedelta, usual: timedelta) -> tuple[datetime, datetime] | None:
        """Return the start and the end; None without either.

        Without a start, the range has the usual length; without an end, it ends now. Raise
        InvalidError if it is empty or too long.
        """
        if not self.since and not self.until:
            return None
        to = datetime.fromisoformat(self.until) if self.until else utc_now()
        begin = datetime.fromisoformat(self.since) if self.since else to - usual
        if begin >= to:
            raise InvalidError("The time range is empty. Enter an earlier time.", field="since")
        if to - begin > longest:
            raise InvalidError(f"Select at most {longest.days} days.", field="since")
        return begin, to


def parse_range(since: str, until: str) -> TimeRange:
    """Parse the parameters since and until; raise InvalidError."""
    return TimeRange(*parse_period(since, until))


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
