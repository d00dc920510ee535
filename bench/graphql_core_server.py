"""The baseline of list pages: graphql-core's executor with one SQL statement per page.

`python -m bench.graphql_core_server DATA` prints its address. The server parses and validates each
document once, and has neither sign-in nor a framework, so it measures graphql-core alone.
"""

import asyncio
import functools
import sqlite3
import sys
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from graphql import (
    ExecutionResult,
    FieldNode,
    GraphQLResolveInfo,
    build_schema,
    execute_sync,
    parse,
    validate,
)
from graphql.language import DocumentNode

from ultraviolet.ion.catalog import Catalog, load_catalog
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.graphql.filters import column_sql
from ultraviolet.local_ion.server import open_listener
from ultraviolet.local_ion.store.columns import decoder


class Baseline:
    """Responds to `{ list(first, filters: {id: {gt}}) { edges { node { scalars } } } }`."""

    def __init__(self, catalog: Catalog, database: Path) -> None:
        self.schema = build_schema(catalog.sdl())
        self._connection = sqlite3.connect(
            f"file:{database}?mode=ro", uri=True, check_same_thread=False
        )
        root = self.schema.query_type
        assert root is not None
        for resource in catalog.resources.values():
            if resource.list:
                root.fields[resource.list].resolve = functools.partial(self._page, resource)

    @functools.cache  # noqa: B019  one object per process
    def document(self, text: str) -> DocumentNode:
        """Parse and validate a document, once."""
        found = parse(text)
        assert not validate(self.schema, found)
        return found

    def answer(self, body: bytes) -> bytes:
        """Return the response to a request."""
        asked = msgspec.json.decode(body)
        result = execute_sync(
            self.schema, self.document(asked["query"]), variable_values=asked["variables"]
        )
        assert isinstance(result, ExecutionResult)
        return msgspec.json.encode(result.formatted)

    def _page(self, resource: Resource, _: Any, info: GraphQLResolveInfo, **arguments: Any) -> Any:
        names, sql, decoders = self._statement(resource, tuple(info.field_nodes))
        last = arguments["filters"]["id"]["gt"]
        rows = self._connection.execute(sql, (last, arguments["first"])).fetchall()
        made = [
            {
                "node": dict(
                    zip(
                        names,
                        [d(v) if d else v for d, v in zip(decoders, row, strict=True)],
                        strict=True,
                    )
                )
            }
            for row in rows
        ]
        return {"edges": made}

    @functools.cache  # noqa: B019
    def _statement(
        self, resource: Resource, nodes: tuple[FieldNode, ...]
    ) -> tuple[list[str], str, list[Any]]:
        (edges,) = nodes[0].selection_set.selections
        (node,) = edges.selection_set.selections
        names = [n.name.value for n in node.selection_set.selections]
        fields = [resource.field(name) for name in names]
        columns = ", ".join(column_sql(resource, f, "t") for f in fields if f)
        sql = f'SELECT {columns} FROM "{resource.name}" t WHERE id > ? ORDER BY id LIMIT ?'
        return names, sql, [decoder(f) for f in fields if f]

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        """Handle one request."""
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        answer = self.answer(body)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


async def _serve(data: Path) -> None:
    app = Baseline(load_catalog(), data / "ion.db")
    with open_listener("127.0.0.1", 0) as listener:
        print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, lifespan="off", log_level="warning", access_log=False)
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
