"""The plant's client: every change is a GraphQL mutation, as any other user would send it."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from ultraviolet.errors import UltravioletError
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.model import Resource
from ultraviolet.local_ion.plant.pacing import Pace

ExecuteDocument = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Execute a document as the plant's user and return the whole response."""


class RejectedError(UltravioletError):
    """ION rejected a change of the plant."""


class PlantClient:
    """Creates, reads and changes objects by the names of their resources."""

    def __init__(self, execute: ExecuteDocument, catalog: Catalog, pace: Pace) -> None:
        self._execute = execute
        self._catalog = catalog
        self._pace = pace
        self._documents: dict[tuple[str, ...], str] = {}
        self.changes = 0

    def create(self, resource: str, /, **values: Any) -> int:
        """Create an object and return its id."""
        mutation = _mutation_name(self._catalog.resources[resource], "create")
        return self.mutate(mutation, **values)["id"]

    def update(self, resource: str, id_: int, /, **values: Any) -> None:
        """Update an object with its current etag."""
        mutation = _mutation_name(self._catalog.resources[resource], "update")
        etag = self.get(resource, id_, "_etag")["_etag"]
        self.mutate(mutation, id=id_, etag=etag, **values)

    def delete(self, resource: str, id_: int, /) -> None:
        """Delete an object."""
        mutation = _mutation_name(self._catalog.resources[resource], "delete")
        etag = self.get(resource, id_, "_etag")["_etag"]
        self.mutate(mutation, id=id_, etag=etag)

    def get(self, resource: str, id_: int, selection: str) -> dict[str, Any]:
        """Return an object; raise RejectedError if it does not exist."""
        field = self._catalog.resources[resource].single
        document = f"query Get($id: ID!) {{ {field}(id: $id) {{ {selection} }} }}"
        found = self.execute(document, id=id_)[str(field)]
        if found is None:
            raise RejectedError(f"{resource} {id_} does not exist")
        return found

    def list_ids(self, resource: str, limit: int = 5_000) -> list[int]:
        """Return the highest ids in ascending order."""
        field = self._catalog.resources[resource].list
        page = f"{field}(sort: [ID_DESC], first: $first) {{ edges {{ node {{ id }} }} }}"
        data = self.execute(f"query Ids($first: Int) {{ {page} }}", first=limit)
        return [edge["node"]["id"] for edge in reversed(data[str(field)]["edges"])]

    def mutate(self, mutation: str, /, **values: Any) -> dict[str, Any]:
        """Execute a mutation; the values are members of its input, or its arguments."""
        arguments = self._mutation_fields()[mutation].args
        has_input = set(arguments) == {"input"}
        return self._mutate(mutation, {"input": values} if has_input else values)

    def mutate_list(self, mutation: str, inputs: list[dict[str, Any]], /) -> dict[str, Any]:
        """Execute a mutation whose input is a list."""
        return self._mutate(mutation, {"input": inputs})

    def _mutate(self, mutation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self._pace()
        payload = self.execute(self._document(mutation, tuple(variables)), **variables)[mutation]
        self.changes += 1
        member = self._object_member(mutation)
        return payload[member] if member else payload

    def execute(self, document: str, /, **variables: Any) -> dict[str, Any]:
        """Execute a document and return its data; raise RejectedError with ION's message."""
        response = self._execute(document, variables)
        if response.get("errors"):
            raise RejectedError(str(response["errors"][0]["message"]))
        return dict(response["data"])

    def _document(self, mutation: str, names: tuple[str, ...]) -> str:
        key = (mutation, *names)
        if key not in self._documents:
            field = self._mutation_fields()[mutation]
            declared = ", ".join(f"${name}: {field.args[name].type}" for name in names)
            given = ", ".join(f"{name}: ${name}" for name in names)
            member = self._object_member(mutation)
            selection = " ".join(self._payload(mutation).fields)
            if member:
                kind = cast(object, get_named_type(self._payload(mutation).fields[member].type))
                has_id = isinstance(kind, GraphQLObjectType) and "id" in kind.fields
                selection = f"{member} {{ {'id' if has_id else '__typename'} }}"
            call = f"{mutation}({given}) {{ {selection} }}"
            self._documents[key] = f"mutation Plant({declared}) {{ {call} }}"
        return self._documents[key]

    def _object_member(self, mutation: str) -> str | None:
        fields = self._payload(mutation).fields
        return next(
            (n for n, f in fields.items() if not is_leaf_type(get_named_type(f.type))), None
        )

    def _payload(self, mutation: str) -> GraphQLObjectType:
        payload = cast(object, get_named_type(self._mutation_fields()[mutation].type))
        assert isinstance(payload, GraphQLObjectType)
        return payload

    def _mutation_fields(self) -> Mapping[str, Any]:
        root = self._catalog.schema.mutation_type
        assert root is not None
        return root.fields


def _mutation_name(resource: Resource, verb: str) -> str:
    name = getattr(resource, verb)
    assert name is not None, f"{resource.name} has no {verb} mutation"
    return name
