"""Page: the audit log with its filters."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromQuery, QueryParameter

from ultraviolet import clock
from ultraviolet.errors import InvalidError
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.audit import ACTIONS, AuditFilter
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import AnyRequest, GivenHub, require_role
from ultraviolet.web.pages.templating import GivenRenderer

_SHOWN = 100


@get("/settings/audit", guards=[require_role("admin")], include_in_schema=False)
async def show_audit(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    actor: FromQuery[str | None] = None,
    action: FromQuery[str | None] = None,
    subject: FromQuery[str | None] = None,
    first_day: Annotated[str | None, QueryParameter(name="from", required=False)] = None,
    last_day: Annotated[str | None, QueryParameter(name="to", required=False)] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show the entries of the audit log that match, newest first."""
    since, until = _start_of(first_day, "from"), _start_of(last_day, "to", days=1)
    matching = AuditFilter(actor or None, action or None, subject or None, since, until)
    found = await hub.database.read(audit.list_recent, number(cursor), _SHOWN + 1, matching)
    page = page_of(found, _SHOWN, lambda entry: entry.seq)
    fields = {
        name: value for name in matching.__struct_fields__ if (value := getattr(matching, name))
    }
    return render.page(
        request,
        "audit.html",
        entries=page.items,
        next=page.next,
        matching=matching,
        days=(first_day or "", last_day or ""),
        filtered=bool(fields),
        export_query=urlencode(fields),
        actions=sorted(ACTIONS.items(), key=lambda item: item[1]),
    )


def _start_of(day: str | None, field: str, *, days: int = 0) -> str | None:
    """Return the start of a day (UTC), or of the one this many `days` later, as RFC 3339."""
    if not day:
        return None
    try:
        start = datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
        return clock.format_rfc3339(start + timedelta(days))
    except (ValueError, OverflowError) as error:
        raise InvalidError(f"{day} is not a valid day. Example: 2026-11-24", field=field) from error


HANDLERS = [show_audit]
