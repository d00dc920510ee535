"""The plant's hands: every change it makes goes through ION's own mutations, as anyone's would."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from ultraviolet.errors import UltravioletError
from ultraviolet.ion.catalog import Catalog, Resource

Execute = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Runs a document with variables as the plant's user, and gives ION's whole answer."""


class RefusedError(UltravioletError):
    """ION refused a change the plant wanted to make."""


class Pace(Protocol):
    """Says when the next change may be made, by returning."""

    def __call__(self) -> None: ...


class Hands:
    """Makes and reads things in ION by the names of its resources."""

    def __init__(self, execute: Execute, catalog: Catalog, pace: Pace) -> None:
        self._execute = execute
        self._catalog = catalog
        self._pace = pace
        self._documents: dict[tuple[str, ...], str] = {}
        self.changes = 0

    def create(self, resource: str, /, **values: Any) -> int:
        """Make one; gives its id."""
        made = self.mutate(_name(self._catalog.resources[resource], "create"), **values)
        return made["id"]

    def edit(self, resource: str, id_: int, /, **values: Any) -> None:
        """Change one, reading its etag first, as ION wants it."""
        kind = self._catalog.resources[resource]
        etag = self.look(resource, id_, "_etag")["_etag"]
        self.mutate(_name(kind, "update"), id=id_, etag=etag, **values)

    def remove(self, resource: str, id_: int, /) -> None:
        """Delete one."""
        kind = self._catalog.resources[resource]
        etag = self.look(resource, id_, "_etag")["_etag"]
        self.mutate(_name(kind, "delete"), id=id_, etag=etag)

    def look(self, resource: str, id_: int, want: str) -> dict[str, Any]:
        """Read one by id; raises RefusedError when it is gone."""
        single = self._catalog.resources[resource].single
        found = self.ask(f"query Look($id: ID!) {{ {single}(id: $id) {{ {want} }} }}", id=id_)[str(single)]
        if found is None:
            msg = f"{resource} {id_} is gone"
            raise RefusedError(msg)
        return found

    def ids(self, resource: str, most: int = 5_000) -> list[int]:
        """List the ids there are, the latest ones where there are many."""
        root = self._catalog.resources[resource].list
        answer = self.ask(
            f"query Ids($first: Int) {{ {root}(sort: [ID_DESC], first: $first) {{ edges {{ node {{ id }} }} }} }}",
            first=most,
        )
        return [edge["node"]["id"] for edge in reversed(answer[str(root)]["edges"])]

    def mutate(self, mutation: str, /, **values: Any) -> dict[str, Any]:
        """Run a mutation; its values are the members of its input, or its arguments where it has no input."""
        arguments = self._fields()[mutation].args
        return self._mutate(mutation, {"input": values} if set(arguments) == {"input"} else values)

    def mutate_list(self, mutation: str, inputs: list[dict[str, Any]], /) -> dict[str, Any]:
        """Run a mutation whose input is a list."""
        return self._mutate(mutation, {"input": inputs})

    def _mutate(self, mutation: str, variables: dict[str, Any]) -> dict[str, Any]:
        self._pace()
        answer = self.ask(self._document(mutation, tuple(variables)), **variables)[mutation]
        self.changes += 1
        member = self._member(mutation)
        return answer[member] if member else answer

    def ask(self, document: str, /, **variables: Any) -> dict[str, Any]:
        """Run a document; raises RefusedError with ION's message when it answers with errors."""
        answer = self._execute(document, variables)
        if answer.get("errors"):
            raise RefusedError(str(answer["errors"][0]["message"]))
        return dict(answer["data"])

    def _document(self, mutation: str, names: tuple[str, ...]) -> str:
        key = (mutation, *names)
        if key not in self._documents:
            field = self._fields()[mutation]
            declared = ", ".join(f"${name}: {field.args[name].type}" for name in names)
            given = ", ".join(f"{name}: ${name}" for name in names)
            self._documents[key] = (
                f"mutation Plant({declared}) {{ {mutation}({given}) {{ {self._want(mutation)} }} }}"
            )
        return self._documents[key]

    def _want(self, mutation: str) -> str:
        member = self._member(mutation)
        return f"{member} {{ id }}" if member else " ".join(self._payload(mutation).fields)

    def _member(self, mutation: str) -> str | None:
        fields = self._payload(mutation).fields
        return next((n for n, f in fields.items() if not is_leaf_type(get_named_type(f.type))), None)

    def _payload(self, mutation: str) -> GraphQLObjectType:
        payload = cast(object, get_named_type(self._fields()[mutation].type))
        assert isinstance(payload, GraphQLObjectType)
        return payload

    def _fields(self) -> Mapping[str, Any]:
        root = self._catalog.schema.mutation_type
        assert root is not None
        return root.fields


def _name(resource: Resource, verb: str) -> str:
    name = getattr(resource, verb)
    assert name is not None, f"{resource.name} has no mutation to {verb} it"
    return name
