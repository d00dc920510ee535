"""The address of an object list: its filters, order and columns, changed in one part at a time."""

from collections.abc import Sequence
from urllib.parse import parse_qsl, urlencode

import msgspec

from ultraviolet.errors import InvalidError
from ultraviolet.web.http.pagination import decode, encode
from ultraviolet.web.queries.conditions import OR
from ultraviolet.web.queries.object_lists.order import Order

LIST_PARAMETERS = ("integration", "q", "state", "where", "sort", "column", "cursor")
_KEPT = LIST_PARAMETERS[:-1]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A page of a list: the position it begins after or ends before, and its first number."""

    position: str
    number: int
    backwards: bool

    @property
    def cursor(self) -> str:
        """The form used in addresses."""
        return encode(msgspec.json.encode(self).decode())


def parse_place(cursor: str | None) -> Place | None:
    """Parse the cursor of a list page; raise InvalidError."""
    if not cursor:
        return None
    try:
        return msgspec.json.decode(decode(cursor) or "", type=Place)
    except msgspec.MsgspecError as error:
        raise InvalidError(
            "This cursor belongs to another list. Open the list again.", field="cursor"
        ) from error


class ListAddress:
    """The query of a list page without its cursor. Other parameters are ignored."""

    def __init__(self, query: str) -> None:
        """Parse the query string of a request."""
        self.pairs = [pair for pair in parse_qsl(query) if pair[0] in _KEPT]

    @property
    def conditions(self) -> list[str]:
        """The conditions, each as `field:operator:value`, and `or` between groups."""
        return [value for name, value in self.pairs if name == "where"]

    @property
    def query(self) -> str:
        """The query string."""
        return urlencode(self.pairs)

    def kept(self, *but: str) -> list[tuple[str, str]]:
        """Return the parameters that a form must send along."""
        return [pair for pair in self.pairs if pair[0] not in but]

    def sorted_by(self, name: str, by: Order) -> str:
        """Sort by a column; by the same one again in the other direction."""
        down = by.by == name and not by.down
        return self._with(("sort", f"{'-' if down else ''}{name}"))

    def at(self, place: Place) -> str:
        """Go to another page."""
        return self._with(("cursor", place.cursor))

    def first(self) -> str:
        """Go to the first page."""
        return f"?{self.query}"

    def without_columns(self) -> str:
        """Return the query string with the usual columns."""
        return urlencode(self.kept("column"))

    def with_conditions(self, written: Sequence[str]) -> str:
        """Return the query string with these conditions instead."""
        return urlencode([*self.kept("where"), *(("where", each) for each in tidy(written))])

    def narrowed(self, written: str) -> str:
        """Return the query string with a condition in each group instead of a searched text."""
        conditions: list[str] = []
        for each in self.conditions:
            conditions += [written, OR] if each == OR else [each]
        return ListAddress(urlencode(self.kept("q"))).with_conditions([*conditions, written])

    def without(self, index: int) -> str:
        """Return the query string without a condition, by its place among the conditions."""
        conditions = self.conditions
        return self.with_conditions([*conditions[:index], *conditions[index + 1 :]])

    def changed(self, written: str, edit: int | None, group: int | None) -> str:
        """Return the query string with a condition replaced, or added to a group.

        A group that does not exist yet becomes the last one.
        """
        conditions = self.conditions
        if edit is not None and edit < len(conditions):
            return self.with_conditions([*conditions[:edit], written, *conditions[edit + 1 :]])
        ends = [place for place, each in enumerate(conditions) if each == OR]
        if group is None or group == len(ends):
            return self.with_conditions([*conditions, written])
        if group > len(ends):
            return self.with_conditions([*conditions, OR, written])
        end = ends[group]
        return self.with_conditions([*conditions[:end], written, *conditions[end:]])

    def _with(self, pair: tuple[str, str]) -> str:
        return "?" + urlencode([*self.kept(pair[0]), pair])


def tidy(conditions: Sequence[str]) -> list[str]:
    """Remove each `or` that separates nothing."""
    kept: list[str] = []
    for each in conditions:
        if each != OR or (kept and kept[-1] != OR):
            kept.append(each)
    return kept[:-1] if kept and kept[-1] == OR else kept
