"""Changes of ION's schema: what ION no longer offers is left out from then on, and reported."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection, select, update

from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core import findings
from ultraviolet.hub.core.findings import NewFinding
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import IonError
from ultraviolet.ion.queries import OfferedSchema

_NAMED = 10
"""Fields that a sentence names."""

log = structlog.get_logger()


class _Hub(Protocol):
    @property
    def database(self) -> Database: ...
    @property
    def catalog(self) -> Catalog: ...
    async def client(self, integration_id: int) -> IonClient: ...


async def read_again(hub: _Hub, integration_id: int) -> OfferedSchema | None:
    """Read ION's schema, keep and report what changed; return what it offers, or None if it cannot be read."""
    try:
        found = await (await hub.client(integration_id)).introspect()
    except (IonError, KeyError, TypeError) as error:
        log.warning("schema.not_read", integration_id=integration_id, error=str(error))
        return None
    await hub.database.write(keep, hub.catalog, integration_id, found)
    useful = _useful(hub.catalog)
    return OfferedSchema({name: fields for name, fields in found.types.items() if name in useful})


def keep(
    connection: Connection, catalog: Catalog, integration_id: int, found: OfferedSchema
) -> bool:
    """Keep what ION offers, and report what it offered before and no longer does; return whether it differs."""
    here = integrations.c.id == integration_id
    offered = {name: sorted(found.types[name]) for name in _useful(catalog) if name in found.types}
    before = connection.execute(select(integrations.c.offered).where(here)).scalar()
    if offered == before:
        return False
    known = before or {
        name: sorted(fields) for name, fields in catalog.types().items() if name in offered
    }
    gone = _gone(known, offered)
    if gone:
        findings.add_findings(connection, integration_id, [_found(gone)])
        log.warning("schema.changed", integration_id=integration_id, gone=gone[:_NAMED])
    connection.execute(update(integrations).where(here).values(offered=offered))
    return True


def _gone(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    return sorted(
        f"{type_}.{field}"
        for type_, fields in before.items()
        for field in set(fields) - set(after.get(type_, ()))
    )


def _found(gone: list[str]) -> NewFinding:
    more = f" and {len(gone) - _NAMED} more" if len(gone) > _NAMED else ""
    sentence = (
        f"ION's schema changed: it does not have {', '.join(gone[:_NAMED])}{more}."
        " Objects are read without that; earlier values stay in the history"
    )
    step = "Check what uses these fields; the hub needs nothing"
    return NewFinding("schema", ", ".join(gone)[:200], sentence, step, repaired=True)


def _useful(catalog: Catalog) -> list[str]:
    names = {"Query", "Mutation", "ResourceEnum", "WebhookReceiver", "WebhookSubscription"}
    for resource in catalog.resources.values():
        names |= {resource.type, resource.filters or "", resource.sort or ""}
    return sorted(names - {""})
