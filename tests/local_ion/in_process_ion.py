"""A local ION in the process of the test, used as administrator or as another user."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from ultraviolet.ion.contract.derive import Version
from ultraviolet.local_ion.auth.viewers import Viewer
from ultraviolet.local_ion.graphql.executor import LocalIon
from ultraviolet.local_ion.quirks import Quirks
from ultraviolet.local_ion.rules.seed import add_user

ADMIN = Viewer(1)


class Ion:
    """A local ION in a directory, with a clock that advances at every change."""

    def __init__(self, path: Path, quirks: Quirks | None = None, version: Version = "all") -> None:
        ticks = itertools.count()
        self.ion = LocalIon(
            path, lambda: f"2026-11-24T00:00:00.{next(ticks):06d}+00:00", quirks, version
        )

    def execute(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> dict[str, Any]:
        """Return the whole response; compiled and resolved queries must be identical."""
        answer = self.ion.execute(query, variables, None, viewer)
        if not query.startswith("mutation"):
            quick = self.ion.execute(query, variables, None, viewer, as_json=True)
            assert msgspec.json.encode(answer) == msgspec.json.encode(quick)
        return answer

    def data(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> Any:
        """Return the only root field of a response without errors."""
        answer = self.execute(query, viewer, **variables)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def error(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> str:
        """Return the message of the first error."""
        return self.execute(query, viewer, **variables)["errors"][0]["message"]

    def create(self, kind: str, select: str = "id _etag", **values: Any) -> dict[str, Any]:
        """Create one object of a type."""
        name = kind[0].lower() + kind[1:]
        given = f"mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{ {name} {{ {select} }} }} }}"
        return self.data(given, input=values)[name]

    def document(self, mutation: str, *names: str, select: str | None = None) -> str:
        """Return a mutation document with these arguments that selects ids and etags."""
        root = self.ion.schema.mutation_type
        assert root is not None
        field = root.fields[mutation]
        payload = get_named_type(field.type)
        assert isinstance(payload, GraphQLObjectType)
        declared = ", ".join(f"${n}: {field.args[n].type}" for n in names)
        given = ", ".join(f"{n}: ${n}" for n in names)
        call = f"{mutation}({given})" if names else mutation
        shown = select or " ".join(
            _shown(n, get_named_type(f.type)) for n, f in payload.fields.items()
        )
        return f"mutation{f'({declared})' if names else ''} {{ {call} {{ {shown} }} }}"

    def mutate(
        self, mutation: str, _select: str | None = None, _as: Viewer = ADMIN, **values: Any
    ) -> Any:
        """Execute a mutation; the values are members of its input, or its arguments."""
        arguments = self._arguments(mutation, values)
        return self.data(self.document(mutation, *arguments, select=_select), _as, **arguments)

    def mutation_error(self, mutation: str, _as: Viewer = ADMIN, **values: Any) -> str:
        """Return the error message of a rejected mutation."""
        arguments = self._arguments(mutation, values)
        return self.error(self.document(mutation, *arguments), _as, **arguments)

    def _arguments(self, mutation: str, values: dict[str, Any]) -> dict[str, Any]:
        root = self.ion.schema.mutation_type
        assert root is not None
        known = root.fields[mutation].args
        if set(values) <= set(known):
            return values
        (name,) = (n for n in known if n in {"input", "deleteInput"})
        return {name: values}

    def get(self, single: str, id_: Any, select: str = "id _etag") -> Any:
        """Return one object."""
        return self.data(f"query($id: ID!) {{ {single}(id: $id) {{ {select} }} }}", id=id_)

    def etag(self, single: str, id_: Any) -> str:
        """Return the etag of one object."""
        return self.get(single, id_, "_etag")["_etag"]

    def list_all(self, listed: str, select: str = "id", **filters: Any) -> list[Any]:
        """Return all objects that match a filter."""
        page = self.ion.schema.query_type
        assert page is not None
        kind = page.fields[listed].args["filters"].type
        query = (
            f"query($f: {kind}) {{ {listed}(filters: $f) {{ edges {{ node {{ {select} }} }} }} }}"
        )
        return nodes(self.data(query, f=filters))

    def update_settings(self, mutation: str, **values: Any) -> Any:
        """Update the settings of the organization with its current etag."""
        now = self.data("{ me { organization { id _etag } } }")["organization"]
        return self.mutate(mutation, id=now["id"], etag=now["_etag"], **values)

    def settings_error(self, mutation: str, **values: Any) -> str:
        """Return the error message of a rejected change of the settings."""
        now = self.data("{ me { organization { id _etag } } }")["organization"]
        return self.mutation_error(mutation, id=now["id"], etag=now["_etag"], **values)

    def create_user(self, name: str) -> Viewer:
        """Create a user and return a viewer with all permissions."""
        with self.ion.store.write(1) as tx:
            return Viewer(add_user(tx, name, f"{name.lower()}@ultraviolet.example"))

    def update(self, single: str, id_: Any, _select: str | None = None, **values: Any) -> Any:
        """Update one object with its current etag."""
        name = f"update{single[0].upper()}{single[1:]}"
        return self.mutate(name, _select, id=id_, etag=self.etag(single, id_), **values)

    def update_error(self, single: str, id_: Any, **values: Any) -> str:
        """Return the error message of a rejected update."""
        name = f"update{single[0].upper()}{single[1:]}"
        return self.mutation_error(name, id=id_, etag=self.etag(single, id_), **values)


def _shown(name: str, kind: Any) -> str:
    if is_leaf_type(kind):
        return name
    wanted = [n for n in ("id", "_etag", "Etag") if n in kind.fields]
    return f"{name} {{ {' '.join(wanted) or '__typename'} }}"


def nodes(connection: dict[str, Any]) -> list[Any]:
    """Return the objects of a connection."""
    return [edge["node"] for edge in connection["edges"]]


def shared_ion() -> Any:
    """Create the fixture `ion` of a module whose tests share one local ION."""

    @pytest.fixture(scope="module", name="ion")
    def fixture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ion]:
        made = Ion(tmp_path_factory.mktemp("ion"))
        yield made
        made.ion.close()

    return fixture
