"""Pages without an integration in their address: add it to the address, or ask which one."""

from urllib.parse import parse_qsl, quote, urlencode

from litestar.datastructures import Cookie
from sqlalchemy import Connection, select

from ultraviolet.db.tables.mirror import objects
from ultraviolet.errors import NotFoundError
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import (
    IntegrationRequiredError,
    find_integration,
    integration_choices,
)
from ultraviolet.web.http.return_paths import referring_path
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
        return find_integration(connection, name).id
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
        kind = resource_label(resource.name).singular
        raise NotFoundError(
            f"No integration has a {kind.lower()} with the ID {object_id}."
            " Check the ID in ION, or start a sync.",
            subject=f"{kind} {object_id}",
        )
    raise IntegrationRequiredError([one for one in choices if one[0] in found], ask=True)


def listed_integration(connection: Connection, name: str | None) -> int:
    """Return the id of the integration that the address of a list names.

    Raise IntegrationRequiredError without a name: the address of a list keeps its meaning when
    another integration is added. Raise NotFoundError without integrations.
    """
    if name:
        return find_integration(connection, name).id
    raise IntegrationRequiredError(integration_choices(connection))


def page_addresses(request: AnyRequest, error: IntegrationRequiredError) -> list[tuple[str, str]]:
    """Return the address of the requested page, and the name, of each integration to offer.

    A page that the hub links to without parameters, such as by its navigation, is offered only
    for the last viewed integration. Any other address may be an old or shared one.
    """
    last = request.cookies.get(_COOKIE, "")
    from_hub = referring_path(request) not in ("", "/sign-in") and not request.url.query
    selected = [choice for choice in error.choices if str(choice[0]) == last]
    offered = selected if from_hub and selected and not error.ask else error.choices
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
