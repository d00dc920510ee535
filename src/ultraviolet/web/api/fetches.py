"""API: fetches and how far they are."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.queries import fetches
from ultraviolet.web.queries.fetches import Fetch, FetchDetail, FetchFilter


class NewFetch(msgspec.Struct, forbid_unknown_fields=True):
    """Which kind of pass to begin."""

    mode: Literal["incremental", "full"] = "incremental"
    accept_absence: bool = False
    """Delete what ION does not show any more, even where it is so much that the key may rather have lost a permission."""


@get("/integrations/{integration:str}/fetches", guards=[require_role("viewer")], tags=["fetches"])
async def list_fetches(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Fetch]:
    """List the fetches of an integration, newest first."""
    before = number(cursor)

    def read(connection: Connection) -> list[Fetch]:
        return fetches.list_fetches(
            connection,
            FetchFilter(integrations.find(connection, integration).id),
            before,
            limit + 1,
        )

    return page_of(await hub.database.read(read), limit, lambda fetch: fetch.id)


@post(
    "/integrations/{integration:str}/fetches", guards=[require_role("operator")], tags=["fetches"]
)
async def start_fetch(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[NewFetch | None] = None,
) -> FetchDetail:
    """Begin a fetch; it goes on by itself, `GET /fetches/{id}` tells how far it is."""
    found = await hub.database.read(integrations.find, integration)
    wanted = data or NewFetch()
    fetch_id = await hub.requests.start_fetch(
        found.id, wanted.mode, caller.name, accept_absence=wanted.accept_absence
    )
    return await hub.database.read(fetches.get_fetch, fetch_id)


@get("/fetches/{fetch_id:int}", guards=[require_role("viewer")], tags=["fetches"])
async def get_fetch(hub: GivenHub, fetch_id: FromPath[int]) -> FetchDetail:
    """Read one fetch with the progress of each resource."""
    return await hub.database.read(fetches.get_fetch, fetch_id)


HANDLERS = [list_fetches, start_fetch, get_fetch]
