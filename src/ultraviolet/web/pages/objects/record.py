"""Page: one object with its key facts, fields, related objects and history."""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery, QueryParameter
from sqlalchemy import Connection

from ultraviolet import clock
from ultraviolet.clock import readable
from ultraviolet.db.tables.mirror import objects as objects_table
from ultraviolet.hub.health.data_notice import find_data_notice
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.ion.model import AUTHOR_KEYS, Resource
from ultraviolet.ion.queries import object_query
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.formats.addresses import runner
from ultraviolet.web.pages.integration_choice import integration_of_object
from ultraviolet.web.pages.objects.cells import Cell, attribute_cells, cells
from ultraviolet.web.pages.objects.history_slider import history_slider, moment
from ultraviolet.web.pages.objects.table import group_rank
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import history, links, objects, versions
from ultraviolet.web.queries.columns import TECHNICAL_FIELDS, columns
from ultraviolet.web.queries.field_paths import read_currencies
from ultraviolet.web.queries.history import ResourceScope
from ultraviolet.web.queries.object_lists.list_columns import selected_columns
from ultraviolet.web.queries.object_lists.order import Order
from ultraviolet.web.queries.objects import ObjectDetail, ObjectFilter
from ultraviolet.web.queries.versions import VersionDetail

_MAX_VERSIONS = 50
_MAX_RELATED_COLUMNS = 7
_MAX_ROWS = 5
"""Rows of a list that is not shown whole."""
_STATUS = "status"
_AUTHORS_AND_TIMES = AUTHOR_KEYS | {"_created", "_updated", "Created", "Updated"}
_STATES = {
    "stale": "Changed in ION. A re-read is pending.",
    "partial": "Known from events only. A full read is pending.",
    "deleted": "ION no longer has it. The last content and the history are kept.",
}


class Section(msgspec.Struct, frozen=True):
    """Fields under a heading, folded unless `open`."""

    title: str
    cells: list[Cell]
    open: bool = True


class Related(msgspec.Struct, frozen=True):
    """Objects of one resource that link to this object; `rows` has the values of the first ones.

    `count` is None if too many link to it to show those of an earlier time.
    """

    resource: str
    title: str
    field: str
    field_label: str
    count: int | None
    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


class Written(msgspec.Struct, frozen=True):
    """A resource whose objects a user may have created and updated, with the keys of these links."""

    resource: str
    title: str
    keys: list[str]


@get("/objects/{name:str}/{object_id:str}", guards=VIEWER)
async def show_object(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    name: FromPath[str],
    object_id: FromPath[str],
    integration: FromQuery[str | None] = None,
    version: FromQuery[str] = "",
    time: Annotated[str | None, QueryParameter(name="at")] = None,
) -> Response[str]:
    """Show the current object, or its content in a version or at a time."""
    resource = objects.find_resource(hub.catalog, name)
    at = moment(time)

    def read(connection: Connection) -> dict[str, Any]:
        chosen = integration_of_object(connection, integration, resource, object_id)
        place = (chosen, resource, object_id)
        current = shown = objects.get_object(connection, *place)
        known = versions.find_version_at(connection, *place, at) if at else None
        wanted = int(version) if version.isdecimal() else known
        then = versions.get_version(connection, *place, wanted) if wanted else None
        listed = versions.list_versions(connection, *place, None, _MAX_VERSIONS)
        as_of = at or (then.observed_at if then else None)
        if then:
            documents = {current.id: then.fields}
            [shown] = objects.with_past_contents(connection, resource, [current], documents)
        return {
            "integration": integrations.get(connection, chosen),
            "several": integrations.has_several(connection),
            "notice": find_data_notice(connection, chosen),
            "object": current,
            "shown": shown,
            "currency": read_currencies(connection, hub.catalog, chosen, resource, [shown.fields])[
                0
            ],
            "then": then,
            "at": as_of,
            "before_first": at is not None and then is None,
            "moments": versions.list_version_starts(connection, *place),
            "history": listed,
            "names": _linked_names(connection, chosen, resource, listed),
            "history_since": versions.complete_since(connection, chosen),
            "provenance": versions.field_provenance(connection, *place),
            "related": _related_then(connection, hub.catalog, *place, as_of)
            if as_of
            else _related(connection, hub.catalog, *place),
            "written": [] if as_of else _written(hub.catalog, resource),
        }

    found = await hub.database.read(read)
    shown, then, currency = found["shown"], found["then"], found["currency"]
    hub.pool.mark_viewed(found["integration"].id, resource.name, object_id)
    as_of = found["at"]
    label = resource_label(resource.name)
    main_list, lists = _main_list_first(found["related"])
    known = columns(resource)
    [status] = cells(known, shown, [_STATUS], currency)
    return render.page(
        request,
        "object.html",
        **found,
        followed=hub.catalog.following(found["integration"].resources).follows,
        mirrorable={one.name for one in hub.catalog.mirrorable},
        resource=resource,
        main_list=main_list,
        lists=lists,
        kind=label.singular,
        title=f"{label.singular} {object_id}" + (f": {shown.title}" if shown.title else ""),
        here=f"/objects/{resource.name}/{shown.id}?integration={found['integration'].id}",
        as_of=readable(as_of) if as_of else "now",
        shown_version=(then or shown).version,
        state_text=_STATES.get(shown.state),
        life=history_slider(
            found["moments"], then.version if then else shown.version, as_of, clock.utc_now()
        ),
        status_cell=None if status.empty else status,
        facts=[
            cell
            for cell in cells(known, shown, label.columns, currency)
            if not cell.empty
            and cell.name not in ("id", _STATUS)
            and cell.value != shown.title  # it is in the heading
        ],
        sections=_sections(resource, shown, currency),
        runner=runner(found["integration"].api_url, object_query(resource), {"id": object_id}),
    )


def _linked_names(
    connection: Connection,
    integration_id: int,
    resource: Resource,
    listed: Sequence[VersionDetail],
) -> dict[str, dict[str, str]]:
    """Return the names of the objects that changes name, by the field with the id and by the id."""
    targets = {link.key: link.resource for link in resource.links}
    ids = {
        (change.name, str(value))
        for version in listed
        for change in version.changes
        if change.name in targets
        for value in (change.old, change.new)
        if value is not None
    }
    titles = links.read_titles(
        connection, integration_id, {(targets[k], id_) for k, id_ in ids}, with_deleted=True
    )
    found: dict[str, dict[str, str]] = {}
    for key, id_ in ids:
        if title := titles.get((targets[key], id_)):
            found.setdefault(key, {})[id_] = title
    return found


def _sections(resource: Resource, detail: ObjectDetail, currency: str) -> list[Section]:
    """Return the fields in sections, without empty sections."""
    known, fields = columns(resource), detail.fields
    names = [name for name in known if name in fields] + [n for n in fields if n not in known]
    listed = {one.field: one.resource for one in resource.relations if one.kept}
    found = {"Attributes": attribute_cells(fields.get("attributes"))}
    for cell in cells(known, detail, names, currency):
        if cell.name == "attributes":
            continue
        rules = (
            (cell.name in _AUTHORS_AND_TIMES, "Created and updated"),
            (cell.name in TECHNICAL_FIELDS, "Technical fields"),
            (cell.empty, "Empty fields"),
            (cell.name.startswith("_") and cell.name.endswith("Count"), "Counts"),
        )
        title = next((title for holds, title in rules if holds), "Details")
        items = listed.get(cell.name, "")
        found.setdefault(title, []).append(msgspec.structs.replace(cell, items=items))
    folded = ("Counts", "Technical fields", "Empty fields")
    titles = ("Details", "Attributes", "Created and updated", *folded)
    return [Section(one, found[one], one not in folded) for one in titles if found.get(one)]


def _related(
    connection: Connection, catalog: Catalog, integration_id: int, resource: Resource, id_: str
) -> list[Related]:
    """Return the objects that link to this one."""
    found: list[Related] = []
    for group in links.list_linked_from(connection, catalog, integration_id, resource, id_):
        other = catalog.resources.get(group.resource)
        details: list[ObjectDetail] = []
        if other:
            details = _read_details(connection, integration_id, other, [o.id for o in group.some])
        found.append(
            _group(connection, catalog, other, group.resource, group.field, group.count, details)
        )
    return _most_informative_first(found)


def _written(catalog: Catalog, resource: Resource) -> list[Written]:
    """Return the main resources whose authors are objects of this one, in the order of domains.

    No index has these links, so they are not counted.
    """
    found = [
        Written(other.name, other.title, keys)
        for other in catalog.mirrored
        if resource_label(other.name).main
        and (
            keys := [
                link.key
                for link in other.links
                if link.key in AUTHOR_KEYS and link.resource == resource.name
            ]
        )
    ]
    return sorted(
        found, key=lambda one: (group_rank(resource_label(one.resource).group), one.title)
    )


def _related_then(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    resource: Resource,
    id_: str,
    moment: str,
) -> list[Related]:
    """Return the objects that linked to this one at a time."""
    found: list[Related] = []
    for kind in links.list_kinds(connection, resource):
        other = catalog.resources.get(kind.resource)
        if other is None:
            continue
        scope = ResourceScope(integration_id, other)
        then = history.list_linked_then(connection, scope, kind, id_, moment)
        if then == []:
            continue
        first = {one.id: one.fields for one in (then or [])[: links.MAX_EXAMPLES]}
        details = _read_details(connection, integration_id, other, list(first))
        past = objects.with_past_contents(connection, other, details, first)
        count = None if then is None else len(then)
        found.append(_group(connection, catalog, other, kind.resource, kind.field, count, past))
    return _most_informative_first(found)


def _read_details(
    connection: Connection, integration_id: int, resource: Resource, ids: Sequence[str]
) -> list[ObjectDetail]:
    """Return these objects in order of id."""
    wanted = ObjectFilter(integration_id, resource, state="any")
    query = objects.select_objects(connection, wanted).where(objects_table.c.id.in_(ids))
    found = objects.read_objects(connection, resource, query)
    return sorted(found, key=lambda one: (len(one.id), one.id))


def _group(
    connection: Connection,
    catalog: Catalog,
    resource: Resource | None,
    name: str,
    field: str,
    count: int | None,
    details: Sequence[ObjectDetail],
) -> Related:
    """Return a group with the values of these objects."""
    rows: list[tuple[str, list[Cell]]] = []
    names: list[str] = []
    if resource and details:
        usual = selected_columns(catalog, resource, [], Order())
        names = [path.name for path in usual if path.name != field][:_MAX_RELATED_COLUMNS]
        known = columns(resource)
        documents = [detail.fields for detail in details]
        currencies = read_currencies(
            connection, catalog, details[0].integration_id, resource, documents
        )
        rows = [
            (detail.id, cells(known, detail, names, currency))
            for detail, currency in zip(details, currencies, strict=True)
        ]
    return Related(
        name,
        links.resource_title(catalog, name),
        field,
        field_label(field).label,
        count,
        [field_label(name).label for name in names],
        rows,
    )


def _main_list_first(related: Sequence[Related]) -> tuple[Related | None, list[Related]]:
    """Return the list to show before the fields, whole if it is short, and the others."""
    lists = [one for one in related if one.rows]
    first = lists.pop(0) if lists and resource_label(lists[0].resource).main else None
    if first and first.count != len(first.rows):
        first = msgspec.structs.replace(first, rows=first.rows[:_MAX_ROWS])
    return first, [msgspec.structs.replace(one, rows=one.rows[:_MAX_ROWS]) for one in lists]


def _most_informative_first(found: Sequence[Related]) -> list[Related]:
    """Order the groups; the titles of those of one resource name their fields."""
    times = Counter(one.resource for one in found if one.rows)
    named = [
        msgspec.structs.replace(one, title=f"{one.title} · {one.field_label}")
        if one.rows and times[one.resource] > 1
        else one
        for one in found
    ]
    return sorted(
        named,
        key=lambda one: (
            not one.rows,
            not resource_label(one.resource).main,
            -(one.count or 0),
        ),
    )
