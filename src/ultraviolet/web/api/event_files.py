"""API: events as a file, out of one hub and into another."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from litestar import get, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from litestar.params import FromPath
from litestar.response import Stream

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import event_files
from ultraviolet.hub.ingest.event_files import ImportResult
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role

TAGS = ["events"]
LINES = "application/jsonl"


@dataclass
class LinesBody(Operation):
    """An operation that reads its body itself, of which its handler's signature does not tell."""

    def __post_init__(self) -> None:
        """Say what it takes."""
        lines = OpenAPIMediaType(Schema(type=OpenAPIType.STRING))
        self.request_body = RequestBody(
            {LINES: lines}, "One event a line, as `export` writes them.", required=True
        )


@get(
    "/integrations/{integration:str}/events/export",
    guards=[require_role("operator")],
    tags=TAGS,
    media_type=LINES,
)
async def export_events(hub: GivenHub, integration: FromPath[str]) -> Stream:
    """Download all events of an integration as JSON lines, raw bodies kept exactly."""
    found = await hub.database.read(integrations.find, integration)
    return Stream(
        _pieces(hub, found.id),
        media_type=LINES,
        headers={"content-disposition": f'attachment; filename="events-{found.id}.jsonl"'},
    )


@post(
    "/integrations/{integration:str}/events/import",
    guards=[require_role("admin")],
    status_code=200,
    tags=TAGS,
    operation_class=LinesBody,
)
async def import_events(
    hub: GivenHub, caller: GivenCaller, request: AnyRequest, integration: FromPath[str]
) -> ImportResult:
    """Take in JSON lines as `export` writes them, up to 4 MB a request; what is known already is not doubled."""
    lines = event_files.parse_lines(await request.body())
    found = await hub.database.read(integrations.find, integration)
    return await hub.requests.import_events(found.id, caller.name, lines)


async def _pieces(hub: Hub, integration_id: int) -> AsyncIterator[bytes]:
    after = 0
    while True:
        lines = await hub.database.read(event_files.export_chunk, integration_id, after)
        if not lines:
            return
        yield event_files.format_line(lines)
        after = lines[-1].seq


HANDLERS = [export_events, import_events]
