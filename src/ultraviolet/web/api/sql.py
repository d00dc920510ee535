"""API: SQL statements on the views and tables of the mirror."""

import asyncio
from typing import Annotated

import msgspec
from litestar import post
from litestar.params import JSONBody
from litestar.response import Stream

from ultraviolet.mirror.export import MEDIA_TYPES
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenCaller, GivenHub

TAGS = ["sql"]
_MAX_STATEMENT_CHARACTERS = 100_000
_MAX_TIMEOUT_SECONDS = 300


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An SQL statement."""

    statement: Annotated[str, msgspec.Meta(max_length=_MAX_STATEMENT_CHARACTERS)]
    """One statement in the SQL of the hub's database, SQLite or PostgreSQL."""
    timeout_seconds: Annotated[float, msgspec.Meta(ge=0.001, le=_MAX_TIMEOUT_SECONDS)] = 60
    """The statement is stopped after this time."""


@post("/sql", guards=VIEWER, status_code=200, media_type=MEDIA_TYPES["jsonl"])
async def run_sql(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, data: JSONBody[Statement]
) -> Stream:
    """Run SQL statement.

    Reads the views of the resources and the tables of the mirror, and never writes. Returns lines of
    JSON: first `{"columns": [{"name", "type"}]}`, then `{"rows": [[…]]}` in batches, at last
    `{"row_count"}`. If the statement fails after its first rows, the last line has `error` instead.
    Without one of these at its end, the result is incomplete.
    A hub runs three statements at once, at most two of them of one user or API key; a further one
    gets 429. Closing the connection stops a statement.
    A column of type `json` contains JSON as text; the type is null if the database does not know it.
    """
    started = asyncio.ensure_future(
        hub.statements.run(caller.actor.identity, data.statement, data.timeout_seconds)
    )
    # The body has been read, so the next message is the disconnect.
    lost = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((started, lost), return_when=asyncio.FIRST_COMPLETED)
        lines = started.result() if started.done() else iter(())  # else nobody reads
        return Stream(lines, media_type=MEDIA_TYPES["jsonl"])
    finally:
        started.cancel()
        lost.cancel()
