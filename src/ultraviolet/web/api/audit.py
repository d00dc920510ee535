"""API: the audit log, its filters and its export."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from ultraviolet.hub.core import audit
from ultraviolet.hub.core.audit import AuditEntry, AuditFilter
from ultraviolet.mirror.export import MEDIA_TYPES, make_writer
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.http.params import Time, parse_time
from ultraviolet.web.middleware.auth import GivenHub, require_role

_ADMIN = [require_role("admin")]
_CHUNK_ENTRIES = 1000
_COLUMNS = {
    "seq": "integer",
    "at": "time",
    "actor": "text",
    "action": "text",
    "subject": "text",
    "detail": "json",
}
NamePart = Annotated[
    str | None, QueryParameter(required=False, description="Part of the name, in any case.")
]
ActionName = Annotated[
    str | None, QueryParameter(required=False, description="An action such as `key.create`.")
]


@get("/audit", guards=_ADMIN, tags=["access"])
async def list_audit_entries(
    hub: GivenHub,
    actor: NamePart = None,
    action: ActionName = None,
    subject: NamePart = None,
    since: Time = None,
    until: Time = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AuditEntry]:
    """List audit log entries.

    Newest first.
    """
    matching = AuditFilter(actor, action, subject, parse_time(since), parse_time(until))
    before = number(cursor)
    entries = await hub.database.read(audit.list_recent, before, limit + 1, matching)
    return page_of(entries, limit, lambda entry: entry.seq)


@get("/audit/export", guards=_ADMIN, tags=["access"], media_type="text/csv")
async def export_audit_entries(
    hub: GivenHub,
    actor: NamePart = None,
    action: ActionName = None,
    subject: NamePart = None,
    since: Time = None,
    until: Time = None,
    as_format: Annotated[Literal["csv", "jsonl"], QueryParameter(name="format")] = "csv",
) -> Stream:
    """Export audit log entries.

    Returns all entries that `GET /audit` lists for the same parameters, newest first.
    """
    matching = AuditFilter(actor, action, subject, parse_time(since), parse_time(until))
    matching.conditions()  # an error is a response, not the end of a stream
    writer = make_writer(as_format, _COLUMNS.items())

    async def stream() -> AsyncIterator[bytes]:
        before: int | None = None
        while entries := await hub.database.read(
            audit.list_recent, before, _CHUNK_ENTRIES, matching
        ):
            rows = [
                (
                    *(entry.seq, entry.at, entry.actor, entry.action, entry.subject),
                    None if entry.detail is None else msgspec.json.encode(entry.detail).decode(),
                )
                for entry in entries
            ]
            yield writer.write(rows)
            before = entries[-1].seq
        yield writer.end()

    return Stream(
        stream(),
        media_type=MEDIA_TYPES[as_format],
        headers={"content-disposition": f'attachment; filename="audit-log.{as_format}"'},
    )


HANDLERS = [list_audit_entries, export_audit_entries]
