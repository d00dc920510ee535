"""Shared query parameters: the integration and times."""

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
        description="Id or name of an integration. Optional if there is exactly one.",
    ),
]


Time = Annotated[str | None, QueryParameter(required=False, description="RFC 3339.")]


def parse_time(given: str | None) -> str | None:
    """Parse a time from a query parameter; raise InvalidError."""
    if given is None:
        return None
    try:
        # An unescaped plus sign arrives as a space.
        return normalize_rfc3339(given.replace(" ", "+"))
    except ValueError as error:
        raise InvalidError(f"{given} is not a valid time. Example: 2026-11-24T21:00:00Z") from error


def required_integration(connection: Connection, name: str | None) -> int:
    """Return the id of an integration by name, or of the only one.

    Raise NotFoundError or InvalidError.
    """
    if name:
        return integrations.find(connection, name).id
    ids = connection.execute(select(tables_integrations.integrations.c.id).limit(2)).scalars().all()
    if not ids:
        raise NotFoundError("No integration exists yet. Create one first.")
    if len(ids) > 1:
        raise InvalidError("Several integrations exist. Select one with `?integration=`.")
    return ids[0]


def optional_integration(connection: Connection, name: str | None) -> int | None:
    """Return the id of an integration by name; None without a name."""
    return integrations.find(connection, name).id if name else None
