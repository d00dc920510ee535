"""API: everything of a resource as one file, streamed."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.hub.hub import Hub
from ultraviolet.ion.catalog import Resource
from ultraviolet.mirror import export
from ultraviolet.mirror.export import MEDIA_TYPES, Format
from ultraviolet.web.api.filters import IntegrationName, one
from ultraviolet.web.gate import GivenHub, at_least
from ultraviolet.web.reading import objects

AsFormat = Annotated[
    Format, QueryParameter(name="format", required=False, description="csv, jsonl (JSON lines) or parquet.")
]


@get("/exports/{resource:str}", guards=[at_least("viewer")], tags=["objects"], media_type="text/csv")
async def export_resource(
    hub: GivenHub, resource: FromPath[str], integration: IntegrationName = None, as_format: AsFormat = "csv"
) -> Stream:
    """Download all objects of a resource that are not deleted, with the columns of its SQL view."""
    known = objects.resource_of(hub.catalog, resource)

    def named(connection: Connection) -> str:
        return integrations.get(connection, one(connection, integration)).name

    name = await hub.store.read(named)
    made = export.writer(as_format, export.column_types(hub.catalog, known))
    return Stream(
        _pieces(hub, known, name, made),
        media_type=MEDIA_TYPES[as_format],
        headers={"content-disposition": f'attachment; filename="{known.name}.{as_format}"'},
    )


async def _pieces(hub: Hub, resource: Resource, name: str, made: export.Writer) -> AsyncIterator[bytes]:
    after = ""
    while True:
        rows = await hub.store.read(lambda c, last=after: export.piece(c, resource, name, last))
        if not rows.rows:
            break
        yield made.write(rows.rows)
        after = rows.rows[-1][rows.columns.index("id")]
    yield made.end()


HANDLERS = [export_resource]
