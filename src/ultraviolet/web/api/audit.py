"""API: the audit log, its filters and its export."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from ultraviolet.hub.core import audit
from ultraviolet.hub.core.audit import ACTIONS, AuditEntry, AuditFilter
from ultraviolet.mirror.export import MEDIA_TYPES, make_writer
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.http.params import parse_choice, parse_period
from ultraviolet.web.middleware.auth import ADMIN, GivenHub

TAGS = ["access"]

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
Moment = Annotated[
    str | None,
    QueryParameter(
        required=False, description="RFC 3339, or a date in UTC, whose end is that of the day."
    ),
]
ActionName = Annotated[
    str | None, QueryParameter(required=False, description="An action such as `key.create`.")
]


def _provide_filter(label: Callable[[str], str]) -> dict[str, Provide]:
    """Return what injects the filter of the request as `matching`; `label` names actions in errors."""

    def audit_filter(
        actor: NamePart = None,
        action: ActionName = None,
        subject: NamePart = None,
        since: Moment = None,
        until: Moment = None,
    ) -> AuditFilter:
        return AuditFilter(
            actor or None,
            parse_choice("action", action, ACTIONS, label),
            subject or None,
            *parse_period(since, until),
        )

    return {"matching": Provide(audit_filter, sync_to_thread=False)}


GivenAuditFilter = NamedDependency[AuditFilter]
AUDIT_FILTER = _provide_filter(str)
AUDIT_PAGE_FILTER = _provide_filter(ACTIONS.__getitem__)


@get("/audit", guards=ADMIN, dependencies=AUDIT_FILTER)
async def list_audit_entries(
    hub: GivenHub,
    matching: GivenAuditFilter,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[AuditEntry]:
    """List audit log entries.

    Newest first.
    """
    before = number(cursor)
    entries = await hub.database.read(audit.list_recent, before, limit + 1, matching)
    return page_of(entries, limit, lambda entry: entry.seq)


@get("/audit/export", guards=ADMIN, media_type="text/csv", dependencies=AUDIT_FILTER)
async def export_audit_entries(
    hub: GivenHub,
    matching: GivenAuditFilter,
    as_format: Annotated[Literal["csv", "jsonl"], QueryParameter(name="format")] = "csv",
) -> Stream:
    """Export audit log entries.

    Returns all entries that `GET /audit` lists for the same parameters, newest first.
    """
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
