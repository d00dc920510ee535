"""Changes of ION's schema: omit fields that ION no longer offers, and report them."""

import structlog
from sqlalchemy import Connection, select, update

from ultraviolet.db.database import Database
from ultraviolet.db.tables.integrations import integrations
from ultraviolet.hub.core import finding_store
from ultraviolet.hub.core.finding import Finding
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import IonClient
from ultraviolet.ion.errors import IonError
from ultraviolet.ion.queries import OfferedSchema

_MAX_LISTED_FIELDS = 10
"""Number of fields that a message lists."""

log = structlog.get_logger()


async def reload_schema(
    database: Database, catalog: Catalog, client: IonClient, integration_id: int
) -> OfferedSchema | None:
    """Read ION's schema, save it and report changes; return None if it cannot be read."""
    try:
        found = await client.introspect()
    except (IonError, KeyError, TypeError) as error:
        log.warning("schema.not_read", integration_id=integration_id, error=str(error))
        return None
    await database.write(save_schema, catalog, integration_id, found)
    useful = _useful(catalog)
    return OfferedSchema({name: fields for name, fields in found.types.items() if name in useful})


def save_schema(
    connection: Connection, catalog: Catalog, integration_id: int, found: OfferedSchema
) -> bool:
    """Save the schema that ION offers and report removed fields; return whether it changed."""
    here = integrations.c.id == integration_id
    offered = {name: sorted(found.types[name]) for name in _useful(catalog) if name in found.types}
    before = connection.execute(select(integrations.c.offered).where(here)).scalar()
    if offered == before:
        return False
    known = before or {
        name: sorted(fields) for name, fields in catalog.types().items() if name in offered
    }
    removed = sorted(
        f"{type_}.{field}"
        for type_, fields in known.items()
        for field in set(fields) - set(offered.get(type_, ()))
    )
    if removed:
        listed, more = ", ".join(removed[:_MAX_LISTED_FIELDS]), len(removed) - _MAX_LISTED_FIELDS
        finding = Finding(
            "schema",
            "warning",
            f"ION's schema changed: it no longer has {listed}"
            f"{f' and {more} more' if more > 0 else ''}."
            " Objects are read without these fields; earlier values remain in the history",
            "Check reports and queries that use these fields; the hub needs no change",
            subject=", ".join(removed)[:200],
            repaired=True,
        )
        finding_store.add_findings(connection, integration_id, [finding])
        log.warning(
            "schema.changed", integration_id=integration_id, removed=removed[:_MAX_LISTED_FIELDS]
        )
    connection.execute(update(integrations).where(here).values(offered=offered))
    return True


def _useful(catalog: Catalog) -> list[str]:
    names = {"Query", "Mutation", "ResourceEnum", "WebhookReceiver", "WebhookSubscription"}
    names |= {"BuildRequirement", "AbomInstallation"}  # parts of the documents of inventory
    for resource in catalog.resources.values():
        names |= {resource.type, resource.filters or "", resource.sort or ""}
    return sorted(names - {""})
