"""The local ION: it executes GraphQL operations on its store."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from sqlite3 import Connection, InterfaceError, OperationalError, ProgrammingError
from threading import Lock
from typing import Any

import msgspec
import structlog
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

from ultraviolet.clock import now_rfc3339
from ultraviolet.ion.catalog import load_catalog
from ultraviolet.ion.contract.derive import Version
from ultraviolet.ion.graphql_types import object_type
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.coercion import coerce_variables
from ultraviolet.local_ion.graphql.invalid_ids import find_invalid_id
from ultraviolet.local_ion.graphql.lists import ListReader
from ultraviolet.local_ion.graphql.query_roots import ROOT_FIELDS, RootRequest
from ultraviolet.local_ion.graphql.resolvers import Reader
from ultraviolet.local_ion.graphql.selection import OperationContext
from ultraviolet.local_ion.graphql.sql_compiler import CompiledPages
from ultraviolet.local_ion.graphql.validation_rules import rules_of
from ultraviolet.local_ion.mutations import boms
from ultraviolet.local_ion.mutations.action_rules import ActionRules
from ultraviolet.local_ion.mutations.registry import create_handlers
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.rules.seed import seed
from ultraviolet.local_ion.store import audit_log
from ultraviolet.local_ion.store.columns import encode
from ultraviolet.local_ion.store.store import ADMINISTRATOR_ID, Store
from ultraviolet.local_ion.store.transaction import InUseError, NotUniqueError

MAX_ERRORS = 30
"""Errors of one document; each may search a suggestion among thousands of names."""
MAX_CACHED_DOCUMENTS = 500
_PUBLIC_ROOT_FIELDS = {"me", "currentUser", "organization"}

log = structlog.get_logger()

_BINDING = (InterfaceError, ProgrammingError)
"""Errors of values that SQLite cannot bind."""
_LIMIT_ERRORS = ("stack overflow", "too large", "too many")


class _ParsedDocument(msgspec.Struct):
    document: DocumentNode | None
    errors: list[GraphQLError]
    fragments: dict[str, FragmentDefinitionNode]
    compiled_pages: CompiledPages = msgspec.field(default_factory=CompiledPages)


class LocalIon:
    """An ION whose data is one SQLite file in a directory."""

    def __init__(
        self,
        data_dir: Path,
        clock: Callable[[], str] = now_rfc3339,
        quirks: Quirks | None = None,
        version: Version = "all",
    ) -> None:
        self.quirks = quirks or Quirks()
        self.version: Version = version
        self.catalog = load_catalog().of_version(version)
        self.schema = self.catalog.schema
        data_dir.mkdir(parents=True, exist_ok=True)
        self.store = Store(data_dir / "ion.db", load_catalog(), clock)
        self.on_commit: Callable[[], None] | None = None
        self.handlers = create_handlers(self.catalog)
        self.action_rules = ActionRules(self.query_in_transaction)
        resources = self.catalog.resources.values()
        self.list_resources = {r.list: r for r in resources if r.list}
        self.single_resources = {r.single: r for r in resources if r.single}
        self._rules = rules_of(version)
        self._parsed: OrderedDict[str, _ParsedDocument] = OrderedDict()
        self._lock = Lock()
        strict = not self.quirks.has("reads_need_no_permission")
        seed(self.store, load_catalog(), read_permissions=strict)

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
        as_json: bool = False,
    ) -> dict[str, Any]:
        """Return the response of an operation; `as_json` allows parts of it to be JSON text."""
        operation = self._prepare(query, variables, operation_name, viewer, as_json=as_json)
        if isinstance(operation, dict):
            return operation
        if operation.definition.operation == OperationType.MUTATION:
            return operation.mutate()
        with self.store.read() as connection:
            return operation.query(connection)

    def query_in_transaction(
        self, connection: Connection, query: str, variables: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Execute a query on the connection of a transaction, as the administrator."""
        operation = self._prepare(query, variables, None, Viewer(ADMINISTRATOR_ID))
        if isinstance(operation, dict):
            return operation
        if operation.definition.operation != OperationType.QUERY:
            return {"errors": [{"message": "This is not a query."}]}
        return operation.query(connection)

    def _prepare(
        self,
        query: str,
        variables: Mapping[str, Any] | None,
        operation_name: str | None,
        viewer: Viewer,
        *,
        as_json: bool = False,
    ) -> "_Operation | dict[str, Any]":
        """Return an operation to execute, or the response to an invalid one."""
        parsed = self._parse(query)
        if parsed.errors or parsed.document is None:
            return {"errors": [error.formatted for error in parsed.errors]}
        definition = get_operation_ast(parsed.document, operation_name)
        if definition is None:
            message = (  # of graphql-core, which ION's server uses
                f"Unknown operation named '{operation_name}'."
                if operation_name
                else "Must provide operation name if query contains multiple operations."
            )
            return {"errors": [{"message": message}]}
        definitions = definition.variable_definitions or ()
        try:
            coerced = coerce_variables(
                self.schema,
                definitions,
                variables or {},
                every_scalar=self.quirks.has("every_scalar_is_converted"),
            )
        except RecursionError:
            return {"errors": [{"message": "The variables are nested too deeply."}]}
        values = get_variable_values(self.schema, definitions, coerced)
        if isinstance(values, list):
            return {"errors": [error.formatted for error in values]}
        return _Operation(self, parsed, definition, values, viewer, as_json=as_json)

    def _parse(self, query: str) -> _ParsedDocument:
        with self._lock:
            cached = self._parsed.get(query)
            if cached is not None:
                self._parsed.move_to_end(query)
                return cached
        try:
            document = parse(query)
        except GraphQLError as error:
            parsed = _ParsedDocument(None, [error], {})
        else:
            definitions = document.definitions
            fragments = {
                d.name.value: d for d in definitions if isinstance(d, FragmentDefinitionNode)
            }
            errors = list(validate(self.schema, document, self._rules, max_errors=MAX_ERRORS))
            if errors and errors[-1].message == "Validation aborted.":
                errors[-1] = GraphQLError("The document nests its fragments too deeply.")
            parsed = _ParsedDocument(document, errors, fragments)
        with self._lock:
            self._parsed[query] = parsed
            if len(self._parsed) > MAX_CACHED_DOCUMENTS:
                self._parsed.popitem(last=False)
        return parsed


class _Operation:
    """The execution of one operation."""

    def __init__(
        self,
        ion: LocalIon,
        parsed: _ParsedDocument,
        definition: OperationDefinitionNode,
        variables: VariableValues,
        viewer: Viewer,
        *,
        as_json: bool = False,
    ) -> None:
        self.ion = ion
        self.parsed = parsed
        self.definition = definition
        self.variables = variables
        self.viewer = viewer
        self.compiled_pages = parsed.compiled_pages if as_json else None
        self.data: dict[str, Any] = {}
        self.errors: list[dict[str, Any]] = []

    def query(self, connection: Connection) -> dict[str, Any]:
        """Return the response of a query."""
        return self._execute(self.ion.schema.query_type, connection, self._query_field)

    def mutate(self) -> dict[str, Any]:
        """Execute mutations, each in its own transaction."""
        root, connection = self.ion.schema.mutation_type, self.ion.store.connection
        return self._execute(root, connection, self._mutation_field)

    def _context(self, connection: Connection) -> OperationContext:
        return OperationContext(
            self.ion.catalog,
            self.ion.schema,
            connection,
            self.variables,
            self.parsed.fragments,
            self.viewer.permissions,
        )

    def _execute(
        self,
        root: GraphQLObjectType | None,
        connection: Connection,
        execute_field: Callable[[GraphQLObjectType, list[FieldNode], OperationContext], Any],
    ) -> dict[str, Any]:
        assert root is not None
        context = self._context(connection)
        fields: dict[str, list[FieldNode]] = {}
        context.collect_fields(root, self.definition.selection_set.selections, fields)
        for key, nodes in fields.items():
            try:
                is_typename = nodes[0].name.value == "__typename"
                self.data[key] = root.name if is_typename else execute_field(root, nodes, context)
            except (GraphQLError, NotUniqueError, InUseError) as error:
                self.data[key] = None
                message = str(getattr(error, "message", error))
                located = GraphQLError(message, nodes, path=[key])
                self.errors.append({**located.formatted})
            except (ValueError, TypeError, OverflowError, RecursionError, *_BINDING) as error:
                # such as text as an id, or a number that SQLite cannot store
                log.warning("local_ion.invalid_value", field=key, exc_info=True)
                self.data[key] = None
                definition = root.fields.get(nodes[0].name.value)
                found = find_invalid_id(definition, nodes[0], context) if definition else None
                located = GraphQLError(found or f"Invalid value: {error}", nodes, path=[key])
                self.errors.append({**located.formatted})
            except OperationalError as error:
                # SQLite limits the depth of its parser, among others.
                if not any(part in str(error) for part in _LIMIT_ERRORS):
                    raise
                self.data[key] = None
                located = GraphQLError(f"The filter is too complex: {error}.", nodes, path=[key])
                self.errors.append({**located.formatted})
        if self.errors:
            return {"data": self.data, "errors": self.errors}
        return {"data": self.data}

    def _query_field(
        self, root: GraphQLObjectType, nodes: list[FieldNode], context: OperationContext
    ) -> Any:
        name = nodes[0].name.value
        if name.startswith("__"):
            operation = replace(
                self.definition, selection_set=SelectionSetNode(selections=(nodes[0],))
            )
            document = DocumentNode(definitions=(operation, *self.parsed.fragments.values()))
            variables = self.variables.coerced
            result = execute_sync(self.ion.schema, document, variable_values=variables)
            assert isinstance(result, ExecutionResult)
            if result.errors:
                raise result.errors[0]
            return next(iter((result.data or {}).values()))
        self._check_permission(name, "read")
        definition = root.fields[name]
        args = context.arguments(definition, nodes[0])
        kind = object_type(definition)
        reader = Reader(context)
        special = ROOT_FIELDS.get(name)
        if special is not None:
            return special(RootRequest(reader, kind, nodes, args, self.viewer.user_id))
        resource = self.ion.list_resources.get(name)
        if resource is not None:
            return ListReader(reader, self.compiled_pages).read(resource, kind, nodes, args)
        resource = self.ion.single_resources[name]
        columns: dict[str, Any] = {}
        for member in resource.key:
            field = next(f for f in resource.fields if f.name == member)
            # some queries shorten the name of a key member
            names = [a for a in args if member.lower().endswith(a.lower())]
            columns[field.column] = encode(field, args[member if member in args else names[0]])
        return reader.by_key(resource, nodes, columns)

    def _mutation_field(
        self, root: GraphQLObjectType, nodes: list[FieldNode], _context: OperationContext
    ) -> Any:
        name = nodes[0].name.value
        self._check_permission(name, "update")
        handler = self.ion.handlers.get(name)
        if handler is None:
            raise GraphQLError(f"Mutation {name} is not served by this local ION yet")
        definition = root.fields[name]
        with self.ion.store.write(self.viewer.user_id) as tx:
            tx.permissions = self.viewer.permissions
            tx.version, tx.quirks = self.ion.version, self.ion.quirks
            last_action_id = audit_log.last_action_id(tx.connection)
            context = self._context(tx.connection)
            args = context.arguments(definition, nodes[0])
            if len(definition.args) == 1 and all(value is None for value in args.values()):
                raise GraphQLError(f"{name} requires its {next(iter(definition.args))}.")
            payload = handler(tx, args)
            if self.ion.version != "2023":
                boms.add_build_requirements(tx, last_action_id)
            self.ion.action_rules.check(tx, last_action_id)
            response = Reader(context).object(object_type(definition), nodes, payload)
        if self.ion.on_commit is not None:
            self.ion.on_commit()
        return response

    def _check_permission(self, name: str, verb: str) -> None:
        allowed = self.viewer.permissions
        if allowed is not None and name not in allowed and name not in _PUBLIC_ROOT_FIELDS:
            raise GraphQLError(f"User does not have permission to {verb} this resource.")
