"""Page: the audit log with its filters."""

from urllib.parse import urlencode

from litestar import Response, get
from litestar.params import FromQuery
from sqlalchemy import Connection

from ultraviolet.clock import readable
from ultraviolet.hub.accounts import users
from ultraviolet.hub.core import audit
from ultraviolet.hub.core.audit import ACTIONS, AuditEntry
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.api.audit import AUDIT_PAGE_FILTER, GivenAuditFilter
from ultraviolet.web.http.pagination import number, page_of
from ultraviolet.web.middleware.auth import ADMIN, AnyRequest, GivenHub
from ultraviolet.web.pages.formats.audit import Known, action_label
from ultraviolet.web.pages.list_filters import list_chips
from ultraviolet.web.pages.templating import GivenRenderer

_PAGE_SIZE = 100
_NAMES = {
    "actor": "Actor",
    "action": "Action",
    "subject": "Target",
    "since": "From",
    "until": "Until",
}


@get("/settings/audit", guards=ADMIN, dependencies=AUDIT_PAGE_FILTER)
async def show_audit(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    matching: GivenAuditFilter,
    cursor: FromQuery[str | None] = None,
) -> Response[str]:
    """Show the entries of the audit log that match, newest first."""

    def read(connection: Connection) -> tuple[list[AuditEntry], Known]:
        known = Known(
            {one.name: one.id for one in integrations.list_page(connection)},
            {user.name: user.id for user in users.list_users(connection)},
            webhook_urls.ids_by_subject(connection),
        )
        return audit.list_recent(connection, number(cursor), _PAGE_SIZE + 1, matching), known

    found, known = await hub.database.read(read)
    page = page_of(found, _PAGE_SIZE, lambda entry: entry.seq)
    asked = dict(request.query_params)
    labels = {
        "action": action_label(matching.action or ""),
        "since": matching.since and readable(matching.since),
        "until": matching.until and readable(matching.until),
    }
    chips = list_chips(_NAMES, asked, labels)
    return render.page(
        request,
        "audit.html",
        entries=page.items,
        known=known,
        next=page.next,
        matching=matching,
        chips=chips,
        export_query=urlencode({name: asked[name] for name in _NAMES if asked.get(name)}),
        actions=sorted(ACTIONS.items(), key=lambda item: item[1]),
    )
