"""Parse the lists in ION's answers, and check the order of their rows."""

import itertools
from collections.abc import Collection, Sequence
from typing import Any, cast

import msgspec

from ultraviolet.ion.deliveries import LONGEST_ID, is_id
from ultraviolet.ion.errors import IonUnreadableError
from ultraviolet.ion.model import Resource

_MAX_CURSOR = 1000
_MAX_TOTAL = 2**31 - 1


class Row(msgspec.Struct, frozen=True):
    """One row of a list; without an id, its object is unknown."""

    id: str | None
    node: dict[str, Any]


class AnswerList(msgspec.Struct, frozen=True):
    """A list in ION's answer."""

    rows: Sequence[Row]
    more: bool
    total: int | None
    cursor: str | None = None
    """The cursor of the last row, in a list without an order of id."""


def parse_list(resource: Resource, page: Any) -> AnswerList:
    """Return a list of ION's answer with its page info; raise IonUnreadableError if invalid."""
    rows = parse_rows(resource, page)
    info: Any = page.get("pageInfo")
    info = cast("dict[str, Any]", info) if isinstance(info, dict) else {}
    more = info.get("hasNextPage")
    if not isinstance(more, bool):
        raise IonUnreadableError(f"ION does not say whether it shows all {resource.title.lower()}")
    if more and not rows:
        raise IonUnreadableError(
            f"ION says there are more {resource.title.lower()} and shows none of them"
        )
    total = info.get("totalCount")
    known = isinstance(total, int) and not isinstance(total, bool) and 0 <= total <= _MAX_TOTAL
    cursor = info.get("endCursor")
    valid = isinstance(cursor, str) and 0 < len(cursor) <= _MAX_CURSOR
    return AnswerList(rows, more, total if known else None, cursor if valid else None)


def parse_rows(resource: Resource, page: Any) -> list[Row]:
    """Return the rows of a list; a null or invalid row has no id. Raise IonUnreadableError."""
    if page is None:
        raise IonUnreadableError(f"ION answered no {resource.title.lower()}")
    edges: Any = cast("dict[str, Any]", page).get("edges") if isinstance(page, dict) else None
    if not isinstance(edges, list):
        raise IonUnreadableError(f"ION's list of {resource.title.lower()} is not a list")
    rows: list[Row] = []
    for edge in cast("list[Any]", edges):
        node: Any = cast("dict[str, Any]", edge).get("node") if isinstance(edge, dict) else None
        shown = cast("dict[str, Any]", node) if isinstance(node, dict) else {}
        id_ = shown.get(resource.key[0])
        if resource.numbered:
            id_ = str(int(id_)) if isinstance(id_, int | str) and is_id(id_) else None
        elif not isinstance(id_, str) or not 0 < len(id_) <= LONGEST_ID:
            id_ = None
        rows.append(Row(id_, shown))
    return rows


def check_order(resource: Resource, rows: Sequence[Row], after: str | None, *, dated: bool) -> None:
    """Raise IonUnreadableError for repeated ids, or for ids that are not in order after the key."""
    ids = [row.id for row in rows if row.id is not None]
    if len(set(ids)) < len(ids):
        raise IonUnreadableError(f"ION lists one of the {resource.title.lower()} more than once")
    if dated or not resource.numbered:
        return
    numbers = [int(after or 0) - (after is None), *map(int, ids)]
    if any(later <= earlier for earlier, later in itertools.pairwise(numbers)):
        raise IonUnreadableError(
            f"ION lists {resource.title.lower()} in a different order than requested"
        )


def select_requested(rows: Sequence[Row], ids: Collection[str]) -> tuple[list[Row], int]:
    """Return the rows of requested objects, and the number of other rows.

    An object with two different contents counts as another row, because its content is unknown.
    """
    wanted = set(ids)
    found: dict[str, Row] = {}
    ambiguous: set[str] = set()
    others = 0
    for row in rows:
        if row.id is None or row.id not in wanted:
            others += 1
        elif row.id in found and found[row.id].node != row.node:
            ambiguous.add(row.id)
        else:
            found[row.id] = row
    return [row for id_, row in found.items() if id_ not in ambiguous], others + len(ambiguous)
