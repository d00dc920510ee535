"""The selection of resources that an integration mirrors, and the effects of a change.

Deselected resources keep their objects and history but are not read, fetched or verified. Selected
resources count as never confirmed until they are read in full.
"""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, Select, Table, delete, func, insert, select, update

from ultraviolet import clock
from ultraviolet.db.tables.events import webhook_urls
from ultraviolet.db.tables.mirror import BY_CHANGE, objects
from ultraviolet.db.tables.sync import (
    fetch_steps,
    fetches,
    stale,
    verification_steps,
    verifications,
    watermarks,
)
from ultraviolet.errors import InvalidError
from ultraviolet.hub.sync import fetch
from ultraviolet.ion.catalog import Catalog, load_catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.queries import OfferedSchema

SelectedResources = Sequence[str] | None
"""Names of resources; None means all."""


class SelectableResource(msgspec.Struct, frozen=True):
    """A resource that can be mirrored."""

    resource: str
    title: str
    domain: str
    chosen: bool
    offered: bool
    """Whether ION offers it, according to the last connection test."""
    objects: int
    """Number of objects in the mirror, including those of deselected resources."""


def check_selection(wanted: SelectedResources) -> list[str] | None:
    """Normalize a selection; return None for all, which includes resources that ION adds later."""
    if wanted is None:
        return None
    catalog = load_catalog()
    found = {name: catalog.resolve(name) for name in wanted}
    known = {each.name for each in found.values() if each and each in catalog.mirrorable}
    unknown = sorted(name for name, each in found.items() if each is None or each.name not in known)
    if unknown:
        raise InvalidError(f"Unknown resource: {', '.join(unknown)}", field="resources")
    if not known:
        message = "Choose at least one resource. To stop syncing, pause the integration."
        raise InvalidError(message, field="resources")
    return None if len(known) == len(catalog.mirrorable) else sorted(known)


def list_selectable(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    chosen: SelectedResources,
    offered: OfferedSchema,
) -> list[SelectableResource]:
    """Return every resource that can be mirrored, by domain, with its number of objects."""
    here = objects.c.integration_id == integration_id
    query = select(objects.c.resource, func.count()).where(here).group_by(objects.c.resource)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query.where(BY_CHANGE))}
    # Subtract deleted objects: all objects and deleted ones have an index, the rest has not.
    for name, deleted in connection.execute(query.where(objects.c.deleted_at.is_not(None))):
        counts[name] -= deleted
    followed = catalog.following(chosen)
    found = [
        SelectableResource(
            each.name,
            each.title,
            resource_label(each.name).group,
            followed.follows(each.name),
            offered.reads(each),
            counts.get(each.name, 0),
        )
        for each in catalog.mirrorable
    ]
    return sorted(found, key=lambda one: (one.domain, one.title.casefold()))


def select_resources(
    connection: Connection,
    actor: str,
    integration_id: int,
    before: SelectedResources,
    after: SelectedResources,
) -> None:
    """Stop syncing deselected resources, and request a full read of newly selected ones."""
    every = {each.name for each in load_catalog().mirrorable}
    old, new = (every if chosen is None else set(chosen) for chosen in (before, after))
    marks, steps, compared = watermarks.c, fetch_steps.c, verification_steps.c
    in_running_fetch = steps.fetch_id.in_(_running(fetches, integration_id))
    if names := sorted(old - new):
        here = stale.c.integration_id == integration_id, stale.c.resource.in_(names)
        connection.execute(delete(stale).where(*here))
        open_steps = steps.resource.in_(names), steps.state.not_in(("done", "failed", "skipped"))
        connection.execute(
            update(fetch_steps)
            .where(in_running_fetch, *open_steps)
            .values(state="skipped", error="No longer selected", finished_at=clock.now_rfc3339())
        )
        connection.execute(
            delete(verification_steps).where(
                compared.verification_id.in_(_running(verifications, integration_id)),
                compared.resource.in_(names),
            )
        )
    if names := sorted(new - old):
        mine = marks.integration_id == integration_id, marks.resource.in_(names)
        connection.execute(delete(watermarks).where(*mine))
        rows = [{"integration_id": integration_id, "resource": name} for name in names]
        connection.execute(insert(watermarks), rows)
        # ION sends their events only after the next setup, which requests a full fetch.
        posts = update(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
        connection.execute(posts.values(subscribed_at=None))
        skipped = steps.resource.in_(names), steps.state == "skipped"
        connection.execute(delete(fetch_steps).where(in_running_fetch, *skipped))
        fetch.request_fetch(connection, integration_id, "incremental", actor)


def _running(table: Table, integration_id: int) -> Select[int]:
    return select(table.c.id).where(
        table.c.integration_id == integration_id, table.c.state == "running"
    )
