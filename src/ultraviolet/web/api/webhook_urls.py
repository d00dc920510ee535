"""API: webhook URLs; only the answers to minting and rotating carry the URL itself."""

from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.hub import Hub
from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.http.pagination import Page, full_page
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.middleware.etags import IfMatch, check_if_match


class NewUrl(msgspec.Struct, forbid_unknown_fields=True):
    """A URL to mint."""

    name: str = webhook_setup.RECEIVER_NAME


class CreatedUrl(WebhookUrl, frozen=True, kw_only=True):
    """A new URL; `url` is shown here and never again."""

    url: str


class RotatedUrl(CreatedUrl, frozen=True, kw_only=True):
    """A successor; `moved` tells whether ION posts to it already, `detail` what is left to do."""

    moved: bool
    detail: str


@get(
    "/integrations/{integration:str}/webhook-urls",
    guards=[require_role("viewer")],
    tags=["webhook URLs"],
)
async def list_webhook_urls(hub: GivenHub, integration: FromPath[str]) -> Page[WebhookUrl]:
    """List the URLs of an integration, newest first."""

    def read(connection: Connection) -> list[WebhookUrl]:
        return webhook_urls.list_urls(connection, integrations.find(connection, integration).id)

    return full_page(await hub.database.read(read))


@post(
    "/integrations/{integration:str}/webhook-urls",
    guards=[require_role("admin")],
    tags=["webhook URLs"],
)
async def create_webhook_url(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[NewUrl | None] = None,
) -> CreatedUrl:
    """Mint a URL; this answer alone carries it."""
    name = (data or NewUrl()).name

    def write(connection: Connection) -> tuple[WebhookUrl, str]:
        found = integrations.find(connection, integration)
        return webhook_urls.create_url(connection, caller.name, found.id, name)

    return await _minted(hub, *await hub.database.write(write))


@get("/webhook-urls/{url_id:int}", guards=[require_role("viewer")], tags=["webhook URLs"])
async def get_webhook_url(hub: GivenHub, url_id: FromPath[int]) -> WebhookUrl:
    """Read one URL, without its secret part."""
    return await hub.database.read(webhook_urls.get_url, url_id)


@post("/webhook-urls/{url_id:int}/rotate", guards=[require_role("admin")], tags=["webhook URLs"])
async def rotate_webhook_url(
    hub: GivenHub, caller: GivenCaller, url_id: FromPath[int]
) -> RotatedUrl:
    """Mint a successor and, where the hub may, have ION post to it.

    Both work until the first delivery on the new one, the old one 24 hours at most.
    """
    rotated = await webhook_setup.rotate_url(hub.connections, caller.name, url_id)
    await hub.ingest.refresh()
    values: dict[str, Any] = msgspec.structs.asdict(rotated.webhook_url)
    return RotatedUrl(**values, url=rotated.url, moved=rotated.moved, detail=rotated.detail)


@delete(
    "/webhook-urls/{url_id:int}",
    guards=[require_role("admin")],
    status_code=200,
    tags=["webhook URLs"],
)
async def revoke_webhook_url(
    hub: GivenHub, caller: GivenCaller, url_id: FromPath[int], if_match: IfMatch = None
) -> WebhookUrl:
    """End a URL at once."""

    def write(connection: Connection) -> WebhookUrl:
        check_if_match(if_match, webhook_urls.get_url(connection, url_id, to_change=True))
        return webhook_urls.revoke_url(connection, caller.name, url_id)

    ended = await hub.database.write(write)
    await hub.ingest.refresh()
    return ended


async def _minted(hub: Hub, made: WebhookUrl, token: str) -> CreatedUrl:
    await hub.ingest.refresh()
    values: dict[str, Any] = msgspec.structs.asdict(made)
    return CreatedUrl(**values, url=webhook_urls.public_address(hub.public_url, token))


HANDLERS = [
    list_webhook_urls,
    create_webhook_url,
    get_webhook_url,
    rotate_webhook_url,
    revoke_webhook_url,
]
