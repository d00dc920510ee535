"""Pages without an integration in their address: select the last viewed one, or ask which one."""

from urllib.parse import parse_qsl, quote, urlencode

from litestar.datastructures import Cookie
from sqlalchemy import Connection, select

from ultraviolet.db.tables.mirror import objects
from ultraviolet.errors import NotFoundError
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import IntegrationRequiredError, integration_choices
from ultraviolet.web.middleware.auth import AnyRequest

_COOKIE = "ultraviolet_integration"
_MAX_AGE_SECONDS = 31_536_000


def integration_of_object(
    connection: Connection, name: str | None, resource: Resource, object_id: str
) -> int:
    """Return the id of an integration by name, or of the only one.

    Raise IntegrationRequiredError with those that have the object, NotFoundError if none has it.
    """
    if name:
        return integrations.find(connection, name).id
    choices = integration_choices(connection)
    if len(choices) == 1:
        return choices[0][0]
    known = objects.c
    having = select(known.integration_id).where(
        known.integration_id.in_([id_ for id_, _ in choices]),
        known.resource == resource.name,
        known.id == object_id,
    )
    found = set(connection.execute(having).scalars())
    if not found:
        kind = resource_label(resource.name).singular.lower()
        raise NotFoundError(f"No integration has a {kind} with the ID {object_id}.")
    raise IntegrationRequiredError([one for one in choices if one[0] in found], ask=True)


def page_addresses(request: AnyRequest, error: IntegrationRequiredError) -> list[tuple[str, str]]:
    """Return the address of the requested page, and the name, of each integration to offer.

    Without a need to ask, only those of the last viewed integration, or else of the first.
    """
    last = request.cookies.get(_COOKIE, "")
    selected = [choice for choice in error.choices if str(choice[0]) == last]
    offered = error.choices if error.ask else (selected or error.choices)[:1]
    query = parse_qsl(request.url.query, keep_blank_values=True)
    kept = [(key, value) for key, value in query if key != "integration"]
    path = quote(request.url.path)
    return [(f"{path}?{urlencode([*kept, ('integration', id_)])}", name) for id_, name in offered]


def viewed_integration(request: AnyRequest) -> list[Cookie]:
    """Return the cookie that remembers the integration of a page, if it changes."""
    viewed = str(
        request.path_params.get("integration_id") or request.query_params.get("integration") or ""
    )
    is_update = "hx-request" in request.headers  # by a page in the background
    if is_update or not (viewed.isascii() and viewed.isdecimal()):
        return []
    if viewed == request.cookies.get(_COOKIE):
        return []
    return [
        Cookie(
            key=_COOKIE,
            value=viewed,
            path="/",
            max_age=_MAX_AGE_SECONDS,
            samesite="lax",
            httponly=True,
        )
    ]
