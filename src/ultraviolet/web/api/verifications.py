"""API: verifications, which compare the mirror with ION, and the differences they find."""

from typing import Annotated

from litestar import Response, get, post
from litestar.params import FromPath, QueryParameter
from sqlalchemy import Connection

from ultraviolet.hub.integrations import service as integrations
from ultraviolet.hub.sync.verification_store import Kind
from ultraviolet.web.http.pagination import Cursor, Limit, Page, decode, number, page_of
from ultraviolet.web.http.params import in_integration
from ultraviolet.web.middleware.auth import OPERATOR, VIEWER, GivenCaller, GivenHub
from ultraviolet.web.queries import objects, verifications
from ultraviolet.web.queries.verifications import DifferenceDetail, Verification

TAGS = ["verifications"]


@post("/integrations/{integration:str}/verifications", guards=OPERATOR)
async def create_verification(
    hub: GivenHub,
    caller: GivenCaller,
    integration: FromPath[str],
    wait: Annotated[bool, QueryParameter(description="If false, return 202 at once.")] = True,
    sample: Annotated[
        int | None,
        QueryParameter(
            required=False, ge=1, description="Approximate number of random objects. Default: all."
        ),
    ] = None,
) -> Response[Verification]:
    """Start verification.

    Compares every object and field of the mirror with ION.
    """
    found = await hub.database.read(integrations.find, integration)
    run_id = await hub.requests.verify(found.id, caller.name, wait=wait, sample=sample)
    run = await hub.database.read(verifications.get_verification, run_id)
    return Response(run, status_code=200 if wait else 202)


@get("/integrations/{integration:str}/verifications", guards=VIEWER)
async def list_verifications(
    hub: GivenHub, integration: FromPath[str], cursor: Cursor = None, limit: Limit = 100
) -> Page[Verification]:
    """List verifications.

    Newest first.
    """
    before = number(cursor)
    query = verifications.list_verifications
    found = await hub.database.read(in_integration, integration, query, before, limit + 1)
    return page_of(found, limit, lambda run: run.id)


@get("/verifications/{verification_id:int}", guards=VIEWER)
async def get_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Get verification.

    Includes its progress and result.
    """
    return await hub.database.read(verifications.get_verification, verification_id)


@get("/verifications/{verification_id:int}/differences", guards=VIEWER)
async def list_verification_differences(
    hub: GivenHub,
    verification_id: FromPath[int],
    resource: Annotated[str | None, QueryParameter(required=False)] = None,
    kind: Annotated[Kind | None, QueryParameter(required=False)] = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Page[DifferenceDetail]:
    """List differences.

    Each has the values of ION and of the mirror for every field that differs.
    """
    name = objects.resource_name(hub.catalog, resource)
    after = decode(cursor)

    def read(connection: Connection) -> list[DifferenceDetail]:
        verifications.get_verification(connection, verification_id)
        return verifications.list_differences(
            connection, verification_id, after, limit + 1, name, kind
        )

    return page_of(await hub.database.read(read), limit, verifications.difference_cursor)


@post("/verifications/{verification_id:int}/resume", guards=OPERATOR, status_code=202)
async def resume_verification(hub: GivenHub, verification_id: FromPath[int]) -> Verification:
    """Resume failed verification.

    It continues at its last position.
    """
    await hub.requests.resume_verify(verification_id)
    return await hub.database.read(verifications.get_verification, verification_id)
