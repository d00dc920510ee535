"""The choice of resources: which of them an integration mirrors, and what follows from choosing others.

What is not chosen any more is kept as it was, with its history, and not followed: not read, not fetched, not compared. What is
chosen again counts as never proven until it was read whole.
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
from ultraviolet.ion.queries import OfferedSchema

SelectedResources = Sequence[str] | None
"""Names of resources; None means all."""

_TITLES = {
    "bom": "Bills of materials",
    "people": "People and permissions",
    "shared": "Shared by all",
}


class SelectableResource(msgspec.Struct, frozen=True):
    """A resource that can be mirrored."""

    resource: str
    title: str
    domain: str
    chosen: bool
    offered: bool
    """Whether this ION has it, as far as the last test told."""
    objects: int
    """How many the mirror has, those of resources that are not followed any more included."""


def check_selection(wanted: SelectedResources) -> list[str] | None:
    """Bring chosen names into form; all of them are None, so that resources ION adds later are chosen too."""
    if wanted is None:
        return None
    catalog = load_catalog()
    found = {name: catalog.resolve(name) for name in wanted}
    known = {each.name for each in found.values() if each and each in catalog.mirrorable}
    unknown = sorted(name for name, each in found.items() if each is None or each.name not in known)
    if unknown:
        raise InvalidError(f"{', '.join(unknown)}: not a resource that is mirrored")
    if not known:
        raise InvalidError(
            "Choose at least one resource; to read nothing for a while, pause the integration"
        )
    return None if len(known) == len(catalog.mirrorable) else sorted(known)


def list_selectable(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    chosen: SelectedResources,
    offered: OfferedSchema,
) -> list[SelectableResource]:
    """Return every resource that can be mirrored, by domain, with how many objects there are."""
    here = objects.c.integration_id == integration_id
    query = select(objects.c.resource, func.count()).where(here).group_by(objects.c.resource)
    counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(query.where(BY_CHANGE))}
    # Those deleted are counted apart: all and these have an index each, the rest has none.
    for name, gone in connection.execute(query.where(objects.c.deleted_at.is_not(None))):
        counts[name] -= gone
    followed = catalog.following(chosen)
    found = [
        SelectableResource(
            each.name,
            each.title,
            _TITLES.get(each.domain, each.domain.capitalize()),
            followed.follows(each.name),
            offered.reads(each),
            counts.get(each.name, 0),
        )
        for each in catalog.mirrorable
    ]
    return sorted(found, key=lambda one: (one.domain, one.title))


def select_resources(
    connection: Connection,
    actor: str,
    integration_id: int,
    before: SelectedResources,
    after: SelectedResources,
) -> None:
    """Let go of what is not chosen any more, and have what is newly chosen read whole."""
    whole = {each.name for each in load_catalog().mirrorable}
    was, now = (whole if chosen is None else set(chosen) for chosen in (before, after))
    if was - now:
        _let_go(connection, integration_id, sorted(was - now))
    if now - was:
        _take_up(connection, actor, integration_id, sorted(now - was))


def _let_go(connection: Connection, integration_id: int, names: Sequence[str]) -> None:
    gone = delete(stale).where(
        stale.c.integration_id == integration_id, stale.c.resource.in_(names)
    )
    connection.execute(gone)
    steps, over = fetch_steps.c, ("done", "failed", "skipped")
    left = update(fetch_steps).where(
        steps.fetch_id.in_(_running(fetches, integration_id)),
        steps.resource.in_(names),
        steps.state.not_in(over),
    )
    connection.execute(
        left.values(state="skipped", error="Not chosen any more", finished_at=clock.now_rfc3339())
    )
    compared = verification_steps.c
    connection.execute(
        delete(verification_steps).where(
            compared.verification_id.in_(_running(verifications, integration_id)),
            compared.resource.in_(names),
        )
    )


def _take_up(connection: Connection, actor: str, integration_id: int, names: Sequence[str]) -> None:
    marks, steps = watermarks.c, fetch_steps.c
    mine = marks.integration_id == integration_id, marks.resource.in_(names)
    connection.execute(delete(watermarks).where(*mine))
    rows = [{"integration_id": integration_id, "resource": name} for name in names]
    connection.execute(insert(watermarks), rows)
    # ION posts them only from the next set-up on: then everything is read once more.
    posts = update(webhook_urls).where(webhook_urls.c.integration_id == integration_id)
    connection.execute(posts.values(subscribed_at=None))
    connection.execute(
        delete(fetch_steps).where(
            steps.fetch_id.in_(_running(fetches, integration_id)),
            steps.resource.in_(names),
            steps.state == "skipped",
        )
    )
    fetch.request_fetch(connection, integration_id, "incremental", actor)


def _running(table: Table, integration_id: int) -> Select[int]:
    return select(table.c.id).where(
        table.c.integration_id == integration_id, table.c.state == "running"
    )
