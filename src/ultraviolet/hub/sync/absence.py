"""Decide whether objects that a full fetch did not list are deleted in ION.

A key that can read less than before shows shorter lists. More unlisted objects than expected are
therefore treated as hidden, unless ION reported their deletion or the user accepted it.
"""

from sqlalchemy import Connection, select, text

from ultraviolet.command_text import command
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.db.tables.sync import fetches
from ultraviolet.errors import UltravioletError
from ultraviolet.ion.model import Resource

_MAX_UNREPORTED = 20
_MAX_UNREPORTED_SHARE = 0.1
"""Deletions without an event that are plausible: as many, or this share of all objects."""

_SELECT_UNLISTED = text(
    """SELECT id FROM objects WHERE integration_id = :integration AND resource = :resource
      AND deleted_at IS NULL AND (read_at IS NULL OR read_at < :started) AND id > :after
    ORDER BY id LIMIT :limit"""
)
_COUNT_PASS = text(
    """SELECT count(*) AS held, count(*) FILTER (WHERE p.state = 'proving'
        AND (o.read_at IS NULL OR o.read_at < p.started_at)
        AND coalesce(s.reason, '') <> 'deletion') AS unlisted
    FROM objects AS o
      JOIN fetch_steps AS p ON p.fetch_id = :fetch AND p.resource = o.resource
      LEFT JOIN stale AS s
        ON s.integration_id = o.integration_id AND s.resource = o.resource AND s.id = o.id
    WHERE o.integration_id = :integration AND o.deleted_at IS NULL AND o.completeness = 'full'"""
)
_COUNT_RESOURCE = text(
    """SELECT count(*) AS held, count(*) FILTER (WHERE (o.read_at IS NULL OR o.read_at < :started)
        AND coalesce(s.reason, '') <> 'deletion') AS unlisted
    FROM objects AS o LEFT JOIN stale AS s
      ON s.integration_id = o.integration_id AND s.resource = o.resource AND s.id = o.id
    WHERE o.integration_id = :integration AND o.resource = :resource AND o.deleted_at IS NULL
      AND o.completeness = 'full'"""
)


class IncompleteError(UltravioletError):
    """ION did not list everything, and the hub deletes nothing because of it."""

    kind = "incomplete"
    status = 502
    exit_code = 7


def list_unlisted(
    connection: Connection, integration_id: int, resource: str, started: str, after: str, limit: int
) -> list[str]:
    """Return the ids of objects that were not read since the start of a pass."""
    parameters = {"integration": integration_id, "resource": resource, "started": started}
    page = {"after": after, "limit": limit}
    return list(connection.execute(_SELECT_UNLISTED, parameters | page).scalars())


def check_pass(
    connection: Connection, integration_id: int, fetch_id: int
) -> IncompleteError | None:
    """Return an error if all lists of a fetch together miss more objects than plausible.

    A restricted key may miss a few objects of each resource, which no single resource reveals.
    """
    parameters = {"integration": integration_id, "fetch": fetch_id}
    counts = connection.execute(_COUNT_PASS, parameters).one()
    if not _is_implausible(counts.held, counts.unlisted) or _is_accepted(connection, fetch_id):
        return None
    return _incomplete_error(connection, integration_id, counts.held, counts.unlisted, "objects")


def check_resource(
    connection: Connection, integration_id: int, fetch_id: int, resource: Resource, started: str
) -> None:
    """Raise IncompleteError if a list misses more objects than plausible, or all."""
    parameters = {"integration": integration_id, "resource": resource.name, "started": started}
    held, unlisted = connection.execute(_COUNT_RESOURCE, parameters).one()
    implausible = unlisted == held > 1 or _is_implausible(held, unlisted)
    if implausible and not _is_accepted(connection, fetch_id):
        raise _incomplete_error(connection, integration_id, held, unlisted, resource.title.lower())


def _is_implausible(held: int, unlisted: int) -> bool:
    return unlisted > max(_MAX_UNREPORTED, _MAX_UNREPORTED_SHARE * held)


def _is_accepted(connection: Connection, fetch_id: int) -> bool:
    query = select(fetches.c.accept_absence).where(fetches.c.id == fetch_id)
    return bool(connection.execute(query).scalar())


def _incomplete_error(
    connection: Connection, integration_id: int, held: int, unlisted: int, title: str
) -> IncompleteError:
    query = select(integrations.c.name).where(integrations.c.id == integration_id)
    name = str(connection.execute(query).scalar_one())
    accept = command("fetch run", name, mode="full", accept_absence=True)
    return IncompleteError(
        f"ION shows {held - unlisted} of {held} {title} in the mirror and reported no deletions."
        " Nothing was deleted. Check the permissions of the API key. If the objects are really"
        f" deleted, run `{accept}`."
    )
