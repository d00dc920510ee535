"""API: comparisons of the mirror with ION, how far they are, and every difference they found."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.sync.verification_store import Kind
from ultraviolet.web.http.pagination import Cursor, Limit, Page, decode, number, page_of
from ultraviolet.web.middleware.auth import GivenCaller, GivenHub, require_role
from ultraviolet.web.queries import objects, verifications
from ultraviolet.web.queries.verifications import DifferenceDetail, Verification

TAGS = ["verifications"]


@post("/integrations/{integration:str}/verify", guards=[require_role("operator")], tags=TAGS)
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
    found = await hub.database.read(integrations.find, integration)
    run = await hub.requests.verify(found.id, caller.name, wait=wait, sample=sample)
    answer = await hub.database.read(verifications.get_verification, run)
    return Response(answer, status_code=200 if wait else 202)


@get("/integrations/{integration:str}/verify", guards=[require_role("viewer")], tags=TAGS)
async def get_last_verification(hub: GivenHub, integration: FromPath[str]) -> Verification | None:
    """Read the newest comparison; null when there was none."""

    def read(connection: Connection) -> Verification | None:
        return verifications.last_verification(
            connection, integrations.find(connection, integration).id
        )

    return await hub.database.read(read)


@get("/integrations/{integration:str}/verifications", guards=[require_role("viewer")], tags=TAGS)
async def list_verifications(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Verification]:
    """List the comparisons of an integration, newest first."""
    before = number(cursor)

    def read(connection: Connection) -> list[Verification]:
        found = integrations.find(connection, integration).id
        return verifications.list_verifications(connection, found, before, limit + 1)

    return page_of(await hub.database.read(read), limit, lambda one: one.id)


@get("/verifications/{verification_id:int}", guards=[require_role("viewer")], tags=TAGS)
async def get_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Read one comparison: how far it is, and what came of it."""
    return await hub.database.read(verifications.get_verification, verification_id)


@get("/verifications/{verification_id:int}/differences", guards=[require_role("viewer")], tags=TAGS)
async def list_differences(
    hub: GivenHub,
    verification_id: FromPath[int],
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
    kind: Annotated[Kind | None, QueryParameter(required=False)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DifferenceDetail]:
    """List every difference: the object, and for each field what ION says and what the mirror says."""
    named = objects.resource_of(hub.catalog, resource).name if resource else None
    after = decode(cursor)

    def read(connection: Connection) -> list[DifferenceDetail]:
        verifications.get_verification(connection, verification_id)
        return verifications.list_differences(
            connection, verification_id, after, limit + 1, named, kind
        )

    return page_of(await hub.database.read(read), limit, verifications.place)


@post(
    "/verifications/{verification_id:int}/resume",
    guards=[require_role("operator")],
    status_code=202,
    tags=TAGS,
)
async def resume_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Let a failed comparison go on where it stopped."""
    await hub.requests.resume_verify(verification_id)
    return await hub.database.read(verifications.get_verification, verification_id)


HANDLERS = [
    verify_integration,
    get_last_verification,
    list_verifications,
    get_verification,
    list_differences,
    resume_verification,
]
