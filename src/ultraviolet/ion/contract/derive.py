"""Derive the complete schema from the SDL files of the contract.

Connections, edges, sort enums, operator filters, object filters and timeline events are derived by
the conventions of the 2023 schema. `irregular.graphql` contains the exceptions of ION.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Literal, TypeVar, cast

from graphql import (
    DefinitionNode,
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    ObjectTypeExtensionNode,
    build_ast_schema,
    parse,
    value_from_ast_untyped,
)
from graphql.language import ListTypeNode, NonNullTypeNode, TypeNode

from ultraviolet.ion.contract.descriptions import describe
from ultraviolet.ion.naming import constant, plural

Version = Literal["all", "2023", "newer"]
"""Versions of ION's API: that of 2023, a newer one, or everything that either has."""
ROOTS = frozenset({"Query", "Mutation"})
OPERAND_SCALARS = (
    "Boolean",
    "DateTime",
    "Float",
    "ID",
    "Int",
    "JSONString",
    "ScalarValue",
    "SlateContent",
    "String",
)
"""Scalars that have an operator filter."""
_PAGING = "before: String, after: String, first: Int, last: Int"
_COUNT = re.compile(r"_\w+Count")
_OPERATOR_FILTER = re.compile(r": \[?(\w+?)Filter\b")
_TYPE = re.compile(r"^type (\w+)", re.MULTILINE)


@cache
def source(version: Version = "all") -> DocumentNode:
    """Parse the files of the contract as one document, with extensions in their types."""
    folder = files("ultraviolet.ion.contract")
    omitted = "newer.graphql" if version == "2023" else ""
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".graphql"))
    text = "\n".join((folder / name).read_text("utf-8") for name in names if name != omitted)
    definitions = parse(text, no_location=True).definitions
    extended: dict[str, list[FieldDefinitionNode]] = {}
    for node in definitions:
        if isinstance(node, ObjectTypeExtensionNode) and node.name.value not in ROOTS:
            extended.setdefault(node.name.value, []).extend(node.fields or ())
    merged: list[DefinitionNode] = []
    for node in definitions:
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value in extended:
            fields = (*(node.fields or ()), *extended.pop(node.name.value))
            merged.append(replace(node, fields=fields))
        elif not isinstance(node, ObjectTypeExtensionNode) or node.name.value not in extended:
            merged.append(node)
    derived = (  # extensions of derived types
        node
        for node in definitions
        if isinstance(node, ObjectTypeExtensionNode) and node.name.value in extended
    )
    return DocumentNode(definitions=(*merged, *derived))


def _without_replaced(document: DocumentNode) -> Iterator[DefinitionNode]:
    """Yield the definitions without the root fields that a newer ION does not have."""
    for node in document.definitions:
        if isinstance(node, ObjectTypeExtensionNode):
            kept = (f for f in node.fields or () if directive(f, "replaced") is None)
            yield replace(node, fields=tuple(kept))
        else:
            yield node


@cache
def irregular() -> str:
    """Return the exceptions to the rules of derivation as SDL."""
    return (files("ultraviolet.ion.contract") / "irregular.graphql").read_text("utf-8")


@cache
def domains() -> Mapping[str, str]:
    """Return the domain of each type: the name of the file that defines it."""
    texts = {
        f.name.removesuffix(".graphql"): f.read_text("utf-8")
        for f in files("ultraviolet.ion.contract").iterdir()
        if f.name.endswith(".graphql")
    }
    return {name: domain for domain, text in texts.items() for name in _TYPE.findall(text)}


@cache
def schema(version: Version = "all") -> GraphQLSchema:
    """Derive the schema of a version of ION, which takes half a second; see `compiled.schema`."""
    return build_ast_schema(document(version), assume_valid=True)


@cache
def document(version: Version = "all") -> DocumentNode:
    """Return the complete SDL of a version of ION, with derived types."""
    written = source(version)
    derivation = Derivation(written)
    derived = parse(derivation.text(), no_location=True).definitions
    completed: list[DefinitionNode] = []
    for node in written.definitions if version != "newer" else _without_replaced(written):
        if isinstance(node, ObjectTypeDefinitionNode) and node.name.value in derivation.objects:
            completed.append(_with_arguments(node, derivation))
        elif isinstance(node, ObjectTypeExtensionNode) and node.name.value == "Query":
            completed.append(_described(_with_arguments(node, derivation)))
        elif isinstance(node, ObjectTypeExtensionNode) and node.name.value == "Mutation":
            completed.append(_described(node))
        elif not isinstance(node, DirectiveDefinitionNode):  # ION does not have our directives
            completed.append(node)
    return DocumentNode(definitions=(*completed, *derived))


def directive(
    node: FieldDefinitionNode | ObjectTypeDefinitionNode, name: str
) -> dict[str, object] | None:
    """Return the arguments of a directive; None if it is not set."""
    for found in node.directives or ():
        if found.name.value == name:
            return {a.name.value: value_from_ast_untyped(a.value) for a in found.arguments or ()}
    return None


def named(node: TypeNode) -> str:
    """Return the name of a type without lists and non-nulls."""
    while isinstance(node, ListTypeNode | NonNullTypeNode):
        node = node.type
    return node.name.value  # type: ignore[attr-defined]


def is_list(node: TypeNode) -> bool:
    """Return whether the type is a list."""
    return isinstance(node.type if isinstance(node, NonNullTypeNode) else node, ListTypeNode)


def object_types(document: DocumentNode) -> dict[str, ObjectTypeDefinitionNode]:
    """Return ION's object types by name, without payloads and roots."""
    payloads = {named(f.type) for f in root_fields(document, "Mutation")}
    return {
        node.name.value: node
        for node in document.definitions
        if isinstance(node, ObjectTypeDefinitionNode)
        and node.name.value not in payloads
        and node.name.value not in {"Query", "Mutation"}
    }


def root_fields(document: DocumentNode, root: str) -> Iterator[FieldDefinitionNode]:
    """Yield the fields of Query or Mutation."""
    for node in document.definitions:
        if isinstance(node, ObjectTypeExtensionNode) and node.name.value == root:
            yield from node.fields or ()


def omits(
    node: ObjectTypeDefinitionNode | ObjectTypeExtensionNode, field: FieldDefinitionNode, place: str
) -> bool:
    """Return whether ION does not derive a member from a field.

    The places are an argument for filters, an object filter, an event filter and a sort enum.
    """
    owner, name = node.name.value, field.name.value
    if name in _OMITTED.get(place, ()):
        return True
    if owner.endswith("Attribute") and name in _OMITTED_OF_ATTRIBUTES.get(place, ()):
        return True
    mark = directive(field, "omitted")
    return mark is not None and place in cast("list[str]", mark["from"])


class Derivation:
    """The derived types of a contract."""

    def __init__(self, document: DocumentNode) -> None:
        self.objects = object_types(document)
        self.enums = [n for n in document.definitions if isinstance(n, EnumTypeDefinitionNode)]
        self.enum_names = {e.name.value for e in self.enums}
        self.lists = {
            f: mark for f in root_fields(document, "Query") if (mark := directive(f, "list"))
        }
        self.filters: dict[str, str] = {}
        for field, mark in self.lists.items():
            if field.name.value != "reviewRequests":  # ION uses the filter of another type
                self.filters[str(mark["of"])] = str(mark["filters"])
        for name, node in self.objects.items():
            given = directive(node, "filterable")
            if given:
                self.filters[name] = str(given["name"])
            elif directive(node, "table") and name != "Organization":
                self.filters.setdefault(name, f"{plural(name)}InputFilters")

    def text(self) -> str:
        """Return all derived types as SDL."""
        using = [
            *self._connections(),
            *self._object_filters(),
            *self._sort_enums(),
            *self._events(),
        ]
        used = set(_OPERATOR_FILTER.findall("\n".join((*using, irregular()))))
        filters = [
            f"input {name}Filter {{ eq: {name} neq: {name} like: {name} ilike: {name}"
            f" notlike: {name} notilike: {name} in: [{name}]"
            f" gt: {name} gte: {name} lt: {name} lte: {name} isnull: Boolean }}"
            for name in sorted(used.intersection((*OPERAND_SCALARS, *self.enum_names)))
        ]
        return "\n".join([*filters, *using])

    def _connections(self) -> Iterator[str]:
        seen: set[str] = set()
        for field, mark in self.lists.items():
            connection, node = named(field.type), mark["of"]
            if connection in seen:
                continue
            seen.add(connection)
            edge = connection.removesuffix("Connection") + "Edge"
            page = "PageInfo" if node in {"APIKeyObject", "Log"} else "IonPageInfo"
            yield f'"A page of a list." type {connection} {{ pageInfo: {page}! edges: [{edge}]! }}'
            yield f'"An entry of a list, with its cursor." type {edge} {{ node: {node} cursor: String! }}'

    def _object_filters(self) -> Iterator[str]:
        for of, filter_name in self.filters.items():
            if of == "Log":
                continue
            members: dict[str, str] = {}
            for field in self.objects[of].fields or ():
                if omits(self.objects[of], field, "filter"):
                    continue
                name, target = field.name.value, named(field.type)
                name = {"Created": "_created", "Updated": "_updated"}.get(name, name)
                if name in _UNFILTERED or _COUNT.fullmatch(name):
                    continue
                if mark := directive(field, "list"):
                    target = str(mark["sort"]).removesuffix("SortEnum")
                if target in self.filters and (target != "Entity" or is_list(field.type)):
                    members.setdefault(name, self.filters[target])
                elif not is_list(field.type) and (
                    target in OPERAND_SCALARS or target in self.enum_names
                ):
                    members.setdefault(name, f"{self._operand(of, name, target)}Filter")
            if of != "APIKeyObject":
                groups = {"or_": f"[{filter_name}]", "and_": f"[{filter_name}]"}
                members = {**groups, **members}
            shown = " ".join(f"{name}: {kind}" for name, kind in members.items())
            yield f"input {filter_name} {{ {shown} }}"

    def _operand(self, of: str, name: str, target: str) -> str:
        if name == "id" and target == "Int":
            return "Int" if of == "APIKeyObject" else "ID"
        if name.endswith("Id") and target in {"Int", "Float"} and (of, name) not in _INT_FILTERS:
            return "ID"
        return target

    def _sort_enums(self) -> Iterator[str]:
        fields = [f for node in self.objects.values() for f in node.fields or ()]
        marks = [m for f in fields if (m := directive(f, "list")) and m.get("sort")]
        sorts = {str(m["sort"]) for m in (*self.lists.values(), *marks) if m.get("sort")}
        for sort in sorted(sorts):
            node = self.objects[sort.removesuffix("SortEnum")]
            names = dict.fromkeys(
                constant(_SORT_NAMES.get(f.name.value, f.name.value))
                for f in stored_scalars(node)
                if not omits(node, f, "sort")
            )
            yield f"enum {sort} {{ {' '.join(f'{n}_ASC {n}_DESC' for n in names)} }}"

    def _events(self) -> Iterator[str]:
        for name, node in self.objects.items():
            if not has_timeline(node):
                continue
            columns = dict.fromkeys(
                f"{f.name.value}: {self._operand(name, f.name.value, named(f.type))}Filter"
                for f in stored_scalars(node)
                if not is_list(f.type)
                and (named(f.type) in OPERAND_SCALARS or named(f.type) in self.enum_names)
                and f.name.value not in _STAMPS
                and not omits(node, f, "event")
            )
            stamps = [
                f"{stamp}: DateTimeFilter"
                for stamp in ("Created", "Updated")
                for f in node.fields or ()
                if f.name.value in {stamp, f"_{stamp.lower()}"} and not omits(node, f, "event")
            ]
            members = [*stamps, *columns, "actor: UserInputFilters"]
            if "eventType: EventTypeFilter" not in members:
                members = [m for m in members if not m.startswith("eventType:")] + [
                    "eventType: EventTypeFilter"
                ]
            yield f"input {name}EventFilter {{ {' '.join(members)} includeSelfSimilarRelationships: Boolean }}"
            yield (
                f'"A change of this object, from the audit log." type {name}Events implements Timeline {{ actor: User eventType: EventType timestamp: DateTime'
                f" changedAttributes: [ChangedAttributes] oldValues: {name} newValues: {name} }}"
            )


_SORT_NAMES = {
    "Created": "_created",
    "Updated": "_updated",
    "Etag": "_etag",
    "LastSessionId": "_lastSessionId",
}
_UNFILTERED = {"_etag", "Etag", "LastSessionId", "prettyStr", "timeline"}
_STAMPS = {"_created", "_updated", "_etag", "LastSessionId", "Created", "Updated", "Etag"}
_OMITTED: Mapping[str, frozenset[str]] = {
    "argument": frozenset(
        [
            "allChildren",
            "allParents",
            "allBatchedSiblings",
            "assignees",
            "attributes",
            "batchAdoptedSiblings",
            "batchSiblings",
            "entity",
            "parent",
            "replies",
        ]
    ),
    "filter": frozenset(
        [
            "Attributes",
            "allBatchedSiblings",
            "approved",
            "batchAdoptedSiblings",
            "batchSiblings",
            "replies",
        ]
    ),
}
"""Fields from which ION derives no member, in any type; others have the directive `omitted`."""
_OMITTED_OF_ATTRIBUTES: Mapping[str, frozenset[str]] = {
    "filter": frozenset({"allowedIonType"}),
    "event": frozenset({"allowedIonType", "value"}),
}
_INT_FILTERS = {
    ("Step", "standardStepFamilyId"),
    ("ABomItem", "parentId"),
    ("Issue", "partInventoryId"),
    ("Redline", "issueId"),
    ("IssueApprovalRequest", "reviewerId"),
    ("MBomApprovalRequest", "reviewerId"),
    ("APIKeyObject", "createdById"),
    ("APIKeyObject", "updatedById"),
}


@cache
def _object_names() -> frozenset[str]:
    return frozenset(object_types(source()))


def stored_scalars(node: ObjectTypeDefinitionNode) -> list[FieldDefinitionNode]:
    """Return the fields that are columns of the type's table."""
    objects = _object_names()
    return [
        field
        for field in node.fields or ()
        if directive(field, "computed") is None
        and field.name.value != "prettyStr"
        and not _COUNT.fullmatch(field.name.value)
        and not field.arguments
        and named(field.type) not in objects
        and named(field.type) not in _ABSTRACT
        and not named(field.type).endswith("Connection")
    ]


_ABSTRACT = {"Timeline", "IonType", "BarcodeSubject", "ItemDiff", "PlanItemResult", "RedlinedItem"}


def has_timeline(node: ObjectTypeDefinitionNode) -> bool:
    """Return whether the type's timeline can be filtered; two types' cannot (2023 schema)."""
    return node.name.value not in {"FieldDiff", "IssuedPartInventory", "StepDiff"} and any(
        f.name.value == "timeline" for f in node.fields or ()
    )


def _described(node: ObjectTypeExtensionNode) -> ObjectTypeExtensionNode:
    root = node.name.value
    fields = [
        describe(f, root, str(mark["of"]) if (mark := directive(f, "list")) else None)
        for f in node.fields or ()
    ]
    return replace(node, fields=tuple(fields))


Completed = TypeVar("Completed", ObjectTypeDefinitionNode, ObjectTypeExtensionNode)


def _with_arguments(node: Completed, derivation: Derivation) -> Completed:
    fields: list[str] = []
    owner = node.name.value
    for field in node.fields or ():
        arguments = _derived_arguments(owner, node, field, derivation)
        fields.append(f"{field.name.value}({arguments}): String" if arguments else "")
    if not any(fields):
        return node
    parsed = parse(
        f"type T {{ {' '.join(f or 'none: String' for f in fields)} }}", no_location=True
    ).definitions[0]
    assert isinstance(parsed, ObjectTypeDefinitionNode)
    completed = tuple(
        replace(field, arguments=(*(extra.arguments or ()), *(field.arguments or ())))
        for field, extra in zip(node.fields or (), parsed.fields or (), strict=True)
    )
    return replace(node, fields=completed)


def _derived_arguments(
    owner: str,
    node: ObjectTypeDefinitionNode | ObjectTypeExtensionNode,
    field: FieldDefinitionNode,
    derivation: Derivation,
) -> str:
    mark, target = directive(field, "list"), named(field.type)
    if mark and owner == "Query":
        sort = f"distinctOn: [{mark['sort']}], sort: [{mark['sort']}], " if mark.get("sort") else ""
        return f"filters: {mark['filters']}, {sort}{_PAGING}"
    if owner == "Query" or field.arguments:
        return ""
    if mark:
        node_type = str(mark["sort"]).removesuffix("SortEnum")
        return f"filters: {derivation.filters[node_type]}, sort: [{mark['sort']}], {_PAGING}"
    if target == "Timeline":
        typed = isinstance(node, ObjectTypeDefinitionNode) and has_timeline(node)
        return f"filters: {owner}EventFilter" if typed else ""
    if target not in derivation.filters or omits(node, field, "argument"):
        return ""
    return f"filters: {derivation.filters[target]}"
