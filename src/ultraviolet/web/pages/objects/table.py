"""Pages: the resources of the mirror, and the objects of a resource as a table."""

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.command_text import command
from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.health.data_notice import find_data_notice
from ultraviolet.hub.hub import Hub
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import is_read
from ultraviolet.mirror import export
from ultraviolet.web.api.objects import index_fields
from ultraviolet.web.http.params import EXTRA_PARAMETERS, parse_choice
from ultraviolet.web.middleware.auth import (
    OPERATOR,
    VIEWER,
    AnyRequest,
    Caller,
    GivenCaller,
    GivenHub,
)
from ultraviolet.web.pages.integration_choice import listed_integration
from ultraviolet.web.pages.objects.cells import list_cells
from ultraviolet.web.pages.objects.filter_builder import describe, edit_invalid
from ultraviolet.web.pages.objects.linked_matches import find_linked
from ultraviolet.web.pages.objects.list_address import (
    LIST_PARAMETERS,
    ListAddress,
    Place,
    parse_place,
)
from ultraviolet.web.pages.templating import GivenRenderer, Renderer
from ultraviolet.web.queries import objects
from ultraviolet.web.queries.columns import columns as own_columns
from ultraviolet.web.queries.conditions import (
    OR,
    InvalidConditionError,
    groups_filter,
    parse_groups,
)
from ultraviolet.web.queries.field_paths import (
    FieldPath,
    currency_path,
    is_amount,
    order_of,
    read_currencies,
    read_linked,
)
from ultraviolet.web.queries.object_lists.count import ListCount, count_objects
from ultraviolet.web.queries.object_lists.indexes import indexable_fields, missing_indexes
from ultraviolet.web.queries.object_lists.list_columns import CURRENCY, selected_columns
from ultraviolet.web.queries.object_lists.order import ObjectQuery, parse_order
from ultraviolet.web.queries.object_lists.page import TablePage, read_page
from ultraviolet.web.queries.objects import ObjectFilter

_PAGE_SIZE = 50
_TECHNICAL_GROUPS = frozenset(
    ("Associations", "Automation", "Files and labels", "ION webhooks", "Other", "People and access")
)
"""Groups that the page folds."""
_GROUPS = ("Purchasing", "Parts", "Inventory", "Production", "Quality", "Bills of materials")


class FilterChip(msgspec.Struct, frozen=True):
    """A condition of the list for people, and its place among the conditions."""

    text: str
    index: int


class Part(msgspec.Struct, frozen=True):
    """The part of the list that a page shows, and the number of all objects."""

    first: int
    last: int
    total: ListCount
    next: Place | None
    previous: Place | None


def group_rank(name: str) -> tuple[int, str]:
    """Order the groups by how often people look for them, technical ones last; others follow by name."""
    known = _GROUPS.index(name) if name in _GROUPS else len(_GROUPS)
    return known + (name in _TECHNICAL_GROUPS), name


@get("/objects", guards=VIEWER)
async def show_resources(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration: FromQuery[str] = ""
) -> Response[str]:
    """Show the resources with counts."""

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        chosen = listed_integration(connection, integration) if choice else None
        found = (
            objects.count_by_resource(connection, hub.catalog, chosen) if chosen is not None else []
        )
        resources = integrations.get(connection, chosen).resources if chosen is not None else None
        followed = hub.catalog.following(resources).follows
        groups: dict[str, list[objects.ResourceCount]] = {}
        for counted in found:
            groups.setdefault(resource_label(counted.resource).group, []).append(counted)
        return {
            "integrations": choice,
            "chosen": chosen,
            "groups": {name: groups[name] for name in sorted(groups, key=group_rank)},
            "descriptions": {
                counted.resource: resource_label(counted.resource).description for counted in found
            },
            "followed": followed,
            "technical": _TECHNICAL_GROUPS,
            "without_objects": _resources_without_objects(hub.catalog, found, followed),
        }

    return render.page(request, "resources.html", **await hub.database.read(read))


def _resources_without_objects(
    catalog: Catalog, found: Sequence[objects.ResourceCount], followed: Callable[[str], bool]
) -> list[tuple[str, str]]:
    """Return the names and titles of the followed resources without objects, by title."""
    names = {resource.name for resource in catalog.mirrorable} - {one.resource for one in found}
    empty = [(name, resource_label(name).plural) for name in names if followed(name)]
    return sorted(empty, key=lambda each: each[1].casefold())


@get("/objects/{name:str}", guards=VIEWER, opt={EXTRA_PARAMETERS: LIST_PARAMETERS})
async def show_objects(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    name: FromPath[str],
) -> Response[str] | Redirect:
    """Show a resource as a table; filters, order and columns are the address."""
    catalog = await hub.database.read(hub.attributes.get)
    resource = objects.find_resource(catalog, name)
    try:
        return await _list_page(request, hub, render, caller, catalog, resource)
    except InvalidConditionError as error:
        return await edit_invalid(request, hub, render, catalog, resource, error)


async def _list_page(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    caller: Caller,
    catalog: Catalog,
    resource: Resource,
) -> Response[str]:
    asked = request.query_params
    here = ListAddress(request.url.query)
    by = parse_order(catalog, resource, asked.get("sort"))
    columns = selected_columns(catalog, resource, asked.getall("column", []), by)
    place = parse_place(asked.get("cursor"))
    object_state = parse_choice(
        "state", asked.get("state"), objects.STATES, str.capitalize, "sync state"
    )

    def read(connection: Connection) -> dict[str, Any]:
        chosen = listed_integration(connection, asked.get("integration"))
        groups = parse_groups(connection, catalog, resource, here.conditions)
        field_filter = groups_filter(groups)
        searched = asked.get("q") or None
        wanted = ObjectFilter(chosen, resource, searched, object_state)
        query = ObjectQuery(wanted, field_filter, by)
        at = place
        found = _read_page(connection, catalog, query, at)
        if at and at.backwards and found.previous is None:  # the beginning of the list
            at, found = None, _read_page(connection, catalog, query, None)
        complete = at is None and found.next is None
        total = (
            ListCount(len(found.rows)) if complete else count_objects(connection, catalog, query)
        )
        fields = indexable_fields(resource, field_filter, by)
        documents = [each.fields for each in found.rows]
        chip_places = iter([n for n, written in enumerate(here.conditions) if written != OR])
        return {
            "has_chosen_columns": "column" in asked,
            "indexable": missing_indexes(connection, chosen, resource, fields),
            "integration": integrations.get(connection, chosen),
            "integrations": integrations.list_page(connection),
            "notice": find_data_notice(connection, chosen),
            "objects": found.rows,
            "filter": field_filter,
            "linked": read_linked(
                connection, chosen, documents, [path for path in columns if path.links]
            ),
            "currencies": read_currencies(connection, catalog, chosen, resource, documents),
            "linked_matches": (
                find_linked(connection, catalog, chosen, searched, columns)
                if searched and at is None
                else []
            ),
            "part": _part(found, at, total),
            "chips": [  # the conditions in words, by group
                [
                    FilterChip(describe(connection, chosen, condition), next(chip_places))
                    for condition in group
                ]
                for group in groups
            ],
            "views": saved_views.list_views(connection, caller.name, resource.name),
        }

    found = await hub.database.read(read)
    shown = [
        ("integration", found["integration"].id),
        *((name, asked[name]) for name in ("q", "state") if asked.get(name)),
        *([("filter", msgspec.json.encode(given).decode())] if (given := found["filter"]) else []),
        ("sort", str(by)),
        ("column", "id"),
        *(("column", name) for name in _exported_names(catalog, resource, columns)),
        ("column", export.STATE.name),
        ("column", "mirror_changed_at"),
    ]
    known = own_columns(resource)
    is_admin = caller.actor.may("admin")
    return render.page(
        request,
        "objects.html",
        **found,
        followed=hub.catalog.following(found["integration"].resources).follows,
        resource=resource,
        columns=[(path, order_of(catalog, path)) for path in columns],
        rows=[
            (one, list_cells(known, one, columns, linked, currency))
            for one, linked, currency in zip(
                found["objects"], found["linked"], found["currencies"], strict=True
            )
        ],
        editable={
            view.id
            for view in found["views"]
            if saved_views.may_change(view, caller.name, is_admin=is_admin)
        },
        states=objects.STATES,
        direction="descending" if by.down else "ascending",
        export_path=f"/api/v1/exports/{resource.name}?{urlencode(shown)}",
        index_command=command(
            "object index",
            resource.name,
            *(field.name for field in found["indexable"]),
            integration=found["integration"].name,
        ),
        by=by,
        q=asked.get("q") or "",
        state=object_state,
        live=place is None,
        here=here,
    )


def _exported_names(
    catalog: Catalog, resource: Resource, columns: Sequence[FieldPath]
) -> list[str]:
    """Return the columns of the export of a list; the currency follows the last amount."""
    shown = [path for path in columns if is_read(path.column.name)]
    names = [path.name for path in shown]
    amounts = [path.name for path in shown if not path.links and is_amount(path.column)]
    if amounts and currency_path(catalog, resource):
        names.insert(names.index(amounts[-1]) + 1, CURRENCY)
    return names


def _read_page(
    connection: Connection, catalog: Catalog, query: ObjectQuery, at: Place | None
) -> TablePage:
    position, backwards = (at.position, at.backwards) if at else (None, False)
    return read_page(connection, catalog, query, position, _PAGE_SIZE, backwards=backwards)


def _part(page: TablePage, at: Place | None, total: ListCount) -> Part:
    """Return the numbers of a page; the place of a page has the number at which it begins or ends."""
    count = len(page.rows)
    first = 1
    if at:
        first = at.number - count if at.backwards else at.number
    last = first + count - 1
    if not total.exact:
        total = ListCount(max(total.number, last), exact=False)
    following = Place(page.next, last + 1, backwards=False) if page.next else None
    before = Place(page.previous, first, backwards=True) if page.previous else None
    return Part(first, last, total, following, before)


@post("/objects/{name:str}/indexes", guards=OPERATOR)
async def create_index(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, name: FromPath[str]
) -> Redirect:
    """Create the indexes that the table as it is lacks, in the background."""
    resource = objects.find_resource(await hub.database.read(hub.attributes.get), name)
    sent = await request.form()
    integration, fields = (
        str(sent.get("integration", "")),
        [str(one) for one in sent.getall("field", [])],
    )
    await index_fields(hub, caller.name, integration or None, resource, fields)
    here = ListAddress(str(sent.get("query", "")))
    return Redirect(f"/objects/{resource.name}?{here.query}", status_code=303)
