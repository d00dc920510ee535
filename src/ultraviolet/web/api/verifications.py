"""API: comparisons of the mirror with ION, how far they are, and every difference they found."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub import integrations
from ultraviolet.hub.verifications import Kind
from ultraviolet.web.api.paging import Cursor, Limit, Page, decode, number, part
from ultraviolet.web.gate import GivenCaller, GivenHub, at_least
from ultraviolet.web.reading import objects, verifications
from ultraviolet.web.reading.verifications import DifferenceShown, Verification

TAGS = ["verifications"]


@post("/integrations/{integration:str}/verify", guards=[at_least("operator")], tags=TAGS)
async def verify_integration(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    wait: Annotated[bool, QueryParameter(description="false answers 202 at once.")] = True,
    sample: Annotated[
        int | None,
        QueryParameter(
            required=False, ge=1, description="About so many objects, at random; all if left out."
        ),
    ] = None,
) -> Response[Verification]:
    """Compare every object and field of the mirror with ION, as of now, and report."""
    found = await hub.store.read(lambda c: integrations.find(c, integration))
    run = await hub.verify(found.id, caller.name, wait=wait, sample=sample)
    answer = await hub.store.read(lambda c: verifications.one(c, run))
    return Response(answer, status_code=200 if wait else 202)


@get("/integrations/{integration:str}/verify", guards=[at_least("viewer")], tags=TAGS)
async def get_last_verification(hub: GivenHub, integration: FromPath[str]) -> Verification | None:
    """Read the newest comparison; null when there was none."""

    def read(connection: Connection) -> Verification | None:
        return verifications.last(connection, integrations.find(connection, integration).id)

    return await hub.store.read(read)


@get("/integrations/{integration:str}/verifications", guards=[at_least("viewer")], tags=TAGS)
async def list_verifications(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Verification]:
    """List the comparisons of an integration, newest first."""
    before = number(cursor)

    def read(connection: Connection) -> list[Verification]:
        found = integrations.find(connection, integration).id
        return verifications.recent(connection, found, before, limit + 1)

    return part(await hub.store.read(read), limit, lambda one: one.id)


@get("/verifications/{verification_id:int}", guards=[at_least("viewer")], tags=TAGS)
async def get_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Read one comparison: how far it is, and what came of it."""
    return await hub.store.read(lambda c: verifications.one(c, verification_id))


@get("/verifications/{verification_id:int}/differences", guards=[at_least("viewer")], tags=TAGS)
async def list_differences(
    hub: GivenHub,
    verification_id: FromPath[int],
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
    kind: Annotated[Kind | None, QueryParameter(required=False)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DifferenceShown]:
    """List every difference: the object, and for each field what ION says and what the mirror says."""
    named = objects.resource_of(hub.catalog, resource).name if resource else None
    after = decode(cursor)

    def read(connection: Connection) -> list[DifferenceShown]:
        verifications.one(connection, verification_id)
        return verifications.found(connection, verification_id, after, limit + 1, named, kind)

    return part(await hub.store.read(read), limit, verifications.place)


@post(
    "/verifications/{verification_id:int}/resume",
    guards=[at_least("operator")],
    status_code=202,
    tags=TAGS,
)
async def resume_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Let a failed comparison go on where it stopped."""
    await hub.resume_verify(verification_id)
    return await hub.store.read(lambda c: verifications.one(c, verification_id))


HANDLERS = [
    verify_integration,
    get_last_verification,
    list_verifications,
    get_verification,
    list_differences,
    resume_verification,
]
