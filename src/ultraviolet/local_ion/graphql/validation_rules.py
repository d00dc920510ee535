"""The rules by which documents are validated: the specified ones, with two replaced.

Fields are checked for conflicts in linear time, because generated documents have thousands of them.
A newer ION also accepts a variable of type Int for an ID, and of one value for a list, as its
documentation and scripts use them.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, ClassVar, NamedTuple, cast

from graphql import (
    BREAK,
    SKIP,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    InlineFragmentNode,
    Node,
    NullValueNode,
    OperationDefinitionNode,
    ParallelVisitor,
    SelectionSetNode,
    Undefined,
    get_named_type,
    is_leaf_type,
    print_ast,
    type_from_ast,  # pyright: ignore[reportUnknownVariableType]
)
from graphql.language.visitor import EnterLeaveVisitor
from graphql.validation import (
    ASTValidationContext,
    ASTValidationRule,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    ValidationRule,
    VariablesInAllowedPositionRule,
    specified_rules,
)

from ultraviolet.ion.contract.derive import Version

_MAX_FIELDS = 100_000
"""Bound on the fields of all merged selections, whose number can grow exponentially."""


class _Field(NamedTuple):
    """A selected field with the type that has it."""

    parent: GraphQLNamedType | None
    node: FieldNode
    kind: Any


Fields = dict[str, list[_Field]]


class FieldsCanBeMergedRule(ValidationRule):
    """Fields with one response key must be the same field, or belong to different objects."""

    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self._checked: set[tuple[str, frozenset[int]]] = set()
        self._fields = 0
        self._reported: set[tuple[int, int]] = set()

    def enter_operation_definition(self, node: OperationDefinitionNode, *_: Any) -> None:
        """Check the fields of an operation."""
        root = self.context.schema.get_root_type(node.operation)
        self._check([(root, node.selection_set)], "parent")
        self._check([(root, node.selection_set)], "shape")

    def _check(
        self, selections: Sequence[tuple[GraphQLNamedType | None, SelectionSetNode]], what: str
    ) -> None:
        """Check selections that are merged, each once."""
        if not selections or self._fields > _MAX_FIELDS:
            return
        key = (what, frozenset(id(selected) for _, selected in selections))
        if key in self._checked:
            return
        self._checked.add(key)
        fields: Fields = defaultdict(list)
        seen: set[str] = set()
        for kind, selected in selections:
            self._collect(kind, selected, fields, seen)
        self._fields += sum(map(len, fields.values()))
        if self._fields > _MAX_FIELDS:
            message = "The document is too complex: its fragments repeat too many fields. Split it."
            self.report_error(GraphQLError(message))
            return
        for name, group in fields.items():
            if what == "shape":
                self._check_shapes(name, group)
            else:
                self._check_parents(name, group)

    def _collect(
        self,
        kind: GraphQLNamedType | None,
        selected: SelectionSetNode,
        fields: Fields,
        seen: set[str],
    ) -> None:
        for node in selected.selections:
            if isinstance(node, FieldNode):
                definition = (
                    kind.fields.get(node.name.value)
                    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType)
                    else None
                )
                key = (node.alias or node.name).value
                fields[key].append(_Field(kind, node, definition and definition.type))
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                inner = self._named(condition.name.value) if condition else kind
                self._collect(inner, node.selection_set, fields, seen)
            elif isinstance(node, FragmentSpreadNode) and node.name.value not in seen:
                seen.add(node.name.value)
                fragment = self.context.get_fragment(node.name.value)
                if fragment is not None:
                    inner = self._named(fragment.type_condition.name.value)
                    self._collect(inner, fragment.selection_set, fields, seen)

    def _named(self, name: str) -> GraphQLNamedType | None:
        return self.context.schema.type_map.get(name)

    def _check_shapes(self, name: str, group: Sequence[_Field]) -> None:
        """Check that values under one key look alike, even in different objects."""
        typed = [field for field in group if field.kind is not None]
        for field in typed[1:]:
            if _shape(field.kind) != _shape(typed[0].kind):
                kinds = f"'{typed[0].kind}' and '{field.kind}'"
                self._report(name, typed[0], field, f"they return conflicting types {kinds}")
                return
        self._check(_selections(group), "shape")

    def _check_parents(self, name: str, group: Sequence[_Field]) -> None:
        """Check that fields that one object may have are the same, with the same arguments."""
        concrete: dict[str, list[_Field]] = defaultdict(list)
        shared: list[_Field] = []
        for field in group:
            if isinstance(field.parent, GraphQLObjectType):
                concrete[field.parent.name].append(field)
            else:
                shared.append(field)
        for fields in concrete.values() or [[]]:
            same = [*fields, *shared]
            for field in same[1:]:
                first, other = same[0].node, field.node
                if first is other:
                    continue
                if first.name.value != other.name.value:
                    names = f"'{first.name.value}' and '{other.name.value}'"
                    self._report(name, same[0], field, f"{names} are different fields")
                    return
                if _arguments(first) != _arguments(other):
                    self._report(name, same[0], field, "they have differing arguments")
                    return
            self._check(_selections(same), "parent")

    def _report(self, name: str, first: _Field, other: _Field, reason: str) -> None:
        pair = (id(first.node), id(other.node))
        if pair in self._reported:
            return
        self._reported.add(pair)
        message = (
            f"Fields '{name}' conflict because {reason}. Use different aliases on the fields"
            " to fetch both if this was intentional."
        )
        self.report_error(GraphQLError(message, [first.node, other.node]))


def _selections(
    fields: Iterable[_Field],
) -> list[tuple[GraphQLNamedType | None, SelectionSetNode]]:
    return [
        (get_named_type(field.kind) if field.kind is not None else None, field.node.selection_set)
        for field in fields
        if field.node.selection_set is not None
    ]


def _shape(kind: Any) -> str:
    """Return lists, non-nulls and the scalar of a type; all objects have one shape."""
    if isinstance(kind, GraphQLNonNull):
        return f"{_shape(cast('Any', kind).of_type)}!"
    if isinstance(kind, GraphQLList):
        return f"[{_shape(cast('Any', kind).of_type)}]"
    return kind.name if is_leaf_type(kind) else "{}"


def _arguments(node: FieldNode) -> list[tuple[str, str]]:
    return sorted((a.name.value, print_ast(a.value)) for a in node.arguments or ())


class LooseVariablesRule(VariablesInAllowedPositionRule):
    """Variables have the type of their place; also an Int for an ID, and one value for a list.

    Only an argument accepts one value for a list. A variable that may be null is refused for a
    place that may not, as graphql-core 2 does.
    """

    def leave_operation_definition(self, operation: OperationDefinitionNode, *_: Any) -> None:
        """Check the variables of an operation."""
        schema = self.context.schema
        usages = cast("list[Any]", self.context.get_recursive_variable_usages(operation))
        for usage in usages:
            definition = self.var_def_map.get(usage.node.name.value)
            if definition is None or usage.type is None:
                continue
            given = cast("Any", type_from_ast(schema, definition.type))
            if given is None:
                continue
            default = definition.default_value
            has_default = default is not None and not isinstance(default, NullValueNode)
            if has_default or usage.default_value is not Undefined:
                given = _non_null(given)
            if not _accepts(usage.type, given, is_argument=usage.parent_type is None):
                message = (
                    f"Variable '${usage.node.name.value}' of type '{print_ast(definition.type)}'"
                    f" used in position expecting type '{usage.type}'."
                )
                self.report_error(GraphQLError(message, [definition, usage.node]))


def _non_null(kind: Any) -> Any:
    return cast("Any", kind) if isinstance(kind, GraphQLNonNull) else GraphQLNonNull(kind)


def _accepts(expected: Any, given: Any, *, is_argument: bool = False) -> bool:
    """Return whether a place accepts all values of a type."""
    if isinstance(expected, GraphQLNonNull):
        if not isinstance(given, GraphQLNonNull):
            return False
        expected = cast("Any", expected).of_type
    if isinstance(given, GraphQLNonNull):
        given = cast("Any", given).of_type
    if isinstance(expected, GraphQLList):
        item = cast("Any", expected).of_type
        if isinstance(given, GraphQLList):
            return _accepts(item, cast("Any", given).of_type)
        return is_argument and _accepts(item, _non_null(given))
    names = (getattr(expected, "name", None), getattr(given, "name", ""))
    return names[0] == names[1] or names == ("ID", "Int")


class _MergedRules(ParallelVisitor):
    """Several rules as one, which calls only the rules with a handler for the kind of a node.

    For a short document, the search for the handlers of 30 rules took longer than their calls.
    """

    rules: ClassVar[tuple[type[ASTValidationRule], ...]]
    handlers: ClassVar[dict[str, tuple[tuple[int, str, str], ...]]]
    """By kind of node: the number of each rule and the names of its methods, found once."""

    def __init__(self, context: ASTValidationContext) -> None:
        self._each = [rule(context) for rule in self.rules]
        super().__init__(self._each)

    def get_enter_leave_for_kind(self, kind: str) -> EnterLeaveVisitor:
        """Return the merged handlers for a kind of node."""
        merged = self.enter_leave_map.get(kind)
        if merged is None:
            if kind not in self.handlers:
                self.handlers[kind] = tuple(_find_handlers(self.rules, kind))
            bound = [
                (i, *(getattr(self._each[i], name, None) for name in names))
                for i, *names in self.handlers[kind]
            ]
            merged = EnterLeaveVisitor(
                _enter_all(bound, self.skipping) if bound else None,
                _leave_all(bound, self.skipping) if bound else None,
            )
            self.enter_leave_map[kind] = merged
        return merged


def _enter_all(handlers: list[Any], skipping: list[Any]) -> Callable[..., None]:
    def enter(node: Node, *args: Any) -> None:
        for i, on_enter, _ in handlers:
            if on_enter and not skipping[i]:
                result = on_enter(node, *args)
                if result is SKIP or result is False:
                    skipping[i] = node
                elif result is BREAK or result is True:
                    skipping[i] = BREAK

    return enter


def _leave_all(handlers: list[Any], skipping: list[Any]) -> Callable[..., None]:
    def leave(node: Node, *args: Any) -> None:
        for i, _, on_leave in handlers:
            if skipping[i] is node:
                skipping[i] = None
            elif on_leave and not skipping[i]:
                result = on_leave(node, *args)
                if result is BREAK or result is True:
                    skipping[i] = BREAK

    return leave


def _find_handlers(
    rules: Iterable[type[ASTValidationRule]], kind: str
) -> Iterator[tuple[int, str, str]]:
    for number, rule in enumerate(rules):
        on_enter = f"enter_{kind}" if hasattr(rule, f"enter_{kind}") else "enter"
        on_leave = f"leave_{kind}" if hasattr(rule, f"leave_{kind}") else "leave"
        if hasattr(rule, on_enter) or hasattr(rule, on_leave):
            yield number, on_enter, on_leave


@cache
def rules_of(version: Version) -> list[type[ASTValidationRule]]:
    """Return the rules for documents of a version of ION."""
    replaced: dict[Any, type[ASTValidationRule]] = {
        OverlappingFieldsCanBeMergedRule: FieldsCanBeMergedRule
    }
    if version != "2023":
        replaced[VariablesInAllowedPositionRule] = LooseVariablesRule
    rules = tuple(replaced.get(rule, rule) for rule in specified_rules)
    merged = type("MergedRules", (_MergedRules,), {"rules": rules, "handlers": {}})
    return [cast("type[ASTValidationRule]", merged)]
