"""Reads lists and objects for the pages with the queries that an API client would send."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ultraviolet.errors import NotFoundError, UltravioletError
from ultraviolet.ion.labels import field_label, resource_label
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.auth.viewers import QUERY_RUNNER
from ultraviolet.local_ion.http.graphql_http import Operation
from ultraviolet.local_ion.http.pages.documents import (
    MAX_CHILDREN,
    PAGE_SIZE,
    STAMPS,
    ListRoot,
    attributes_selection,
    children,
    filter_type,
    id_filter,
    list_columns,
    list_document,
    search_filter,
    shown_fields,
)
from ultraviolet.local_ion.http.pages.forms import FormField, attribute_field
from ultraviolet.local_ion.http.pages.values import (
    Cell,
    address,
    cell,
    field_name,
    is_shown,
    link_of,
    time_cell,
    title,
)
from ultraviolet.local_ion.http.state import AppState
from ultraviolet.local_ion.rules.organization import ATTRIBUTE_SECTIONS

MAX_LINK_CHOICES = 200
MAX_PAGE = 100_000


class RejectedOperationError(UltravioletError):
    """The local ION rejected the operation of a page, as it would reject an API client's."""

    kind = "rejected"


class Heading(msgspec.Struct, frozen=True):
    """The heading of a column."""

    label: str
    is_number: bool


class Row(msgspec.Struct, frozen=True):
    """A row of a table: the object's address and its values."""

    href: str
    title: str
    cells: list[Cell]


class Table(msgspec.Struct, frozen=True):
    """One page of a list."""

    resource: str
    headings: list[Heading]
    rows: list[Row]
    total: int
    number: int = 1
    heading: str = ""
    href: str = ""
    """The address of the whole list, or empty if this is it."""
    add: str = ""
    """The address of the form that adds a row."""

    @property
    def first(self) -> int:
        """The number of the first row."""
        return (self.number - 1) * PAGE_SIZE + 1

    @property
    def pages(self) -> int:
        """The number of pages."""
        return max(1, -(-self.total // PAGE_SIZE))


class RecordField(msgspec.Struct, frozen=True):
    """A field of an object, with its value to show and its value to edit."""

    name: str
    label: str
    cell: Cell
    value: Any
    note: str
    """What ION does not say about the value."""


class RecordAttribute(msgspec.Struct, frozen=True):
    """A custom attribute of an object, with the form field that edits it and its own etag."""

    field: FormField
    cell: Cell
    value: Any
    etag: str


class Record(msgspec.Struct, frozen=True):
    """An object with its fields, custom attributes and children."""

    resource: str
    id: str
    title: str
    etag: str
    status: Cell | None
    fields: list[RecordField]
    stamps: list[RecordField]
    attributes: list[RecordAttribute]
    children: list[Table]
    empty_children: list[str]


class PageReader:
    """Executes the operations of the pages as the administrator, as the query runner does."""

    def __init__(self, state: AppState) -> None:
        self._state = state
        self.catalog = state.ion.catalog

    def execute(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Execute an operation and return its data; raise RejectedOperationError."""
        (result,) = self._state.execute([Operation(document, {**variables})], QUERY_RUNNER)
        plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(result))
        errors = plain.get("errors")
        if errors:
            raise RejectedOperationError(str(errors[0].get("message", "")))
        return plain["data"]

    def find_resource(self, name: str) -> Resource:
        """Return a resource whose objects have pages; raise NotFoundError."""
        resource = self.catalog.resources.get(name)
        if resource is None or not is_shown(resource):
            raise NotFoundError("No resource of the local ION has this name.")
        return resource

    def counts(self, names: tuple[str, ...]) -> dict[str, int]:
        """Return the number of objects of resources."""
        resources = [self.catalog.resources[name] for name in names]
        roots = [ListRoot(f"r{n}", each, (), first=0) for n, each in enumerate(resources)]
        data = self.execute(*list_document(self.catalog, roots))
        return {
            each.name: data[f"r{n}"]["pageInfo"]["totalCount"] for n, each in enumerate(resources)
        }

    def table(
        self,
        resource: Resource,
        *,
        text: str = "",
        link: str = "",
        linked_id: str = "",
        number: int = 1,
        size: int = PAGE_SIZE,
    ) -> Table:
        """Return one page of a list: of all objects, those with a text, or those of a link."""
        filters: dict[str, Any] = {}
        if text:
            filters |= search_filter(self.catalog, resource, text) or {}
        if link:
            found, kind = link_of(resource, link), filter_type(self.catalog, resource)
            if found is None or kind is None or link not in kind.fields:
                raise NotFoundError("The list has no link with this name.")
            wanted = id_filter(self.catalog.resources[found.resource], linked_id)
            if wanted is None:
                raise NotFoundError("No object has this ID.")
            filters[link] = wanted["id"]
        columns = list_columns(resource)
        offset = (number - 1) * PAGE_SIZE
        root = ListRoot("list", resource, columns, filters or None, size, offset)
        data = self.execute(*list_document(self.catalog, [root]))
        return self._table(root, data["list"], number=number)

    def searchable(self, resource: Resource) -> bool:
        """Return whether a list has a search."""
        return search_filter(self.catalog, resource, "1") is not None

    def _table(self, root: ListRoot, connection: Any, **more: Any) -> Table:
        resource = root.resource
        rows = [
            Row(
                address(resource.name, node["id"]),
                title(resource, node),
                [cell(self.catalog, resource, node, name) for name in root.columns],
            )
            for node in (edge["node"] for edge in connection["edges"])
        ]
        headings = [
            Heading(field_name(resource, name), resource.kinds[name] in {"integer", "real"})
            for name in root.columns
        ]
        total = connection["pageInfo"]["totalCount"]
        return Table(resource.name, headings, rows, total, **more)

    def record(self, resource: Resource, id_: str) -> Record:
        """Return an object with its children; raise NotFoundError."""
        wanted = id_filter(resource, id_)
        missing = f"{resource_label(resource.name).singular} {id_} does not exist."
        if wanted is None:
            raise NotFoundError(missing)
        names = [f.name for f in shown_fields(resource)]
        stamps = [name for name in STAMPS if resource.field(name) is not None]
        roots = [
            ListRoot(
                "object",
                resource,
                (*names, *stamps),
                wanted,
                first=1,
                extra=attributes_selection(self.catalog, resource),
            )
        ]
        relations = children(self.catalog, resource)
        for n, relation in enumerate(relations):
            child = self.catalog.resources[relation.resource]
            columns = tuple(c for c in list_columns(child) if c != relation.key)
            roots.append(
                ListRoot(
                    f"c{n}",
                    child,
                    columns,
                    {relation.key: wanted["id"]},
                    first=MAX_CHILDREN,
                    newest_first=False,
                )
            )
        data = self.execute(*list_document(self.catalog, roots))
        edges = data["object"]["edges"]
        if not edges:
            raise NotFoundError(missing)
        node = edges[0]["node"]
        tables = [
            self._table(
                root,
                data[root.alias],
                heading=_child_heading(resource, root.resource, relation.key),
                href=f"/resources/{relation.resource}?link={relation.key}&id={id_}",
                add=f"/resources/{relation.resource}/new?{relation.key}={id_}",
            )
            for root, relation in zip(roots[1:], relations, strict=True)
        ]
        options = self._attribute_options(resource) if node.get("attributes") else {}
        attributes = [
            RecordAttribute(
                attribute_field(str(each["key"]), each["type"], options.get(str(each["key"]), ())),
                _attribute_cell(each["type"], each["value"]),
                each["value"],
                str(each["Etag"]),
            )
            for each in node.get("attributes") or ()
        ]
        return Record(
            resource.name,
            str(node["id"]),
            title(resource, node),
            str(node.get("_etag") or ""),
            cell(self.catalog, resource, node, "status") if resource.field("status") else None,
            [self._record_field(resource, node, name) for name in names],
            [self._record_field(resource, node, name) for name in stamps],
            sorted(attributes, key=lambda each: each.field.name),
            [table for table in tables if table.rows or table.resource in ALWAYS_SHOWN],
            sorted(
                table.heading
                for table in tables
                if not table.rows and table.resource not in ALWAYS_SHOWN
            ),
        )

    def _record_field(self, resource: Resource, node: Mapping[str, Any], name: str) -> RecordField:
        shown = cell(self.catalog, resource, node, name)
        note = field_label(name).note
        return RecordField(name, field_name(resource, name), shown, node.get(name), note)

    def _attribute_options(self, resource: Resource) -> dict[str, list[str]]:
        """Return the values of the attributes that the organization defines as selections."""
        section = ATTRIBUTE_SECTIONS.get(resource.name)
        if section is None:
            return {}
        wanted = f"settings {{ {section} {{ attributes {{ key options }} }} }}"
        organization = self.execute(f"{{ me {{ organization {{ {wanted} }} }} }}", {})["me"][
            "organization"
        ]
        settings: dict[str, dict[str, list[dict[str, Any]]] | None] = organization["settings"] or {}
        return {
            str(each["key"]): [str(option) for option in each["options"] or ()]
            for each in (settings[section] or {}).get("attributes") or []
        }

    def link_choices(self, fields: list[FormField]) -> dict[str, list[tuple[str, str]]]:
        """Return the newest objects to which each link can point, by field: id and text."""
        links = [field for field in fields if field.target]
        if not links:
            return {}
        roots = [
            ListRoot(f"l{n}", self.catalog.resources[field.target], (), first=MAX_LINK_CHOICES)
            for n, field in enumerate(links)
        ]
        data = self.execute(*list_document(self.catalog, roots))
        choices: dict[str, list[tuple[str, str]]] = {field.name: [] for field in links}
        for field, root in zip(links, roots, strict=True):
            for edge in data[root.alias]["edges"]:
                id_, text = str(edge["node"]["id"]), title(root.resource, edge["node"])
                shown = text if text.endswith(f" {id_}") else f"{text} (#{id_})"
                choices[field.name].append((id_, shown))
        return choices


ALWAYS_SHOWN = frozenset({"purchase_order_lines"})
"""Children whose table is shown even if it has no rows."""


def _child_heading(resource: Resource, child: Resource, key: str) -> str:
    """Return the heading of a table of children; it names the link if it is not the usual one."""
    plural = resource_label(child.name).plural
    links = [link for link in child.links if link.resource == resource.name]
    return f"{plural} ({field_label(key).label})" if len(links) > 1 else plural


def _attribute_cell(type_: str | None, value: Any) -> Cell:
    if value is None or value == "":
        return Cell("", "empty")
    if (type_ or "").lower() == "datetime":
        return time_cell(str(value), "time")
    if isinstance(value, bool):
        return Cell("Yes" if value else "No", "boolean")
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return Cell(text)
