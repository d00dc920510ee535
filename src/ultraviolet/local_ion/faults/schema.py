"""Faults of the schema: clients see an ION that is newer or older than the served one."""

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLEnumValue,
    GraphQLError,
    GraphQLField,
    GraphQLInt,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLString,
    InlineFragmentNode,
    NameNode,
    SelectionNode,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    execute_sync,  # pyright: ignore[reportUnknownVariableType]
    get_named_type,
    get_operation_ast,
    parse,
    print_ast,
    validate,
    visit,
)

from ultraviolet.errors import InvalidError
from ultraviolet.ion.graphql_types import named_type
from ultraviolet.local_ion.faults.kinds import FAULT_KINDS, Fault
from ultraviolet.local_ion.faults.registry import FaultRegistry

JsonObject = dict[str, Any]
Execute = Callable[[str, Mapping[str, Any] | None, str | None], JsonObject]
_REMOVALS = ("field_removed", "type_removed")


class AlteredSchema(msgspec.Struct, frozen=True):
    """The schema that clients see, and its fields that the real schema lacks."""

    schema: GraphQLSchema
    added_fields: dict[tuple[str, str], JsonObject | None]
    """The value of each added field by type and field name."""


class SchemaFaults:
    """Executes operations under a schema altered by faults."""

    def __init__(self, schema: GraphQLSchema, faults: FaultRegistry) -> None:
        self._schema = schema
        self._faults = faults
        self._altered = functools.lru_cache(maxsize=2)(self._alter)

    def check(self, faults: Sequence[Fault]) -> None:
        """Raise InvalidError for faults whose target is not in the schema."""
        relevant = tuple(f for f in faults if "schema" in FAULT_KINDS[f.kind].points)
        if relevant:
            self._alter(relevant)

    def execute(
        self, query: str, variables: Mapping[str, Any] | None, name: str | None, execute: Execute
    ) -> JsonObject:
        """Execute an operation; `execute` runs it under the real schema."""
        active = tuple(self._faults.active("schema"))
        if not active:
            return execute(query, variables, name)
        altered = self._altered(active)
        try:
            document = parse(query)
        except GraphQLError:
            return execute(query, variables, name)
        errors = validate(altered.schema, document)
        if errors:
            if not validate(self._schema, document):
                removed = (f.only for f in active if f.kind in _REMOVALS)
                self._faults.trigger("schema", *removed)
            return {"errors": [e.formatted for e in errors]}
        operation = get_operation_ast(document, name)
        if operation is None:
            return execute(query, variables, name)
        nodes = operation.selection_set.selections
        names = {"__schema", "__type"}
        if all(isinstance(n, FieldNode) and n.name.value in names for n in nodes):
            result = execute_sync(
                altered.schema, document, variable_values=dict(variables or {}), operation_name=name
            )
            assert isinstance(result, ExecutionResult)
            return cast("JsonObject", result.formatted)
        served = document
        if altered.added_fields:
            info = TypeInfo(altered.schema)
            served = visit(document, TypeInfoVisitor(info, _TypenameVisitor(altered, info)))
        response = execute(print_ast(served), variables, name)
        response = msgspec.json.decode(msgspec.json.encode(response))
        root = altered.schema.get_root_type(operation.operation)
        if root is not None and response.get("data"):
            values = _AddedValues(altered, self._faults, document)
            values.fill(root, nodes, response["data"])
        return response

    def _alter(self, faults: tuple[Fault, ...]) -> AlteredSchema:
        altered = AlteredSchema(copy.deepcopy(self._schema), {})
        for fault in faults:
            _ALTERATIONS[fault.kind](altered, fault)
        return altered


class _AddedValues:
    """Fills the values of added fields and enum values into a response."""

    def __init__(
        self, altered: AlteredSchema, faults: FaultRegistry, document: DocumentNode
    ) -> None:
        self._altered = altered
        self._faults = faults
        definitions = document.definitions
        self._fragments = {
            d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._enum_values = {
            fault.only: fault.setting("value")
            for fault in faults.active("schema")
            if fault.kind == "enum_value_added"
        }

    def fill(
        self, kind: GraphQLObjectType, selections: Sequence[SelectionNode], data: JsonObject
    ) -> None:
        """Fill one object in place."""
        for node in selections:
            if isinstance(node, InlineFragmentNode):
                self.fill(kind, node.selection_set.selections, data)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                self.fill(kind, fragment.selection_set.selections, data)
            elif isinstance(node, FieldNode):
                name = node.name.value
                key = node.alias.value if node.alias else name
                if key not in data or name not in kind.fields:
                    continue
                if (kind.name, name) in self._altered.added_fields:
                    self._faults.trigger("schema", kind.name)
                    value = self._altered.added_fields[kind.name, name]
                    if value is not None and node.selection_set is not None:
                        nodes = node.selection_set.selections
                        value = {
                            (n.alias or n.name).value: value.get(n.name.value)
                            for n in nodes
                            if isinstance(n, FieldNode)
                        }
                    data[key] = value if node.selection_set else None
                else:
                    target = named_type(kind.fields[name])
                    data[key] = self._fill_value(target, node, data[key])

    def _fill_value(self, kind: Any, node: FieldNode, value: Any) -> Any:
        if isinstance(value, list):
            return [self._fill_value(kind, node, each) for each in cast("list[Any]", value)]
        if isinstance(kind, GraphQLObjectType) and isinstance(value, dict) and node.selection_set:
            self.fill(kind, node.selection_set.selections, cast("JsonObject", value))
        elif (
            value is not None
            and getattr(kind, "name", None) in self._enum_values
            and self._faults.trigger("schema", kind.name)
        ):
            return self._enum_values[kind.name]
        return cast("Any", value)


class _TypenameVisitor(Visitor):
    """Replaces added fields by `__typename` under the same response key."""

    def __init__(self, altered: AlteredSchema, info: TypeInfo) -> None:
        super().__init__()
        self._altered = altered
        self._info = info

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        parent = self._info.get_parent_type()
        if parent is None or (parent.name, node.name.value) not in self._altered.added_fields:
            return None
        return FieldNode(alias=node.alias or node.name, name=NameNode(value="__typename"))


Alteration = Callable[[AlteredSchema, Fault], None]
_ALTERATIONS: dict[str, Alteration] = {}


def _alters(kind: str) -> Callable[[Alteration], Alteration]:
    def register(alteration: Alteration) -> Alteration:
        _ALTERATIONS[kind] = alteration
        return alteration

    return register


def _object_type(altered: AlteredSchema, name: str) -> GraphQLObjectType:
    kind = altered.schema.type_map.get(name)
    if not isinstance(kind, GraphQLObjectType):
        raise InvalidError(f"{name} is not an object type of ION's schema.")
    return kind


@_alters("enum_value_added")
def _add_enum_value(altered: AlteredSchema, fault: Fault) -> None:
    kind = altered.schema.type_map.get(fault.only)
    if not isinstance(kind, GraphQLEnumType):
        raise InvalidError(f"{fault.only} is not an enum of ION's schema.")
    kind.values[fault.setting("value")] = GraphQLEnumValue(fault.setting("value"))


@_alters("field_added")
def _add_field(altered: AlteredSchema, fault: Fault) -> None:
    field = GraphQLField(GraphQLString)
    _add_field_to(altered, fault.only, fault.setting("value"), field, None)


@_alters("type_added")
def _add_type(altered: AlteredSchema, fault: Fault) -> None:
    name = fault.setting("value")
    if name in altered.schema.type_map:
        raise InvalidError(f"ION's schema already has a type {name}.")
    fields = {"level": GraphQLField(GraphQLInt), "note": GraphQLField(GraphQLString)}
    kind = GraphQLObjectType(name, fields)
    altered.schema.type_map[name] = kind
    value = {"level": 1, "note": None}
    field_name = name[0].lower() + name[1:]
    _add_field_to(altered, fault.only, field_name, GraphQLField(kind), value)


def _add_field_to(
    altered: AlteredSchema, owner: str, name: str, field: GraphQLField, value: JsonObject | None
) -> None:
    kind = _object_type(altered, owner)
    if name in kind.fields:
        raise InvalidError(f"{owner} already has a field {name}.")
    kind.fields[name] = field
    altered.added_fields[owner, name] = value


@_alters("field_removed")
def _remove_field(altered: AlteredSchema, fault: Fault) -> None:
    owner, _, name = fault.only.partition(".")
    fields = _object_type(altered, owner).fields
    if name not in fields:
        raise InvalidError(f"{fault.only} is not a field of ION's schema. Write Type.field.")
    del fields[name]


@_alters("type_removed")
def _remove_type(altered: AlteredSchema, fault: Fault) -> None:
    removed = _object_type(altered, fault.only)
    del altered.schema.type_map[removed.name]
    for kind in altered.schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for name in [n for n, f in kind.fields.items() if get_named_type(f.type) is removed]:
                del kind.fields[name]
