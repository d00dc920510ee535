"""API: everything of a resource as one file, streamed."""

from collections.abc import AsyncIterator
from typing import Annotated

from litestar import get
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream
from sqlalchemy import Connection

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.model import Resource
from ultraviolet.mirror import export
from ultraviolet.mirror.export import MEDIA_TYPES, Format
from ultraviolet.web.http.params import IntegrationName, required_integration
from ultraviolet.web.middleware.auth import GivenHub, require_role
from ultraviolet.web.queries import objects

AsFormat = Annotated[
    Format,
    QueryParameter(
        name="format", required=False, description="csv, jsonl (JSON lines) or parquet."
    ),
]

ForSpreadsheets = Annotated[
    bool,
    QueryParameter(
        required=False,
        description="CSV that spreadsheets open safely: a byte order mark, and an apostrophe before formulas.",
    ),
]


@get(
    "/exports/{resource:str}",
    guards=[require_role("viewer")],
    tags=["objects"],
    media_type="text/csv",
)
async def export_resource(
    hub: GivenHub,
    resource: FromPath[str],
    integration: IntegrationName = None,
    as_format: AsFormat = "csv",
    for_spreadsheets: ForSpreadsheets = False,
) -> Stream:
    """Download all objects of a resource that are not deleted, with the columns of its SQL view."""
    known = objects.resource_of(hub.catalog, resource)

    def named(connection: Connection) -> tuple[int, str]:
        found = integrations.get(connection, required_integration(connection, integration))
        return found.id, found.name

    place = await hub.database.read(named)
    columns = export.column_types(hub.catalog, known)
    made = export.make_writer(as_format, columns, for_spreadsheets=for_spreadsheets)
    pieces = _pieces(hub, known, place, made)
    first = await anext(pieces)  # what fails here is still answered with an error
    return Stream(
        _all(first, pieces),
        media_type=MEDIA_TYPES[as_format],
        headers={"content-disposition": f'attachment; filename="{known.name}.{as_format}"'},
    )


async def _all(first: bytes, further: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in further:
        yield piece


async def _pieces(
    hub: Hub, resource: Resource, place: tuple[int, str], made: export.Writer
) -> AsyncIterator[bytes]:
    after = ""
    while True:

        def read(connection: Connection, last: str = after) -> tuple[export.Rows, bytes]:
            found = export.read_page(connection, hub.catalog, resource, place, last)
            return found, made.write(found.rows)

        rows, written = await hub.database.read(read)
        if not rows.rows:
            break
        yield written
        after = rows.rows[-1][rows.columns.index("id")]
    yield made.end()


HANDLERS = [export_resource]
