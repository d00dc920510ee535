"""The local ION itself: takes a GraphQL operation, answers it from its store."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection
from threading import Lock
from typing import Any

import msgspec
from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLObjectType,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    execute_sync,  # pyright: ignore[reportUnknownVariableType]
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from ultraviolet.ion.catalog import Catalog, Resource, load
from ultraviolet.ion.graphql_types import object_of
from ultraviolet.local_ion.graphql.query_roots import ROOTS
from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.graphql.sql_compiler import Pages
from ultraviolet.local_ion.mutations import action_rules
from ultraviolet.local_ion.mutations.crud_registry import handlers
from ultraviolet.local_ion.rules.seed import ADMINISTRATOR, seed
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.columns import encode
from ultraviolet.local_ion.store.store import InUseError, NotUniqueError, Store
from ultraviolet.times import now

_CACHED_DOCUMENTS = 500
_ANYONE = {"me", "organization"}
"""Roots anyone may ask."""


class Viewer(msgspec.Struct, frozen=True):
    """Who is asking; `permissions` are names of queries and mutations, None allows all."""

    user_id: int
    permissions: frozenset[str] | None = None


class _Parsed(msgspec.Struct):
    document: DocumentNode | None
    errors: list[GraphQLError]
    fragments: dict[str, FragmentDefinitionNode]
    pages: Pages = msgspec.field(default_factory=Pages)


def served_mutations(catalog: Catalog) -> list[str]:
    """Name the mutations this local ION carries out."""
    return list(handlers(catalog))


def unserved_mutations(catalog: Catalog) -> list[str]:
    """Name the mutations of the contract that answer an error saying so."""
    served, mutations = handlers(catalog), catalog.schema.mutation_type
    assert mutations is not None
    return [name for name in mutations.fields if name not in served]


class LocalIon:
    """An ION over one SQLite file in a directory."""

    def __init__(self, data_dir: Path, clock: Callable[[], str] = now) -> None:
        self.catalog = load()
        self.schema = self.catalog.schema
        data_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(data_dir / "ion.db", self.catalog, clock)
        self.on_commit: Callable[[], None] = lambda: None
        self._handlers = handlers(self.catalog)
        self._lists = {r.list: r for r in self.catalog.resources.values() if r.list}
        self._singles = {r.single: r for r in self.catalog.resources.values() if r.single}
        self._parsed: OrderedDict[str, _Parsed] = OrderedDict()
        self._lock = Lock()
        seed(self.store, self.catalog)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def execute(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        viewer: Viewer,
        *,
        for_wire: bool = False,
    ) -> dict[str, Any]:
        """Answer an operation: `data`, `errors`, or both; for the wire, a part of it may be JSON text already."""
        parsed = self._parse(query)
        if parsed.errors or parsed.document is None:
            return {"errors": [e.formatted for e in parsed.errors]}
        operation = get_operation_ast(parsed.document, operation_name)
        if operation is None:
            return {
                "errors": [{"message": "Must provide operation name if query contains multiple operations."}]
            }
        values = get_variable_values(self.schema, operation.variable_definitions or (), dict(variables or {}))
        if isinstance(values, list):
            return {"errors": [e.formatted for e in values]}
        run = _Operation(self, parsed, operation, values, viewer, for_wire=for_wire)
        return run.mutation() if operation.operation == OperationType.MUTATION else run.query()

    def _parse(self, query: str) -> _Parsed:
        with self._lock:
            found = self._parsed.get(query)
            if found is not None:
                self._parsed.move_to_end(query)
                return found
        parsed = self._validated(query)
        with self._lock:
            self._parsed[query] = parsed
            if len(self._parsed) > _CACHED_DOCUMENTS:
                self._parsed.popitem(last=False)
        return parsed

    def _validated(self, query: str) -> _Parsed:
        try:
            document = parse(query)
        except GraphQLError as error:
            return _Parsed(None, [error], {})
        fragments = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}
        return _Parsed(document, list(validate(self.schema, document)), fragments)

    def look(self, connection: Connection, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a query over a connection that is in the midst of writing, as one who may see all."""
        parsed = self._parse(query)
        operation = None if parsed.document is None else get_operation_ast(parsed.document, None)
        if parsed.errors or operation is None or operation.operation != OperationType.QUERY:
            return {"errors": [e.formatted for e in parsed.errors] or [{"message": "This is no query."}]}
        values = get_variable_values(self.schema, operation.variable_definitions or (), dict(variables))
        if isinstance(values, list):
            return {"errors": [e.formatted for e in values]}
        return _Operation(self, parsed, operation, values, Viewer(ADMINISTRATOR)).look(connection)

    def list_resource(self, field: str) -> Resource | None:
        """Give what a list root lists."""
        return self._lists.get(field)

    def single_resource(self, field: str) -> Resource | None:
        """Give what a single root shows."""
        return self._singles.get(field)

    def handler(self, field: str) -> Any:
        """Give what carries out a mutation, or None."""
        return self._handlers.get(field)


class _Operation:
    """One operation being answered."""

    def __init__(
        self,
        ion: LocalIon,
        parsed: _Parsed,
        operation: OperationDefinitionNode,
        variables: VariableValues,
        viewer: Viewer,
        *,
        for_wire: bool = False,
    ) -> None:
        self.ion = ion
        self.parsed = parsed
        self.operation = operation
        self.variables = variables
        self.viewer = viewer
        self.pages = parsed.pages if for_wire else None
        self.data: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []

    def query(self) -> dict[str, Any]:
        """Answer a query from one snapshot."""
        with self.ion.store.reading() as connection:
            return self.look(connection)

    def look(self, connection: Connection) -> dict[str, Any]:
        """Answer a query over a connection."""
        root = self.ion.schema.query_type
        assert root is not None
        reader = self._reader(connection)
        for key, nodes in self._roots(root, reader).items():
            self._answer(key, nodes, lambda n=nodes: self._query_field(root, n, reader))
        return self._result()

    def mutation(self) -> dict[str, Any]:
        """Carry out mutations, each in a transaction of its own."""
        root = self.ion.schema.mutation_type
        assert root is not None
        reader = self._reader(self.ion.store.connection)
        for key, nodes in self._roots(root, reader).items():
            self._answer(key, nodes, lambda n=nodes: self._mutation_field(root, n))
        return self._result()

    def _reader(self, connection: Any) -> Reader:
        return Reader(
            self.ion.catalog,
            self.ion.schema,
            connection,
            self.variables,
            self.parsed.fragments,
            self.viewer.permissions,
            self.pages,
        )

    def _roots(self, root: GraphQLObjectType, reader: Reader) -> dict[str, list[FieldNode]]:
        found: dict[str, list[FieldNode]] = {}
        reader.collect(root, self.operation.selection_set.selections, found)
        return found

    def _answer(self, key: str, nodes: list[FieldNode], answer: Callable[[], Any]) -> None:
        try:
            self.data[key] = answer()
        except (GraphQLError, NotUniqueError, InUseError) as error:
            self.data[key] = None
            located = GraphQLError(str(getattr(error, "message", error)), nodes, path=[key])
            self.errors.append({**located.formatted})

    def _result(self) -> dict[str, Any]:
        return {"data": self.data, "errors": self.errors} if self.errors else {"data": self.data}

    def _query_field(self, root: GraphQLObjectType, nodes: list[FieldNode], reader: Reader) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return root.name
        if name.startswith("__"):
            return self._introspect(nodes)
        self._allowed(name, "read")
        definition = root.fields[name]
        args = reader.arguments(definition, nodes[0])
        kind = object_of(definition)
        special = ROOTS.get(name)
        if special is not None:
            return special(reader, kind, nodes, args, self.viewer.user_id)
        resource = self.ion.list_resource(name)
        if resource is not None:
            return reader.list_root(resource, kind, nodes, args)
        resource = self.ion.single_resource(name)
        assert resource is not None
        return reader.by_key(resource, nodes, _key_columns(resource, args))

    def _introspect(self, nodes: list[FieldNode]) -> Any:
        operation = replace(self.operation, selection_set=SelectionSetNode(selections=(nodes[0],)))
        definitions = (operation, *self.parsed.fragments.values())
        result = execute_sync(
            self.ion.schema, DocumentNode(definitions=definitions), variable_values=self.variables.coerced
        )
        assert isinstance(result, ExecutionResult)
        if result.errors:
            raise result.errors[0]
        return next(iter((result.data or {}).values()))

    def _mutation_field(self, root: GraphQLObjectType, nodes: list[FieldNode]) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return root.name
        self._allowed(name, "update")
        handler = self.ion.handler(name)
        if handler is None:
            raise GraphQLError(f"Mutation {name} is not served by this local ION yet")
        payload = object_of(root.fields[name])
        with self.ion.store.writing(self.viewer.user_id) as tx:
            tx.permissions = self.viewer.permissions
            begun = audit_log.latest(tx.connection)
            reader = self._reader(tx.connection)
            made = handler(tx, reader.arguments(root.fields[name], nodes[0]))
            action_rules.enforce(tx, begun, self.ion.look)
            answer = reader.plain(payload, nodes, made)
        self.ion.on_commit()
        return answer

    def _allowed(self, name: str, verb: str) -> None:
        allowed = self.viewer.permissions
        if allowed is not None and name not in allowed and name not in _ANYONE:
            raise GraphQLError(f"User does not have permission to {verb} this resource.")


def _key_columns(resource: Resource, args: Mapping[str, Any]) -> dict[str, Any]:
    """Give key values by column; `gateType` is what some queries call a key with a longer name."""
    columns: dict[str, Any] = {}
    for name in resource.key:
        field = next(f for f in resource.fields if f.name == name)
        value = (
            args[name]
            if name in args
            else next(v for k, v in args.items() if name.lower().endswith(k.lower()))
        )
        columns[field.column] = encode(field, value)
    return columns
