"""API: webhook URLs. Only the responses that create or rotate one contain the URL itself."""

from typing import Any

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.ingest import webhook_urls
from ultraviolet.hub.ingest.webhook_urls import WebhookUrl
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.integrations import webhook_setup
from ultraviolet.web.http.pagination import Cursor, Limit, Page, part_of
from ultraviolet.web.http.params import in_integration
from ultraviolet.web.middleware.auth import ADMIN, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.middleware.etags import IfMatch, check_if_match

TAGS = ["webhook URLs"]


class NewWebhookUrl(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook URL to create."""

    name: str = webhook_setup.RECEIVER_NAME


class CreatedWebhookUrl(WebhookUrl, frozen=True, kw_only=True):
    """A new webhook URL; `url` is shown only once."""

    url: str


class RotatedWebhookUrl(CreatedWebhookUrl, frozen=True, kw_only=True):
    """The new webhook URL.

    `moved` is true if ION already posts to it, `detail` has the next step.
    """

    moved: bool
    detail: str


@get("/integrations/{integration:str}/webhook-urls", guards=VIEWER)
async def list_webhook_urls(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 1000
) -> Page[WebhookUrl]:
    """List webhook URLs.

    Newest first.
    """
    found = await hub.database.read(in_integration, integration, webhook_urls.list_urls)
    return part_of(found, cursor, limit)


@post("/integrations/{integration:str}/webhook-urls", guards=ADMIN)
async def create_webhook_url(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[NewWebhookUrl | None] = None,
) -> CreatedWebhookUrl:
    """Create webhook URL.

    Only this response contains the URL.
    """
    name = (data or NewWebhookUrl()).name

    def write(connection: Connection) -> tuple[WebhookUrl, str]:
        found = integrations.find(connection, integration)
        return webhook_urls.create_url(connection, caller.name, found.id, name)

    created, token = await hub.database.write(write)
    await hub.ingest.refresh()
    values: dict[str, Any] = msgspec.structs.asdict(created)
    return CreatedWebhookUrl(**values, url=webhook_urls.public_address(hub.public_url, token))


@get("/webhook-urls/{url_id:int}", guards=VIEWER)
async def get_webhook_url(hub: GivenHub, url_id: FromPath[int]) -> WebhookUrl:
    """Get webhook URL.

    The secret part is not included.
    """
    return await hub.database.read(webhook_urls.get_url, url_id)


@post("/webhook-urls/{url_id:int}/rotate", guards=ADMIN)
async def rotate_webhook_url(
    hub: GivenHub, caller: GivenCaller, url_id: FromPath[int]
) -> RotatedWebhookUrl:
    """Rotate webhook URL.

    Creates a new URL and, if ION's permissions allow it, changes the receiver in ION. The old URL
    works until the first delivery to the new one, at most 24 hours.
    """
    rotated = await webhook_setup.rotate_url(hub.connections, caller.name, url_id)
    await hub.ingest.refresh()
    values: dict[str, Any] = msgspec.structs.asdict(rotated.webhook_url)
    return RotatedWebhookUrl(**values, url=rotated.url, moved=rotated.moved, detail=rotated.detail)


@delete("/webhook-urls/{url_id:int}", guards=ADMIN, status_code=200)
async def revoke_webhook_url(
    hub: GivenHub, caller: GivenCaller, url_id: FromPath[int], if_match: IfMatch = None
) -> WebhookUrl:
    """Revoke webhook URL.

    It stops working immediately.
    """

    def write(connection: Connection) -> WebhookUrl:
        check_if_match(if_match, webhook_urls.get_url(connection, url_id, to_change=True))
        return webhook_urls.revoke_url(connection, caller.name, url_id)

    revoked = await hub.database.write(write)
    await hub.ingest.refresh()
    return revoked
