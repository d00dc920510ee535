"""Pages of the filter builder: choose a field, then an operator and a value; choose columns.

Each is a complete page without scripts. With scripts, its main part opens in a dialog of the list.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection, select

from ultraviolet.db.attributes import columns as attribute_columns
from ultraviolet.db.tables.mirror import objects as objects_table
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import EXTRA_PARAMETERS, required_integration
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.objects.field_choice import field_groups
from ultraviolet.web.pages.objects.list_address import LIST_PARAMETERS, ListAddress
from ultraviolet.web.pages.templating import GivenRenderer
from ultraviolet.web.queries import objects
from ultraviolet.web.queries.conditions import (
    LABELS,
    OR,
    WITH_FIELD,
    WITHOUT_VALUE,
    Condition,
    Operator,
    comparable_fields,
    join_values,
    kind_of,
    parse_condition,
)
from ultraviolet.web.queries.field_paths import FieldPath, find_path
from ultraviolet.web.queries.links import object_title
from ultraviolet.web.queries.object_table import known_values, parse_order, selected_columns
from ultraviolet.web.queries.search import search

_FORM = ("field", "operator", "value", "upper", "edit", "group", "path", "apply")
_MAX_SUGGESTIONS = 10
_DATE = "date"
_MAX_DIGITS = 3


class OperatorChoice(msgspec.Struct, frozen=True):
    """An operator with its words, and the form field of its value."""

    name: Operator
    label: str
    control: str


class Editor(msgspec.Struct, frozen=True):
    """The form of one condition, with the values entered so far."""

    path: FieldPath
    operator: Operator
    operators: list[OperatorChoice]
    control: str
    """The form field of the value: the kind of the field, date, days, field, or a range."""
    values: list[str]
    options: list[tuple[str, str]]
    """Values to choose from, with their labels."""
    title: str = ""
    """The title of the linked object whose id is the value."""
    error: str = ""


@get(
    "/objects/{name:str}/filter", guards=VIEWER, opt={EXTRA_PARAMETERS: (*LIST_PARAMETERS, *_FORM)}
)
async def edit_filter(
    request: AnyRequest, hub: GivenHub, render: GivenRenderer, name: FromPath[str]
) -> Response[str] | Redirect:
    """Choose a field, an operator and a value; `apply` goes to the list with the condition."""
    catalog = await hub.database.read(hub.attributes.get)
    resource = objects.find_resource(catalog, name)
    here = ListAddress(request.url.query)
    asked = request.query_params
    edit, group = _number(asked.get("edit")), _number(asked.get("group"))
    edited = here.conditions[edit] if edit is not None and edit < len(here.conditions) else ""
    known = parse_condition(catalog, resource, edited) if edited and edited != OR else None
    field = asked.get("field", known.path.name if known else "")
    common: dict[str, Any] = {
        "resource": resource,
        "here": here,
        "edit": "" if edit is None else edit,
        "group": "" if group is None else group,
        "integration": asked.get("integration") or "",
    }
    if not field or asked.get("path"):
        attributes = await hub.database.read(_attributes, asked.get("integration"))
        groups = field_groups(catalog, resource, asked.get("path") or "", attributes)
        return render.page(request, "choose_field.html", **common, groups=groups)
    path = find_path(catalog, resource, field)
    given = [value for value in asked.getall("value", []) if value]
    upper = asked.get("upper") or ""
    offered: dict[str, Operator] = {each: each for each in LABELS[kind_of(path.column)]}
    wanted = asked.get("operator") or (known.operator if known else "")
    operator = offered.get(wanted) or next(iter(offered.values()))  # or the usual one of the field
    if known and not given and path == known.path and operator == known.operator:
        given = known.values
    elif upper:
        given = [*given, upper]

    at = catalog.resources[path.links[-1].resource] if path.links else resource

    def read(connection: Connection) -> tuple[list[str], str, str, list[str]]:
        """Return the values, the title of a linked object, an error and the known choices."""
        chosen = required_integration(connection, asked.get("integration") or None)
        link = path.column.link
        choices: list[str] = []
        if path.column.is_attribute and path.column.kind == "choice":
            choices = known_values(connection, chosen, at, path.column)
        if not (link and given and operator not in WITH_FIELD):
            return given, "", "", choices
        target = catalog.resources[link.resource]
        return *_find_target(connection, catalog, chosen, target, given[0]), choices

    values, title, error, choices = await hub.database.read(read)
    if asked.get("apply") and not error:
        written = f"{path.name}:{operator}:{join_values(operator, values)}"
        try:
            if not values and operator not in WITHOUT_VALUE:
                raise InvalidError("Enter a value.", field="value")
            parse_condition(catalog, resource, written)
            return Redirect(
                f"/objects/{resource.name}?{here.changed(written, edit, group)}", status_code=303
            )
        except UltravioletError as failure:
            error = str(failure)
    editor = _editor(catalog, resource, path, operator, values, choices)
    shown = msgspec.structs.replace(editor, title=title, error=error)
    status = 422 if error and asked.get("apply") else 200
    return render.page(request, "edit_filter.html", status=status, **common, editor=shown)


@get("/objects/{name:str}/columns", guards=VIEWER, opt={EXTRA_PARAMETERS: LIST_PARAMETERS})
async def choose_columns(
    request: AnyRequest,
    hub: GivenHub,
    render: GivenRenderer,
    name: FromPath[str],
    path: FromQuery[str] = "",
) -> Response[str]:
    """Choose the columns of a list and their order, also of linked objects."""
    catalog = await hub.database.read(hub.attributes.get)
    resource = objects.find_resource(catalog, name)
    names = request.query_params.getall("column", [])
    order = parse_order(resource, request.query_params.get("sort"))
    integration = request.query_params.get("integration") or ""
    attributes = await hub.database.read(_attributes, integration)
    return render.page(
        request,
        "choose_columns.html",
        resource=resource,
        here=ListAddress(request.url.query),
        integration=integration,
        selected=selected_columns(catalog, resource, names, order),
        groups=field_groups(catalog, resource, path, attributes),
    )


def _attributes(connection: Connection, integration: str | None) -> frozenset[tuple[str, str]]:
    """Return the custom attributes of the integration of a list."""
    return attribute_columns(connection, required_integration(connection, integration or None))


def describe(connection: Connection, integration_id: int, condition: Condition) -> str:
    """Return a condition in words, with the title of a linked object."""
    column, operator, value = condition.path.column, condition.operator, condition.value
    words = " or ".join(condition.values)
    if operator in WITH_FIELD:
        words = condition.other.label if condition.other else value
    elif operator == "between":
        words = " and ".join(condition.values)
    elif column.link and operator in ("is", "not"):
        document = _find_document(connection, integration_id, column.link.resource, value)
        words = (object_title(document) if document else None) or value
    elif kind_of(column) == "flag":
        words = "yes" if value.lower() in ("true", "yes", "1") else "no"
    elif column.kind == "choice" and not column.is_attribute:
        words = " or ".join(_choice_label(each) for each in condition.values)
    if operator in WITHOUT_VALUE:
        words = ""
    if "…" in condition.label:
        words = condition.label.replace("…", words)
    else:
        words = f"{condition.label} {words}".rstrip()
    return f"{condition.path.label} {words}"


def _find_document(
    connection: Connection, integration_id: int, resource: str, id_: str
) -> dict[str, Any] | None:
    table = objects_table.c
    here = table.integration_id == integration_id, table.resource == resource, table.id == id_
    return connection.execute(select(table.doc).where(*here)).scalar()


def _choice_label(value: str) -> str:
    return value.replace("_", " ").lower()


def _number(given: str | None) -> int | None:
    known = given and given.isascii() and given.isdecimal() and len(given) <= _MAX_DIGITS
    return int(given) if given and known else None


def _editor(
    catalog: Catalog,
    resource: Resource,
    path: FieldPath,
    operator: Operator,
    values: list[str],
    choices: Sequence[str],
) -> Editor:
    at = catalog.resources[path.links[-1].resource] if path.links else resource
    fields = comparable_fields(at, path.column)
    operators = [
        OperatorChoice(each, label, _control(path, each))
        for each, label in LABELS[kind_of(path.column)].items()
        if fields or each not in WITH_FIELD
    ]
    control = _control(path, operator)
    options: list[tuple[str, str]] = []
    if control == "field":
        options = [(other.name, other.label) for other in fields]
    elif control == "choice":
        field = at.field(path.column.name)
        known = catalog.types().get(field.type, frozenset()) if field else frozenset[str]()
        options = [(value, _choice_label(value)) for value in sorted(known | set(values))]
        if path.column.is_attribute:
            options = [(value, value) for value in sorted({*choices, *values})]
    elif control == "flag":
        options = [("true", "yes"), ("false", "no")]
    return Editor(path, operator, operators, control, values, options)


def _control(path: FieldPath, operator: Operator) -> str:
    """Return the kind of form field for the value of a condition."""
    if operator in WITHOUT_VALUE:
        return ""
    if operator in WITH_FIELD:
        return "field"
    if operator in ("next", "last"):
        return "days"
    kind = kind_of(path.column)
    is_date = kind == "time" and path.column.format == _DATE
    control = _DATE if is_date else kind
    return f"{control} range" if operator == "between" else control


def _find_target(
    connection: Connection, catalog: Catalog, integration_id: int, target: Resource, given: str
) -> tuple[list[str], str, str]:
    """Return the id of a linked object by id or name, its title, and an error if it is not one."""
    document = _find_document(connection, integration_id, target.name, given)
    if document:
        return [given], object_title(document) or "", ""
    hits = search(connection, catalog, given, target.name, integration_id).hits
    exact = [hit for hit in hits if (hit.title or "").lower() == given.lower()] or hits
    if not hits and given.isdecimal():  # not mirrored yet
        return [given], "", ""
    if len(exact) == 1:
        return [exact[0].id], exact[0].title or "", ""
    if not hits:
        return [given], "", f"No {target.title.lower()} match “{given}”. Enter a name or an ID."
    ids = ", ".join(f"{hit.id} ({hit.title})" for hit in exact[:_MAX_SUGGESTIONS])
    return [given], "", f"Several match “{given}”. Enter the ID: {ids}."
