"""Contexts of ION Actions: the data that the code of a rule reads.

A context of today names the changed object directly, as `{ issue { status } }`, also where the
schema has only a list of it; older contexts name an id or a list with edges (documented).
"""

import json
from collections.abc import Mapping
from typing import Any, cast

from graphql import (
    FieldNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    parse,
    print_ast,
)

from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource


def direct_query(catalog: Catalog, target: Resource, context: str, row_id: Any) -> str:
    """Return the query of a context: a direct object becomes a list of one under its name.

    Raise GraphQLError for invalid syntax.
    """
    text = context.replace("$id", json.dumps(row_id))
    name = _direct_name(target)
    query = catalog.schema.query_type
    assert query is not None
    document = parse(text)
    selections: list[str] = []
    for definition in document.definitions:
        if not isinstance(definition, OperationDefinitionNode):
            return text
        selections += [
            _selection(node, name, target, row_id, name in query.fields)
            for node in definition.selection_set.selections
        ]
    return f"{{ {' '.join(selections)} }}"


def unwrap(target: Resource, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a context with its direct object instead of the list of one."""
    name = _direct_name(target)
    found: dict[str, Any] = dict(data)
    value = found.get(name)
    if isinstance(value, dict) and set(value) == {"edges"}:  # pyright: ignore[reportUnknownArgumentType]
        edges = cast("list[dict[str, Any]]", value["edges"])
        found[name] = edges[0]["node"] if edges else None
    return found


def _direct_name(target: Resource) -> str:
    return target.type[0].lower() + target.type[1:]


def _selection(
    node: SelectionNode, name: str, target: Resource, row_id: Any, in_schema: bool
) -> str:
    if not isinstance(node, FieldNode) or node.name.value != name or node.selection_set is None:
        return print_ast(node)
    if in_schema and node.arguments:
        return print_ast(node)
    fields, key = print_ast(node.selection_set), json.dumps(row_id)
    if in_schema:
        return f"{name}(id: {key}) {fields}"
    if target.list is None:
        raise GraphQLError(f"A context cannot contain {name}.")
    return f"{name}: {target.list}(filters: {{id: {{eq: {key}}}}}) {{ edges {{ node {fields} }} }}"
