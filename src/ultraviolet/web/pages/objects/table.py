"""Pages: the resources of the mirror, and the objects of a resource as a table."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection

from ultraviolet.hub.accounts import saved_views
from ultraviolet.hub.integrations import service as integrations
from ultraviolet.ion.labels import resource_label
from ultraviolet.ion.queries import is_read
from ultraviolet.mirror import export
from ultraviolet.web.api.objects import index_fields
from ultraviolet.web.http.pagination import decode, encode
from ultraviolet.web.http.params import EXTRA_PARAMETERS, required_integration
from ultraviolet.web.middleware.auth import AnyRequest, GivenCaller, GivenHub, require_role
from ultraviolet.web.pages.objects.cells import cells
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import object_table, objects
from ultraviolet.web.queries.columns import columns as all_columns
from ultraviolet.web.queries.object_table import ObjectQuery
from ultraviolet.web.queries.objects import ObjectFilter

_SHOWN = 50
_GROUPS = ("Purchasing", "Parts", "Inventory", "Production", "Quality", "Bills of materials")
_FORM = ("field", "operator", "value")
_PARAMETERS = ("integration", "q", "state", "where", *_FORM, "sort", "column", "cursor")
_OPERATORS = {
    "is": "is",
    "not": "is not",
    "has": "contains",
    "from": "at least",
    "to": "at most",
    "empty": "is empty",
}


def group_rank(name: str) -> tuple[int, str]:
    """Order the groups by how often people look for them; others follow by name."""
    return (_GROUPS.index(name) if name in _GROUPS else len(_GROUPS)), name


@get("/objects", guards=[require_role("viewer")], include_in_schema=False)
async def show_resources(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, integration: FromQuery[str] = ""
) -> Response[str]:
    """Show the resources with counts."""

    def read(connection: Connection) -> dict[str, Any]:
        choice = integrations.list_page(connection)
        chosen = (
            integrations.find(connection, integration).id
            if integration
            else next((each.id for each in choice), None)
        )
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
        }

    return render.page(request, "resources.html", **await hub.database.read(read))


@get(
    "/objects/{name:str}",
    guards=[require_role("viewer")],
    include_in_schema=False,
    opt={EXTRA_PARAMETERS: _PARAMETERS},
)
async def show_objects(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    caller: GivenCaller,
    name: FromPath[str],
) -> Response[str]:
    """Show a resource as a table; filters, order and columns are the address."""
    resource = objects.find_resource(hub.catalog, name)
    asked = request.query_params
    here = _Address(request)
    conditions = [object_table.parse_condition(resource, written) for written in here.conditions]
    field_filter = object_table.page_filter(resource, conditions)
    by = object_table.parse_order(resource, asked.get("sort"))
    columns = object_table.selected_columns(resource, asked.getall("column", []), by)
    after = decode(asked.get("cursor") or None)

    def read(connection: Connection) -> dict[str, Any]:
        chosen = required_integration(connection, asked.get("integration") or None)
        wanted = ObjectFilter(chosen, resource, asked.get("q") or None, asked.get("state") or None)
        query = ObjectQuery(wanted, field_filter, by)
        found = object_table.read_page(connection, hub.catalog, query, after, _SHOWN)
        fields = object_table.indexable_fields(resource, field_filter, by)
        return {
            "indexable": object_table.missing_indexes(connection, chosen, resource, fields),
            "integration": integrations.get(connection, chosen),
            "objects": found.rows,
            "next": encode(found.next) if found.next else None,
            "views": saved_views.list_views(connection, caller.name, resource.name),
        }

    found = await hub.database.read(read)
    shown = [
        ("integration", found["integration"].id),
        *((name, asked[name]) for name in ("q", "state") if asked.get(name)),
        *([("filter", msgspec.json.encode(field_filter).decode())] if field_filter else []),
        ("sort", str(by)),
        ("column", "id"),
        *(("column", column.name) for column in columns if is_read(column.name)),
        ("column", export.STATE.name),
        ("column", "mirror_changed_at"),
    ]
    names, known = [column.name for column in columns], all_columns(resource)
    return render.page(
        request,
        "objects.html",
        **found,
        followed=hub.catalog.following(found["integration"].resources).follows,
        resource=resource,
        columns=columns,
        rows=[(one, cells(known, one, names)) for one in found["objects"]],
        all_columns=known,
        conditions=conditions,
        operators=_OPERATORS,
        direction="descending" if by.down else "ascending",
        export_path=f"/api/v1/exports/{resource.name}?{urlencode(shown)}",
        by=by,
        q=asked.get("q") or "",
        state=asked.get("state") or "",
        live=after is None,
        here=here,
    )


@post("/objects/{name:str}/indexes", guards=[require_role("operator")], include_in_schema=False)
async def create_index(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, name: FromPath[str]
) -> Redirect:
    """Create the indexes that the table as it is lacks, in the background."""
    resource = objects.find_resource(hub.catalog, name)
    sent = await request.form()
    integration, fields = (
        str(sent.get("integration", "")),
        [str(one) for one in sent.getall("field", [])],
    )
    await index_fields(hub, caller.name, integration or None, resource, fields)
    return Redirect(f"/objects/{resource.name}?{_query(sent)}", status_code=303)


@post("/objects/{name:str}/views", guards=[require_role("viewer")], include_in_schema=False)
async def save_view(
    request: AnyRequest, hub: GivenHub, caller: GivenCaller, name: FromPath[str]
) -> Redirect:
    """Keep the table as it is under a name."""
    resource = objects.find_resource(hub.catalog, name)
    sent = await request.form()
    query = _query(sent)
    title = str(sent.get("name", ""))
    await hub.database.write(saved_views.create_view, caller.name, resource.name, title, query)
    return Redirect(f"/objects/{resource.name}?{query}", status_code=303)


@post(
    "/objects/{name:str}/views/{view_id:int}/forget",
    guards=[require_role("viewer")],
    include_in_schema=False,
)
async def forget_view(
    request: AnyRequest,
    hub: GivenHub,
    caller: GivenCaller,
    name: FromPath[str],
    view_id: FromPath[int],
) -> Redirect:
    """Drop a saved view, and leave the table as it is."""
    resource = objects.find_resource(hub.catalog, name)
    query = _query(await request.form())
    await hub.database.write(saved_views.delete_view, caller.name, view_id)
    return Redirect(f"/objects/{resource.name}?{query}", status_code=303)


class _Address:
    """The address of a table, to be changed in one part; the condition that the filter form adds is one like the others."""

    def __init__(self, request: AnyRequest) -> None:
        given = [
            pair for pair in parse_qsl(urlsplit(str(request.url)).query) if pair[0] != "cursor"
        ]
        form = {name: value for name, value in given if name in _FORM}
        self._pairs = [pair for pair in given if pair[0] not in _FORM]
        if "field" in form and "operator" in form:
            self._pairs.append(("where", ":".join(form.get(name, "") for name in _FORM)))

    @property
    def conditions(self) -> list[str]:
        """Return the conditions, each as `field:operator:value`."""
        return [value for name, value in self._pairs if name == "where"]

    def sorted_by(self, name: str, by: object_table.Order) -> str:
        """Sort by a column; by the same one again the other way round."""
        down = by.by == name and not by.down
        return self._with("sort", f"{'-' if down else ''}{name}")

    def without(self, name: str, value: str) -> str:
        """Drop one condition."""
        return "?" + urlencode([pair for pair in self._pairs if pair != (name, value)])

    @property
    def query(self) -> str:
        """All of it."""
        return urlencode(self._pairs)

    def behind(self, cursor: str) -> str:
        """Go on to the next part."""
        return self._with("cursor", cursor)

    def kept(self, *but: str) -> list[tuple[str, str]]:
        """Return what a form must send along."""
        return [pair for pair in self._pairs if pair[0] not in but]

    def _with(self, name: str, value: str) -> str:
        return "?" + urlencode([*self.kept(name), (name, value)])


def _query(sent: Mapping[str, Any]) -> str:
    """Return the address of a table as a form sends it along, from its beginning."""
    return urlencode(
        [pair for pair in parse_qsl(str(sent.get("query", ""))) if pair[0] != "cursor"]
    )


HANDLERS = [show_resources, show_objects, create_index, save_view, forget_view]
