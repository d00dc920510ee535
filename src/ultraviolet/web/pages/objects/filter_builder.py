"""Pages of the filter builder: choose a field, then an operator and a value; choose columns.

Each is a complete page without scripts. With scripts, its main part opens in a dialog of the list.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Literal

import msgspec
from litestar import Response, get
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect
from sqlalchemy import Connection, select

from ultraviolet.clock import readable
from ultraviolet.db.attributes import columns as attribute_columns
from ultraviolet.db.tables.mirror import objects as objects_table
from ultraviolet.errors import InvalidError, UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.labels import choice_label
from ultraviolet.ion.model import Resource
from ultraviolet.web.http.params import EXTRA_PARAMETERS, required_integration
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.formats.values import canonical
from ultraviolet.web.pages.objects.field_choice import field_groups
from ultraviolet.web.pages.objects.list_address import LIST_PARAMETERS, ListAddress
from ultraviolet.web.pages.templating import GivenRenderer, Renderer
from ultraviolet.web.queries import objects
from ultraviolet.web.queries.conditions import (
    LABELS,
    OPERATORS,
    WITH_FIELD,
    WITHOUT_VALUE,
    Condition,
    InvalidConditionError,
    Operator,
    comparable_fields,
    join_values,
    kind_of,
    parse_condition,
    split_of,
)
from ultraviolet.web.queries.field_paths import FieldPath, find_path
from ultraviolet.web.queries.links import object_name, object_title
from ultraviolet.web.queries.object_lists.list_columns import known_values, selected_columns
from ultraviolet.web.queries.object_lists.order import parse_order
from ultraviolet.web.queries.search import search

_FORM = ("field", "operator", "value", "linked", "upper", "edit", "group", "path", "apply")
_MAX_SUGGESTIONS = 10
_DATE = "date"
_MAX_DIGITS = 3
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WHOLE_SECOND = ".000000+00:00"


class GivenCondition(msgspec.Struct, frozen=True):
    """A condition as entered, its place in the list, and the group to add a new one to."""

    path: FieldPath
    operator: Operator
    values: list[str]
    edit: int | None
    group: int | None
    linked: str = ""
    """The id of the linked object that was chosen by the name that is the value."""


class Target(msgspec.Struct, frozen=True):
    """The linked object that a value means: its id and title, or an error and the candidates."""

    values: list[str]
    title: str = ""
    error: str = ""
    candidates: list[tuple[str, str]] = []
    """Ids and labels of objects that the value may mean."""


class OperatorChoice(msgspec.Struct, frozen=True):
    """An operator with its words, and the form field of its value."""

    name: Operator
    label: str
    control: str


class TimeField(msgspec.Struct, frozen=True):
    """The form field of a time: its type, and its value, which scripts show in the viewer's zone."""

    type: Literal["date", "datetime-local", "text"]
    value: str


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
    candidates: list[tuple[str, str]] = []

    @property
    def times(self) -> list[TimeField]:
        """The fields of the first and the second time."""
        return [
            _time_field(value, whole_day=self.control.startswith(_DATE))
            for value in [*self.values, "", ""][:2]
        ]


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
    known = await hub.database.read(_known_condition, catalog, resource, here, edit)
    field = asked.get("field", known.path.name if known else "")
    integration, deeper = asked.get("integration") or "", asked.get("path") or ""
    if not field or deeper:
        attributes = await hub.database.read(_attributes, integration)
        return render.page(
            request,
            "choose_field.html",
            resource=resource,
            here=here,
            edit="" if edit is None else edit,
            group="" if group is None else group,
            integration=integration,
            groups=field_groups(catalog, resource, deeper, attributes),
        )
    path = find_path(catalog, resource, field)
    values = [value for value in [*asked.getall("value", []), asked.get("upper")] if value]
    operator = _offered(path, asked.get("operator") or (known.operator if known else ""))
    if known and not values and path == known.path and operator == known.operator:
        values = known.values
    given = GivenCondition(path, operator, values, edit, group, asked.get("linked") or "")
    applied = bool(asked.get("apply"))
    return await _edit(request, hub, render, catalog, resource, given, applied=applied)


async def edit_invalid(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    catalog: Catalog,
    resource: Resource,
    error: InvalidConditionError,
) -> Response[str] | Redirect:
    """Return the form of an invalid condition of a list; raise the error if its field is unknown."""
    field, _, rest = ListAddress(request.url.query).conditions[error.place].partition(":")
    operator, _, value = rest.partition(":")
    try:
        path = find_path(catalog, resource, field)
    except InvalidError:
        raise error from None
    if operator not in OPERATORS:
        raise error
    values = split_of(operator, value)
    given = GivenCondition(path, _offered(path, operator), values, error.place, None)
    return await _edit(
        request, hub, render, catalog, resource, given, applied=True, error=str(error)
    )


async def _edit(
    request: AnyRequest,
    hub: Hub,
    render: Renderer,
    catalog: Catalog,
    resource: Resource,
    given: GivenCondition,
    *,
    applied: bool,
    error: str = "",
) -> Response[str] | Redirect:
    """Return the form of a condition, or a redirect to the list if it is applied and valid."""
    here, integration = (
        ListAddress(request.url.query),
        request.query_params.get("integration") or "",
    )
    path, operator = given.path, given.operator
    at = catalog.resources[path.links[-1].resource] if path.links else resource

    def read(connection: Connection) -> tuple[Target, list[str]]:
        """Return the values with the linked object that they mean, and the known choices."""
        chosen = required_integration(connection, integration or None)
        link = path.column.link
        choices: list[str] = []
        if path.column.is_attribute and path.column.kind == "choice":
            choices = known_values(connection, chosen, at, path.column)
        if not (link and given.values and operator not in WITH_FIELD):
            return Target(given.values), choices
        linked = catalog.resources[link.resource]
        return _find_target(connection, catalog, chosen, linked, given), choices

    target, choices = await hub.database.read(read)
    values, error = target.values, error or target.error
    if applied and not error:
        written = f"{path.name}:{operator}:{join_values(operator, values)}"
        try:
            if not values and operator not in WITHOUT_VALUE:
                raise InvalidError("Enter a value.", field="value")
            await hub.database.read(parse_condition, catalog, resource, written)
            changed = here.changed(written, given.edit, given.group)
            return Redirect(f"/objects/{resource.name}?{changed}", status_code=303)
        except UltravioletError as failure:
            error = str(failure)
    editor = _editor(catalog, resource, path, operator, values, choices)
    return render.page(
        request,
        "edit_filter.html",
        status=422 if error and applied else 200,
        resource=resource,
        here=here,
        edit="" if given.edit is None else given.edit,
        group="" if given.group is None else given.group,
        integration=integration,
        editor=msgspec.structs.replace(
            editor, title=target.title, error=error, candidates=target.candidates
        ),
    )


def _known_condition(
    connection: Connection,
    catalog: Catalog,
    resource: Resource,
    here: ListAddress,
    edit: int | None,
) -> Condition | None:
    """Return the condition of the list to edit; None for a new or an invalid one."""
    if edit is None or edit >= len(here.conditions):
        return None
    with suppress(InvalidError):
        return parse_condition(connection, catalog, resource, here.conditions[edit])
    return None


def _offered(path: FieldPath, asked: str) -> Operator:
    """Return this operator if the form offers it, else the usual one of the field."""
    offered: dict[str, Operator] = {each: each for each in LABELS[kind_of(path.column)]}
    if asked not in offered:  # `is` and `is not` of an enum are those of several values
        asked = {"is": "any", "not": "none"}.get(asked, "")
    return offered.get(asked) or next(iter(offered.values()))


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
    order = parse_order(catalog, resource, request.query_params.get("sort"))
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
    elif column.kind == "time" or operator == "between":
        words = " and ".join(_time_words(each) for each in condition.values)
    elif column.link and operator in ("is", "not"):
        document = _find_document(connection, integration_id, column.link.resource, value)
        words = (object_title(document) if document else None) or value
    elif kind_of(column) == "flag":
        words = "yes" if value.lower() in ("true", "yes", "1") else "no"
    elif column.kind == "choice" and not column.is_attribute:
        words = " or ".join(choice_label(each) for each in condition.values)
    if operator in WITHOUT_VALUE:
        words = ""
    label = condition.label
    if len(condition.values) == 1:
        label = {"any": "is", "none": "is not"}.get(operator, label)
    words = label.replace("…", words) if "…" in label else f"{label} {words}".rstrip()
    return f"{condition.path.label} {words}"


def _time_words(written: str) -> str:
    """Return a time as pages show it; a date or a relative time as it is."""
    moment = None if _DAY.fullmatch(written) else canonical(written)
    return readable(moment) if moment else written


def _find_document(
    connection: Connection, integration_id: int, resource: str, id_: str
) -> dict[str, Any] | None:
    table = objects_table.c
    here = table.integration_id == integration_id, table.resource == resource, table.id == id_
    return connection.execute(select(table.doc).where(*here)).scalar()


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
        options = [(value, choice_label(value)) for value in sorted(known | set(values))]
        if path.column.is_attribute:
            options = [(value, value) for value in sorted({*choices, *values})]
    elif control == "flag":
        options = [("true", "yes"), ("false", "no")]
    if control in ("field", "flag"):  # also an invalid value is shown
        options += [(value, value) for value in values if value not in dict(options)]
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


def _time_field(written: str, *, whole_day: bool) -> TimeField:
    """Return the form field for a time; relative and very exact times stay text."""
    if _DAY.fullmatch(written) or (whole_day and not written):
        return TimeField("date", written)
    exact = canonical(written)
    if written and (whole_day or exact is None or not exact.endswith(_WHOLE_SECOND)):
        return TimeField("text", written)
    shown = (exact or "")[: len("2026-12-01T14:30:00")]
    return TimeField("datetime-local", shown.removesuffix(":00") if written else "")


def _find_target(
    connection: Connection,
    catalog: Catalog,
    integration_id: int,
    target: Resource,
    condition: GivenCondition,
) -> Target:
    """Return the linked object of a value: the one chosen by this name, else by id or name."""
    given, chosen = condition.values[0], condition.linked
    if chosen and chosen != given:
        document = _find_document(connection, integration_id, target.name, chosen)
        if document and _name_of(target, chosen, document) == given:
            return Target([chosen], given)
    document = _find_document(connection, integration_id, target.name, given)
    if document:
        return Target([given], _name_of(target, given, document))
    hits = search(connection, catalog, given, target.name, integration_id).hits
    exact = [hit for hit in hits if (hit.title or "").lower() == given.lower()] or hits
    if not hits and given.isdecimal():  # not mirrored yet
        return Target([given])
    if len(exact) == 1:
        return Target([exact[0].id], exact[0].title or "")
    if not hits:
        unknown = f"No {target.title.lower()} match “{given}”. Enter a name or an ID."
        return Target([given], error=unknown)
    candidates = [(hit.id, f"{hit.title or hit.kind} · {hit.id}") for hit in exact]
    several = f"Several match “{given}”. Choose one, or enter more of the name."
    return Target([given], error=several, candidates=candidates[:_MAX_SUGGESTIONS])


def _name_of(target: Resource, id_: str, document: dict[str, Any]) -> str:
    """Return the name of an object as suggestions show it."""
    return object_name(target.name, id_, object_title(document))
