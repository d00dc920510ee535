"""Connections: ranges of a list and the response of one page."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from graphql import GraphQLError, GraphQLObjectType

from ultraviolet.ion.graphql_types import named_type, object_type
from ultraviolet.local_ion.graphql.filters import decode_cursor, encode_cursor
from ultraviolet.local_ion.graphql.selection import Nodes, OperationContext

Edges = Sequence[tuple[int, Any]]
"""The position and node of each edge."""
ResolveValue = Callable[[Any, Nodes, Any], Any]
"""Return the response of a value of a type for some nodes."""


class Page(msgspec.Struct, frozen=True):
    """One page of a list; its edges may already be JSON text."""

    edges: Edges | msgspec.Raw
    start: int
    count: int
    has_next: bool
    total: int | None

    def page_info(self) -> dict[str, Any]:
        """Return the values of PageInfo."""
        last = self.start + self.count - 1
        return {
            "hasNextPage": self.has_next,
            "hasPreviousPage": self.start > 0,
            "startCursor": encode_cursor(self.start) if self.count else None,
            "endCursor": encode_cursor(last) if self.count else None,
            "count": self.count,
            "totalCount": self.total,
        }


def page_range(args: Mapping[str, Any], total: int | None) -> tuple[int, int | None]:
    """Return the start and end of the page that first, after, last and before describe."""
    for name in ("first", "last"):
        if args.get(name) is not None and args[name] < 0:
            raise GraphQLError(f"Argument {name} must not be negative")
    after, before = decode_cursor(args.get("after")), decode_cursor(args.get("before"))
    start = 0 if after is None else after + 1
    end = total
    if before is not None:
        end = before if total is None else min(before, total)
    first, last = args.get("first"), args.get("last")
    if first is not None:
        end = start + first if end is None else min(end, start + first)
    if last is not None and end is not None:
        start = max(start, end - last)
    return start, end


def page_of(objects: Sequence[Any], args: Mapping[str, Any]) -> Page:
    """Return a page of objects in memory."""
    start, end = page_range(args, len(objects))
    shown = objects[start:end]
    has_next = start + len(shown) < len(objects)
    return Page(list(enumerate(shown, start)), start, len(shown), has_next, len(objects))


def render_connection(
    context: OperationContext,
    kind: GraphQLObjectType,
    nodes: Nodes,
    page: Page,
    resolve_value: ResolveValue,
    load_aggregates: Callable[[], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the response of a connection."""
    response: dict[str, Any] = {}
    for key, group in context.fields(kind, nodes).items():
        name = group[0].name.value
        if name == "__typename":
            response[key] = kind.name
        elif name == "edges":
            edge_type = object_type(kind.fields["edges"])
            names = [(k, g[0].name.value) for k, g in context.fields(edge_type, group).items()]
            response[key] = page.edges
            if not isinstance(page.edges, msgspec.Raw):
                values = (
                    {"node": n, "cursor": encode_cursor(i), "__typename": edge_type.name}
                    for i, n in page.edges
                )
                response[key] = [{k: edge[name] for k, name in names} for edge in values]
        else:
            value: Any = None
            if name == "pageInfo":
                value = page.page_info()
            elif name == "aggregates" and load_aggregates is not None:
                value = load_aggregates()
            response[key] = resolve_value(named_type(kind.fields[name]), group, value)
    return response
