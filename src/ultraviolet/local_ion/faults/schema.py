"""Faults of the schema: an ION that is newer or older than its client believes, over the one that is served."""

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
    OperationDefinitionNode,
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
from ultraviolet.local_ion.faults.registry import ABOUT, Fault, Faults

Answer = dict[str, Any]
Execute = Callable[[str, Mapping[str, Any] | None, str | None], Answer]
_GONE = ("field_gone", "type_gone")


class Shape(msgspec.Struct, frozen=True):
    """The schema as drifted: what clients see, and which of its fields the real one lacks."""

    schema: GraphQLSchema
    added: dict[tuple[str, str], Answer | None]


class Drift:
    """Answers operations under the schema the faults make of the real one."""

    def __init__(self, schema: GraphQLSchema, faults: Faults) -> None:
        self._schema = schema
        self._faults = faults
        self._shape = functools.lru_cache(maxsize=2)(self._shaped)

    def check(self, faults: Sequence[Fault]) -> None:
        """Refuse what names nothing in the schema; raises InvalidError."""
        ours = tuple(f for f in faults if "schema" in ABOUT[f.kind].points)
        if ours:
            self._shaped(ours)

    def execute(
        self, query: str, variables: Mapping[str, Any] | None, name: str | None, execute: Execute
    ) -> Answer:
        """Answer an operation; `execute` is the ION without the drift."""
        standing = tuple(self._faults.standing("schema"))
        if not standing:
            return execute(query, variables, name)
        shape = self._shape(standing)
        try:
            document = parse(query)
        except GraphQLError:
            return execute(query, variables, name)
        errors = validate(shape.schema, document)
        operation = get_operation_ast(document, name)
        if errors or operation is None:
            if not validate(self._schema, document):
                self._faults.strike("schema", *(f.only for f in standing if f.kind in _GONE))
            return {"errors": [e.formatted for e in errors]} if errors else execute(query, variables, name)
        if _is_introspection(operation):
            return _introspected(shape.schema, document, variables, name)
        answer = execute(print_ast(_without(shape, document)), variables, name)
        return self._dressed(shape, document, operation, answer)

    def _shaped(self, faults: tuple[Fault, ...]) -> Shape:
        shape = Shape(copy.deepcopy(self._schema), {})
        for fault in faults:
            _SHAPERS[fault.kind](shape, fault)
        return shape

    def _dressed(
        self, shape: Shape, document: DocumentNode, operation: OperationDefinitionNode, answer: Answer
    ) -> Answer:
        """Put into an answer what only the drifted ION knows."""
        answer = msgspec.json.decode(msgspec.json.encode(answer))
        root = shape.schema.get_root_type(operation.operation)
        if root is not None and answer.get("data"):
            dresser = _Dresser(shape, self._faults, document)
            dresser.object(root, operation.selection_set.selections, answer["data"])
        return answer


class _Dresser:
    """Walks an answer beside the selection it answers."""

    def __init__(self, shape: Shape, faults: Faults, document: DocumentNode) -> None:
        self._shape = shape
        self._faults = faults
        self._fragments = {
            d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
        }
        self._enums = {
            f.only: f.setting("value") for f in faults.standing("schema") if f.kind == "enum_value_added"
        }

    def object(self, kind: GraphQLObjectType, selections: Sequence[SelectionNode], data: Answer) -> None:
        """Dress one object in place."""
        for selection in selections:
            if isinstance(selection, FieldNode):
                self._field(kind, selection, data)
            elif isinstance(selection, InlineFragmentNode):
                self.object(kind, selection.selection_set.selections, data)
            elif isinstance(selection, FragmentSpreadNode):
                fragment = self._fragments[selection.name.value]
                self.object(kind, fragment.selection_set.selections, data)

    def _field(self, kind: GraphQLObjectType, node: FieldNode, data: Answer) -> None:
        name = node.name.value
        key = node.alias.value if node.alias else name
        if key not in data or name not in kind.fields:
            return
        if (kind.name, name) in self._shape.added:
            self._faults.strike("schema", kind.name)
            data[key] = self._new(self._shape.added[kind.name, name], node)
        else:
            data[key] = self._value(get_named_type(kind.fields[name].type), node, data[key])

    def _new(self, value: Answer | None, node: FieldNode) -> Answer | None:
        if value is None or node.selection_set is None:
            return None
        nodes = [n for n in node.selection_set.selections if isinstance(n, FieldNode)]
        known: Answer = value
        return {(n.alias or n.name).value: known.get(n.name.value) for n in nodes}

    def _value(self, kind: Any, node: FieldNode, value: Any) -> Any:
        if isinstance(value, list):
            return [self._value(kind, node, each) for each in cast("list[Any]", value)]
        if isinstance(kind, GraphQLObjectType) and isinstance(value, dict) and node.selection_set:
            self.object(kind, node.selection_set.selections, cast("Answer", value))
        elif value is not None and getattr(kind, "name", None) in self._enums:
            return self._enums[kind.name] if self._faults.strike("schema", kind.name) else cast("Any", value)
        return cast("Any", value)


class _Replace(Visitor):
    """Puts `__typename`, under the same key, where the real schema has no field."""

    def __init__(self, shape: Shape, info: TypeInfo) -> None:
        super().__init__()
        self._shape = shape
        self._info = info

    def enter_field(self, node: FieldNode, *_: Any) -> FieldNode | None:
        parent = self._info.get_parent_type()
        if parent is None or (parent.name, node.name.value) not in self._shape.added:
            return None
        return FieldNode(alias=node.alias or node.name, name=NameNode(value="__typename"))


def _without(shape: Shape, document: DocumentNode) -> DocumentNode:
    if not shape.added:
        return document
    info = TypeInfo(shape.schema)
    return visit(document, TypeInfoVisitor(info, _Replace(shape, info)))


def _is_introspection(operation: OperationDefinitionNode) -> bool:
    nodes = operation.selection_set.selections
    return all(isinstance(n, FieldNode) and n.name.value in {"__schema", "__type"} for n in nodes)


def _introspected(
    schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any] | None, name: str | None
) -> Answer:
    result = execute_sync(schema, document, variable_values=dict(variables or {}), operation_name=name)
    assert isinstance(result, ExecutionResult)
    return cast("Answer", result.formatted)


def _object(shape: Shape, name: str) -> GraphQLObjectType:
    kind = shape.schema.type_map.get(name)
    if not isinstance(kind, GraphQLObjectType):
        raise InvalidError(f"{name} is not an object type of ION's schema.")
    return kind


def _add_enum_value(shape: Shape, fault: Fault) -> None:
    kind = shape.schema.type_map.get(fault.only)
    if not isinstance(kind, GraphQLEnumType):
        raise InvalidError(f"{fault.only} is not an enum of ION's schema.")
    kind.values[fault.setting("value")] = GraphQLEnumValue(fault.setting("value"))


def _add_field(shape: Shape, fault: Fault) -> None:
    name = fault.setting("value")
    _new_field(shape, fault.only, name, GraphQLField(GraphQLString), None)


def _add_type(shape: Shape, fault: Fault) -> None:
    name = fault.setting("value")
    if name in shape.schema.type_map:
        raise InvalidError(f"ION's schema has a type {name} already.")
    kind = GraphQLObjectType(name, {"level": GraphQLField(GraphQLInt), "note": GraphQLField(GraphQLString)})
    shape.schema.type_map[name] = kind
    _new_field(shape, fault.only, name[0].lower() + name[1:], GraphQLField(kind), {"level": 1, "note": None})


def _new_field(shape: Shape, owner: str, name: str, field: GraphQLField, value: Answer | None) -> None:
    kind = _object(shape, owner)
    if name in kind.fields:
        raise InvalidError(f"{owner} has a field {name} already.")
    kind.fields[name] = field
    shape.added[owner, name] = value


def _drop_field(shape: Shape, fault: Fault) -> None:
    owner, _, name = fault.only.partition(".")
    if name not in _object(shape, owner).fields:
        raise InvalidError(f"{fault.only} is not a field of ION's schema; it is written Type.field.")
    del _object(shape, owner).fields[name]


def _drop_type(shape: Shape, fault: Fault) -> None:
    gone = _object(shape, fault.only)
    del shape.schema.type_map[gone.name]
    for kind in shape.schema.type_map.values():
        if isinstance(kind, GraphQLObjectType):
            for name in [n for n, f in kind.fields.items() if get_named_type(f.type) is gone]:
                del kind.fields[name]


_SHAPERS: Mapping[str, Callable[[Shape, Fault], None]] = {
    "enum_value_added": _add_enum_value,
    "field_added": _add_field,
    "type_added": _add_type,
    "field_gone": _drop_field,
    "type_gone": _drop_type,
}
