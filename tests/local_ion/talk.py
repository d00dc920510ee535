"""A local ION to talk to in the test's own process, as its administrator or as somebody else."""

import itertools
from pathlib import Path
from typing import Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type

from ultraviolet.local_ion.schema import LocalIon, Viewer

ADMIN = Viewer(1)


class Ion:
    """A local ION in a directory, with a clock that ticks at every change."""

    def __init__(self, path: Path) -> None:
        ticks = itertools.count()
        self.ion = LocalIon(path, lambda: f"2026-11-24T00:00:00.{next(ticks):06d}+00:00")

    def ask(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> dict[str, Any]:
        """Give the whole answer."""
        return self.ion.execute(query, variables, None, viewer)

    def data(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> Any:
        """Give the answer's one root field; it must be no error."""
        answer = self.ask(query, viewer, **variables)
        assert "errors" not in answer, answer["errors"]
        (value,) = answer["data"].values()
        return value

    def error(self, query: str, viewer: Viewer = ADMIN, **variables: Any) -> str:
        """Give the message of the first error."""
        return self.ask(query, viewer, **variables)["errors"][0]["message"]

    def make(self, kind: str, select: str = "id _etag", **values: Any) -> dict[str, Any]:
        """Create one object of a type."""
        name = kind[0].lower() + kind[1:]
        given = f"mutation($input: Create{kind}Input!) {{ create{kind}(input: $input) {{ {name} {{ {select} }} }} }}"
        return self.data(given, input=values)[name]

    def document(self, mutation: str, *names: str, select: str | None = None) -> str:
        """Write a mutation that takes these arguments and shows the ids and etags of what it gives."""
        root = self.ion.schema.mutation_type
        assert root is not None
        field = root.fields[mutation]
        payload = get_named_type(field.type)
        assert isinstance(payload, GraphQLObjectType)
        declared = ", ".join(f"${n}: {field.args[n].type}" for n in names)
        given = ", ".join(f"{n}: ${n}" for n in names)
        call = f"{mutation}({given})" if names else mutation
        shown = select or " ".join(_shown(n, get_named_type(f.type)) for n, f in payload.fields.items())
        return f"mutation{f'({declared})' if names else ''} {{ {call} {{ {shown} }} }}"

    def do(self, mutation: str, _select: str | None = None, **values: Any) -> Any:
        """Run a mutation whose values are the members of its input, or its arguments."""
        arguments = self._arguments(mutation, values)
        return self.data(self.document(mutation, *arguments, select=_select), **arguments)

    def refused(self, mutation: str, **values: Any) -> str:
        """Give the message with which a mutation is refused."""
        arguments = self._arguments(mutation, values)
        return self.error(self.document(mutation, *arguments), **arguments)

    def _arguments(self, mutation: str, values: dict[str, Any]) -> dict[str, Any]:
        root = self.ion.schema.mutation_type
        assert root is not None
        known = root.fields[mutation].args
        if set(values) <= set(known):
            return values
        (name,) = (n for n in known if n in {"input", "deleteInput"})
        return {name: values}

    def see(self, single: str, id_: Any, select: str = "id _etag") -> Any:
        """Read one object."""
        return self.data(f"query($id: ID!) {{ {single}(id: $id) {{ {select} }} }}", id=id_)

    def etag(self, single: str, id_: Any) -> str:
        """Read one object's etag."""
        return self.see(single, id_, "_etag")["_etag"]

    def edit(self, single: str, id_: Any, _select: str | None = None, **values: Any) -> Any:
        """Change one object, its etag read first."""
        name = f"update{single[0].upper()}{single[1:]}"
        return self.do(name, _select, id=id_, etag=self.etag(single, id_), **values)

    def edit_refused(self, single: str, id_: Any, **values: Any) -> str:
        """Give the message with which a change of one object is refused."""
        name = f"update{single[0].upper()}{single[1:]}"
        return self.refused(name, id=id_, etag=self.etag(single, id_), **values)


def _shown(name: str, kind: Any) -> str:
    if is_leaf_type(kind):
        return name
    wanted = [n for n in ("id", "_etag", "Etag") if n in kind.fields]
    return f"{name} {{ {' '.join(wanted) or '__typename'} }}"


def nodes(connection: dict[str, Any]) -> list[Any]:
    """Give the objects of a page."""
    return [edge["node"] for edge in connection["edges"]]
