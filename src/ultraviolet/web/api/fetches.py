"""API: fetches and their progress."""

from typing import Literal

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.web.http.pagination import Cursor, Limit, Page, number, page_of
from ultraviolet.web.middleware.auth import OPERATOR, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.queries import fetches
from ultraviolet.web.queries.fetches import Fetch, FetchDetail, FetchFilter

TAGS = ["fetches"]


class NewFetch(msgspec.Struct, forbid_unknown_fields=True):
    """A sync to start."""

    mode: Literal["incremental", "full"] = "incremental"
    accept_absence: bool = False
    """Delete objects that ION no longer returns, even if they are so many that the API key may have
    lost a permission instead."""


@get("/integrations/{integration:str}/fetches", guards=VIEWER)
async def list_fetches(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Fetch]:
    """List syncs.

    Newest first.
    """
    before = number(cursor)

    def read(connection: Connection) -> list[Fetch]:
        return fetches.list_fetches(
            connection,
            FetchFilter(integrations.find(connection, integration).id),
            before,
            limit + 1,
        )

    return page_of(await hub.database.read(read), limit, lambda fetch: fetch.id)


@post("/integrations/{integration:str}/fetches", guards=OPERATOR)
async def create_fetch(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    data: JSONBody[NewFetch | None] = None,
) -> FetchDetail:
    """Start sync.

    It runs in the background; `GET /fetches/{fetch_id}` returns its progress.
    """
    found = await hub.database.read(integrations.find, integration)
    new = data or NewFetch()
    fetch_id = await hub.requests.start_fetch(
        found.id, new.mode, caller.name, accept_absence=new.accept_absence
    )
    return await hub.database.read(fetches.get_fetch, fetch_id)


@get("/fetches/{fetch_id:int}", guards=VIEWER)
async def get_fetch(hub: GivenHub, fetch_id: FromPath[int]) -> FetchDetail:
    """Get sync.

    Includes the progress of each resource.
    """
    return await hub.database.read(fetches.get_fetch, fetch_id)
