"""Query parameters that several lists share, and which integration a request means."""

from typing import Annotated

from litestar.params import QueryParameter
from sqlalchemy import Connection, select

from ultraviolet.clock import normalize_rfc3339
from ultraviolet.db.tables import integrations as tables_integrations
from ultraviolet.errors import InvalidError, NotFoundError
from ultraviolet.hub.integrations import service as integrations

IntegrationName = Annotated[
    str | None,
    QueryParameter(
        name="integration",
        required=False,
        description="An integration's number or name. May be left out when there is exactly one.",
    ),
]


Time = Annotated[str | None, QueryParameter(required=False, description="RFC 3339.")]


def parse_time(given: str | None) -> str | None:
    """Read a time as it came in a query; raises InvalidError."""
    if given is None:
        return None
    try:
        return normalize_rfc3339(
            given.replace(" ", "+")
        )  # a plus sign that was not escaped arrives as a space
    except ValueError as error:
        raise InvalidError(f"{given} is not a time; write one as 2026-11-24T21:00:00Z.") from error


def required_integration(connection: Connection, named: str | None) -> int:
    """Find the integration that is meant; raises NotFoundError or InvalidError with what to do."""
    if named:
        return integrations.find(connection, named).id
    ids = connection.execute(select(tables_integrations.integrations.c.id).limit(2)).scalars().all()
    if not ids:
        raise NotFoundError("There is no integration yet; create one first.")
    if len(ids) > 1:
        raise InvalidError("There are several integrations: say which one with `?integration=`.")
    return ids[0]


def optional_integration(connection: Connection, named: str | None) -> int | None:
    """Find the integration that is meant; None means all."""
    return integrations.find(connection, named).id if named else None
