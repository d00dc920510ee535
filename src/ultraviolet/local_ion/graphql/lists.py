"""List queries: one page of a resource, as JSON text where possible."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import GraphQLObjectType
from msgspec import Raw

from ultraviolet.ion.graphql_types import object_type
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.graphql.connections import Edges, Page, page_range, render_connection
from ultraviolet.local_ion.graphql.filters import Conditions, column_sql, order_by, sort_sql
from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.graphql.selection import Nodes
from ultraviolet.local_ion.graphql.sql_compiler import CompiledPages

_PAGING_ARGUMENTS = {"filters", "sort", "distinctOn", "before", "after", "first", "last"}
ReadPage = Callable[[str, Sequence[Any], int, int | None], tuple[Edges | Raw, int, bool]]
"""Read edges: FROM clause, parameters, start, limit; return edges, count, whether more exist."""


class ListReader:
    """Reads list queries."""

    def __init__(self, reader: Reader, compiled_pages: CompiledPages | None) -> None:
        self._reader = reader
        self._context = reader.context
        self._compiled_pages = compiled_pages
        """Without it, edges are never JSON text."""

    def read(
        self, resource: Resource, kind: GraphQLObjectType, nodes: Nodes, args: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return one page of a connection."""
        source, params = self._source(resource, args)
        total = None
        page_info = self._context.child_nodes(kind, nodes, "pageInfo")
        needs_total = page_info and self._context.child_nodes(
            object_type(kind.fields["pageInfo"]), page_info, "totalCount"
        )
        if args.get("last") is not None or args.get("before") or needs_total:
            sql = f"SELECT count(*) FROM {source}"
            total = self._context.connection.execute(sql, params).fetchone()[0]
        start, end = page_range(args, total)
        limit = None if end is None else max(0, end - start)
        order = order_by(resource, args.get("sort"), "t")
        read = self._page_reader(resource, kind, nodes)
        edges, count, has_more = read(
            f"{source} ORDER BY {order} LIMIT ? OFFSET ?",
            (*params, -1 if limit is None else limit + 1, start),
            start,
            limit,
        )
        has_next = has_more if total is None else start + count < total
        page = Page(edges, start, count, has_next, total)

        def load_aggregates() -> dict[str, Any]:
            inventory = self._context.catalog.resources["parts_inventory"]
            available = next(f for f in inventory.fields if f.name == "quantityAvailable")
            free = column_sql(inventory, available, "t")
            sql = f"SELECT sum(t.quantity), sum({free}), count(*) FROM {source}"
            quantity, free, count = self._context.connection.execute(sql, params).fetchone()
            return {"sum": {"quantity": quantity, "quantityAvailable": free}, "count": count}

        return render_connection(
            self._context, kind, nodes, page, self._reader.value, load_aggregates
        )

    def _page_reader(self, resource: Resource, kind: GraphQLObjectType, nodes: Nodes) -> ReadPage:
        """Return a reader of edges, as JSON text if the selection can be compiled."""
        fields = self._context.fields(kind, nodes).values()
        groups = [group for group in fields if group[0].name.value == "edges"]

        def read(
            source: str, params: Sequence[Any], start: int, limit: int | None
        ) -> tuple[Edges | Raw, int, bool]:
            if self._compiled_pages is not None and len(groups) == 1:
                selected = (resource, object_type(kind.fields["edges"]), groups[0])
                page = self._compiled_pages.read(
                    self._context, selected, source, params, start, limit
                )
                if page is not None:
                    return page
            inner = self._context.connection_nodes(kind, nodes)
            selection = self._reader.selection(resource, inner)
            sql = f"SELECT {selection.sql()} FROM {source}"
            rows = self._context.connection.execute(sql, params).fetchall()
            objects = selection.objects(rows if limit is None else rows[:limit])
            return list(enumerate(objects, start)), len(objects), len(rows) > len(objects)

        return read

    def _source(self, resource: Resource, args: Mapping[str, Any]) -> tuple[str, list[Any]]:
        equal = {
            name: {"eq": value}
            for name, value in args.items()
            if name not in _PAGING_ARGUMENTS and value is not None
        }
        if equal.get("status"):
            equal["status"] = {"eq": str(args["status"]).lower()}
        conditions = Conditions(self._context.catalog)
        where, params = conditions.where(resource, args.get("filters"), "t")
        where_equal, equal_params = conditions.where(resource, equal, "t")
        source = f'"{resource.name}" t WHERE {where} AND {where_equal}'
        all_params = [*params, *equal_params]
        if not args.get("distinctOn"):
            return source, all_params
        groups = ", ".join(
            sort_sql(resource, name.rpartition("_")[0], "t") for name in args["distinctOn"]
        )
        ranked = (
            f"SELECT t.rowid AS one, row_number() OVER (PARTITION BY {groups}"
            f" ORDER BY {order_by(resource, args.get('sort'), 't')}) AS place FROM {source}"
        )
        first = f"SELECT one FROM ({ranked}) WHERE place = 1"
        return f'"{resource.name}" t WHERE t.rowid IN ({first})', all_params
