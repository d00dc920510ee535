"""API: fetches and how far they are."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.web.api.paging import Cursor, Limit, Page, number, part
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least
from ultraviolet.web.reading import fetches
from ultraviolet.web.reading.fetches import Fetch, FetchDetail, FetchFilter


class NewFetch(msgspec.Struct, forbid_unknown_fields=True):
    """Which kind of pass to begin."""

    mode: Literal["incremental", "full"] = "incremental"
    accept_absence: bool = False
    """Delete what ION does not show any more, even where it is so much that the key may rather have lost a permission."""


@get("/integrations/{integration:str}/fetches", guards=[at_least("viewer")], tags=["fetches"])
async def list_fetches(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Fetch]:
    """List the fetches of an integration, newest first."""
    before = number(cursor)

    def read(connection: Connection) -> list[Fetch]:
        return fetches.recent(
            connection,
            FetchFilter(integrations.find(connection, integration).id),
            before,
            limit + 1,
        )

    return part(await hub.store.read(read), limit, lambda fetch: fetch.id)


@post("/integrations/{integration:str}/fetches", guards=[at_least("operator")], tags=["fetches"])
async def start_fetch(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[NewFetch | None] = None,
) -> FetchDetail:
    """Begin a fetch; it goes on by itself, `GET /fetches/{id}` tells how far it is."""
    found = await hub.store.read(lambda c: integrations.find(c, integration))
    wanted = data or NewFetch()
    fetch_id = await hub.start_fetch(
        found.id, wanted.mode, caller.name, accept_absence=wanted.accept_absence
    )
    return await hub.store.read(lambda c: fetches.one(c, fetch_id))


@get("/fetches/{fetch_id:int}", guards=[at_least("viewer")], tags=["fetches"])
async def get_fetch(hub: GivenHub, fetch_id: FromPath[int]) -> FetchDetail:
    """Read one fetch with the progress of each resource."""
    return await hub.store.read(lambda c: fetches.one(c, fetch_id))


HANDLERS = [list_fetches, start_fetch, get_fetch]
